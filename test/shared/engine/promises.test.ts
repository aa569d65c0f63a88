import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Outcome } from '../../../shared/engine/outcome.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import { outstandingTasks } from '../../../shared/engine/transitions/moved.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { hasten } from '../../../shared/engine/transitions/webhook.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE, STEP_NAMES } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'
import { taskId } from '../../../shared/tasks/step-queue.ts'
import {
  againAfter,
  claimEvent,
  doneAs,
  FAILED,
  LEASE_MS,
  pollingAfter,
  started,
  waitingFor,
} from '../podcast/episode-fixtures.ts'

/** Whatever the product says: attempts of a step, and repeats of a call whose end nobody saw. */
const ATTEMPTS_MOST = 5
const REPEATS_MOST = 1

/** Any story of deliveries, endings, crashes, webhooks, cancels and retries, told by a seeded source of chance. */
const story = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'deliver',
      'deliver',
      'deliver',
      'settle',
      'settle',
      'settle',
      'webhook',
      'cancel',
      'retry',
      'time',
      'late',
    ),
    pick: fc.nat(1000),
    outcome: fc.constantFrom('done', 'done', 'done', 'polling', 'waiting', 'tryAgain', 'failed'),
  }),
  { maxLength: 120 },
)

function outcomeOf(kind: string, step: StepName, attempt: number, nowMs: number): Outcome {
  switch (kind) {
    case 'done':
      return doneAs(step)
    case 'polling':
      return pollingAfter(50)
    case 'waiting':
      return waitingFor('p', 100, { call: nowMs % 3 === 0 ? 'unsent' : nowMs % 2 === 0 ? 'ambiguous' : 'ended' })
    case 'tryAgain':
      // Whoever has had all its attempts is not tried again.
      if (attempt >= ATTEMPTS_MOST) return FAILED
      return againAfter(10, {
        call: nowMs % 3 === 0 ? 'ambiguous' : 'ended',
        job: nowMs % 2 === 0 ? 'drop' : 'keep',
      })
    default:
      return FAILED
  }
}

test('whatever happens in whatever order, the promises hold', () => {
  fc.assert(
    fc.property(story, (events) => {
      let nowMs = 1
      let { next: episode, tasks } = started(undefined, nowMs)
      const everMade = [...tasks]
      const names = new Set(tasks.map((task) => taskId(episode.id, task)))
      const fences: Fence[] = []
      const take = (moved: Moved<Episode> | undefined) => {
        if (moved === undefined) return
        for (const task of moved.tasks) {
          const name = taskId(episode.id, task)
          // Every decision to enqueue has a name that was never used before.
          expect(names.has(name)).toBe(false)
          names.add(name)
          everMade.push(task)
        }
        ;({ next: episode, tasks } = moved)
      }
      for (const { kind, pick, outcome } of events) {
        nowMs += 5
        const doneBefore = STEP_NAMES.filter((name) => episode.steps[name].state === 'done')
        const task = everMade[pick % everMade.length]
        if (kind === 'deliver' && task) {
          const asked = claim<Episode>(PIPELINE, episode, claimEvent(task, `t${nowMs}`), nowMs)
          if (asked.kind === 'claimed') fences.push(asked.fence)
          if ('moved' in asked) take(asked.moved)
        } else if (kind === 'settle' || kind === 'late') {
          const fence = kind === 'late' ? fences[pick % Math.max(1, fences.length)] : fences.at(-1)
          const step = fence?.step as StepName
          if (fence) {
            const as = outcomeOf(outcome, step, episode.steps[step].attempt, nowMs)
            take(settle(PIPELINE, episode, { fence, outcome: as, cost: undefined }, nowMs))
          }
        } else if (kind === 'webhook')
          take(hasten(PIPELINE, episode, { step: pick % 2 ? 'transcribe' : 'master' }, nowMs))
        else if (kind === 'cancel' && episode.status === 'processing' && pick % 10 === 0)
          take(cancel(PIPELINE, episode, {}, nowMs))
        else if (kind === 'retry' && (episode.status === 'error' || episode.status === 'cancelled'))
          take(start(PIPELINE, episode, {}, nowMs))
        else if (kind === 'time') nowMs += LEASE_MS

        // What is done stays done.
        for (const name of doneBefore) expect(episode.steps[name].state).toBe('done')
        // No episode without a next event: it is over, or somebody holds a step, or a task is out.
        if (episode.status === 'processing') {
          const leased = STEP_NAMES.some((name) => episode.steps[name].lease !== undefined)
          expect(leased || outstandingTasks(episode, episode.generation).length > 0).toBe(true)
        }
        // Everything is bounded.
        for (const name of STEP_NAMES) {
          expect(episode.steps[name].attempt).toBeLessThanOrEqual(ATTEMPTS_MOST)
          expect(episode.steps[name].paid?.repeats ?? 0).toBeLessThanOrEqual(REPEATS_MOST)
        }
        // At most one attempt holds a step.
        for (const { state, lease } of Object.values(episode.steps))
          expect(state === 'running').toBe(lease !== undefined)
        if (episode.status === 'ready')
          expect(STEP_NAMES.every((name) => ['done', 'skipped'].includes(episode.steps[name].state))).toBe(true)
      }
    }),
    { numRuns: 500, verbose: 1 },
  )
})
