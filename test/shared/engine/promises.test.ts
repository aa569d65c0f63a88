import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Outcome } from '../../../shared/engine/outcome.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import { outstandingTasks } from '../../../shared/engine/transitions/moved.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { hasten } from '../../../shared/engine/transitions/webhook.ts'
import { taskId } from '../../../shared/tasks/step-queue.ts'
import { FAKE_PIPELINE, FAKE_STEPS } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'
import {
  againAfter,
  claimEvent,
  doneAs,
  FAILED,
  LEASE_MS,
  pollingAfter,
  started,
  waitingFor,
} from './order-fixtures.ts'

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

function outcomeOf(kind: string, step: FakeStepName, attempt: number, nowMs: number): Outcome {
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
      let { next: order, tasks } = started(undefined, nowMs)
      const everMade = [...tasks]
      const names = new Set(tasks.map((task) => taskId(order.id, task)))
      const fences: Fence[] = []
      const take = (moved: Moved<Order> | undefined) => {
        if (moved === undefined) return
        for (const task of moved.tasks) {
          const name = taskId(order.id, task)
          // Every decision to enqueue has a name that was never used before.
          expect(names.has(name)).toBe(false)
          names.add(name)
          everMade.push(task)
        }
        ;({ next: order, tasks } = moved)
      }
      for (const { kind, pick, outcome } of events) {
        nowMs += 5
        const doneBefore = FAKE_STEPS.filter((name) => order.steps[name].state === 'done')
        const task = everMade[pick % everMade.length]
        if (kind === 'deliver' && task) {
          const asked = claim<Order>(FAKE_PIPELINE, order, claimEvent(task, `t${nowMs}`), nowMs)
          if (asked.kind === 'claimed') fences.push(asked.fence)
          if ('moved' in asked) take(asked.moved)
        } else if (kind === 'settle' || kind === 'late') {
          const fence = kind === 'late' ? fences[pick % Math.max(1, fences.length)] : fences.at(-1)
          const step = fence?.step as FakeStepName
          if (fence) {
            const as = outcomeOf(outcome, step, order.steps[step].attempt, nowMs)
            take(settle(FAKE_PIPELINE, order, { fence, outcome: as, cost: undefined }, nowMs))
          }
        } else if (kind === 'webhook')
          take(hasten(FAKE_PIPELINE, order, { step: pick % 2 ? 'transcribe' : 'master' }, nowMs))
        else if (kind === 'cancel' && order.status === 'processing' && pick % 10 === 0)
          take(cancel(FAKE_PIPELINE, order, {}, nowMs))
        else if (kind === 'retry' && (order.status === 'error' || order.status === 'cancelled'))
          take(start(FAKE_PIPELINE, order, {}, nowMs))
        else if (kind === 'time') nowMs += LEASE_MS

        // What is done stays done.
        for (const name of doneBefore) expect(order.steps[name].state).toBe('done')
        // No order without a next event: it is over, or somebody holds a step, or a task is out.
        if (order.status === 'processing') {
          const leased = FAKE_STEPS.some((name) => order.steps[name].lease !== undefined)
          expect(leased || outstandingTasks(order, order.generation).length > 0).toBe(true)
        }
        // Everything is bounded.
        for (const name of FAKE_STEPS) {
          expect(order.steps[name].attempt).toBeLessThanOrEqual(ATTEMPTS_MOST)
          expect(order.steps[name].paid?.repeats ?? 0).toBeLessThanOrEqual(REPEATS_MOST)
        }
        // At most one attempt holds a step.
        for (const { state, lease } of Object.values(order.steps)) expect(state === 'running').toBe(lease !== undefined)
        if (order.status === 'ready')
          expect(FAKE_STEPS.every((name) => ['done', 'skipped'].includes(order.steps[name].state))).toBe(true)
      }
    }),
    { numRuns: 500, verbose: 1 },
  )
})
