import { describe, expect, test } from 'vitest'

import { recordHistory } from '../../../shared/engine/history.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Problem } from '../../../shared/engine/problem.ts'
import { decideSweep } from '../../../shared/engine/sweep/decide.ts'
import { sweepAtMs } from '../../../shared/engine/sweep/due.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { beginUpgrade, inGeneration, upgradeAtMs, viewGeneration } from '../../../shared/engine/transitions/upgrade.ts'
import type { Step } from '../../../shared/engine/workflow.ts'
import { mayHoldFiles } from '../../../shared/podcast/clean-up.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE, STEP_NAMES } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'
import { claimEvent, draft, PROBLEM } from '../podcast/episode-fixtures.ts'

const HOUR_MS = 3_600_000
const RULES = {
  stalledStepMs: 150_000,
  stuckAfterMs: 2 * HOUR_MS,
  deadlineMs: 24 * HOUR_MS,
  stepLeaseMs: 20_000,
  orphanAgeMs: 24 * HOUR_MS,
  mayHoldFiles: (episode: unknown) => mayHoldFiles(episode as Episode),
}
const CONTEXT = { pipeline: PIPELINE, rules: RULES, evidence: { lastResult: undefined }, errorId: 'e1' }
const PAUSE_MS = 300_000
const NOTES = (title: string) => ({ notesKey: title, notes: { title, description: 'D', chapters: [], tags: [] } })

/** Ready at time 0, the given steps by fallbacks. */
function ready(...fallen: StepName[]): Episode {
  const step = (name: StepName): Step => ({
    state: 'done',
    attempt: 1,
    dispatch: 1,
    finishedAtMs: 0,
    ...(fallen.includes(name) && {
      degraded: 'without',
      fallback: { atMs: 0, tries: 0, pauseMs: PAUSE_MS, nextTryAtMs: PAUSE_MS },
    }),
  })
  return {
    ...draft(),
    status: 'ready',
    generation: 1,
    steps: Object.fromEntries(STEP_NAMES.map((name) => [name, step(name)])) as Episode['steps'],
    results: {
      transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 },
      write: NOTES('old'),
      master: { audioKey: 'm', durationSeconds: 10, introSeconds: 0 },
      finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' },
    },
  }
}

const begin = (episode: Episode, nowMs: number): Moved<Episode> =>
  beginUpgrade(PIPELINE, episode, {}, nowMs) ?? { next: episode, tasks: [] }

function claimed({ next, tasks }: Moved<Episode>, step: StepName, nowMs: number): { episode: Episode; fence: Fence } {
  const task = tasks.find((one) => one.step === step)
  if (task === undefined) throw new Error(`no task for ${step}`)
  let fence: Fence | undefined
  const moved = inGeneration(next, task.generation, (view) => {
    const asked = claim<Episode>(PIPELINE, view, claimEvent(task, `t${nowMs}`), nowMs)
    if (asked.kind !== 'claimed') throw new Error(asked.kind)
    fence = asked.fence
    return asked.moved
  })
  if (moved === undefined || fence === undefined) throw new Error('not claimed')
  return { episode: moved.next, fence }
}

function settled(
  { episode, fence }: { episode: Episode; fence: Fence },
  outcome: Outcome,
  nowMs: number,
): Moved<Episode> {
  const moved = inGeneration(episode, fence.generation, (view) =>
    settle(PIPELINE, view, { fence, outcome, cost: undefined }, nowMs),
  )
  if (moved === undefined) throw new Error('the step is held by another attempt')
  return moved
}

const done = (step: 'write' | 'finish'): Outcome => ({
  kind: 'done',
  result: step === 'write' ? NOTES('new') : { audioKey: 'a2', transcriptKey: 't2', vttKey: 'v2', srtKey: 's2' },
  by: undefined,
  degraded: undefined,
})
const failed = (problem: Problem, call: 'unsent' | 'ended' | 'ambiguous' = 'ended'): Outcome => ({
  kind: 'failed',
  problem,
  call,
})

describe('an upgrade', () => {
  test('is begun by the sweep when it is due, and not before', () => {
    const episode = ready('write')
    expect([upgradeAtMs(episode), sweepAtMs(PIPELINE, episode, RULES)]).toEqual([PAUSE_MS, PAUSE_MS])
    const decide = (nowMs: number) => decideSweep(episode, CONTEXT, nowMs)
    expect(decide(PAUSE_MS - 1).kind).toBe('none')
    expect(decide(PAUSE_MS)).toMatchObject({ kind: 'move', cures: [{ step: 'write', action: 'upgrade' }] })
  })

  test('works beside the episode, which is ready and serves what it has until all of the new is there', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    expect(begun.tasks).toEqual([{ step: 'write', generation: 2, dispatch: 1 }])
    const written = settled(claimed(begun, 'write', PAUSE_MS + 1), done('write'), PAUSE_MS + 2)
    expect(written.next).toMatchObject({ status: 'ready', generation: 1, results: { write: NOTES('old') } })
    expect(written.tasks).toEqual([{ step: 'finish', generation: 2, dispatch: 1 }])
    const { next: episode } = settled(claimed(written, 'finish', PAUSE_MS + 3), done('finish'), PAUSE_MS + 4)
    expect(episode).toMatchObject({
      status: 'ready',
      generation: 2,
      results: { write: NOTES('new'), master: { audioKey: 'm' }, finish: { audioKey: 'a2' } },
    })
    expect(episode).not.toHaveProperty('upgrade')
    expect(episode).not.toHaveProperty('replaces')
    expect(episode.steps.write).not.toHaveProperty('degraded')
    expect(upgradeAtMs(episode)).toBeUndefined()
  })

  test.each([
    ['write', ['write', 'finish']],
    ['voice', ['voice', 'master', 'finish']],
    ['master', ['master', 'finish']],
  ] as const)('of %s does again %j and nothing else', (step, again) => {
    const begun = begin(ready(step), PAUSE_MS)
    const run = viewGeneration(begun.next, 2)
    expect(STEP_NAMES.filter((name) => run.steps[name].state !== 'done')).toEqual(again)
    expect(begun.tasks.map((task) => task.step)).toEqual([step])
  })

  test('that is given up leaves all as it was, and is tried again later and later', () => {
    let episode = ready('write')
    const waits: number[] = []
    for (let tries = 1, nowMs = PAUSE_MS; tries < 30; tries++) {
      const begun = begin(episode, nowMs)
      expect(begun.tasks[0]?.generation).toBe(tries + 1)
      const given = settled(claimed(begun, 'write', nowMs), failed(PROBLEM, 'unsent'), nowMs)
      episode = given.next
      expect(episode).toMatchObject({ status: 'ready', generation: 1, results: { write: NOTES('old') } })
      expect(episode.steps.write).toMatchObject({ degraded: 'without', fallback: { tries } })
      const nextMs = upgradeAtMs(episode)
      if (nextMs === undefined) break
      waits.push(nextMs - nowMs)
      nowMs = nextMs
    }
    expect(waits.slice(0, 3)).toEqual([2 * PAUSE_MS, 4 * PAUSE_MS, 8 * PAUSE_MS])
    expect(Math.max(...waits)).toBe(6 * HOUR_MS)
    expect(waits).toHaveLength(13)
  })

  test('is not tried again where that cannot succeed, nor after a call that may have been charged twice', () => {
    const refused = { ...PROBLEM, retryable: false }
    const begun = begin(ready('write'), PAUSE_MS)
    const given = settled(claimed(begun, 'write', PAUSE_MS), failed(refused), PAUSE_MS)
    expect(upgradeAtMs(given.next)).toBeUndefined()

    let episode = ready('write')
    let calls = 0
    for (; calls < 10; calls++) {
      const nowMs = upgradeAtMs(episode)
      if (nowMs === undefined) break
      const asked = claimed(begin(episode, nowMs), 'write', nowMs)
      episode = settled(asked, failed(PROBLEM, 'ambiguous'), nowMs).next
    }
    expect(calls).toBe(2)
  })

  test('still knows of jobs that may be somewhere, of every step that it does again', () => {
    const lostJobs = [{ key: 'k', webhookToken: 't', provider: 'first', polls: 0 }]
    const episode = ready('write')
    const { write, finish } = episode.steps
    const steps = { ...episode.steps, write: { ...write, lostJobs }, finish: { ...finish, lostJobs } }
    const begun = begin({ ...episode, steps }, PAUSE_MS).next.upgrade
    expect([begun?.steps['write']?.lostJobs, begun?.steps['finish']?.lostJobs]).toEqual([lostJobs, lostJobs])
  })

  test('takes up the job that was begun before the fallback', () => {
    const episode = ready('master')
    const job = { key: 'g1-master', webhookToken: 'h', providerJobId: 'p1', polls: 7 }
    const before = { ...episode, steps: { ...episode.steps, master: { ...episode.steps.master, job } } }
    const { episode: asked } = claimed(begin(before, PAUSE_MS), 'master', PAUSE_MS)
    expect(viewGeneration(asked, 2).steps.master.job).toEqual({ ...job, polls: 0 })
  })

  test('that stands still is driven on, and given up when nothing helps', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    const decide = (nowMs: number) => decideSweep(begun.next, CONTEXT, nowMs)
    const driven = decide(PAUSE_MS + RULES.stalledStepMs)
    expect(driven).toMatchObject({
      kind: 'move',
      cures: [{ step: 'write', action: 'requeue' }],
      moved: { tasks: [{ step: 'write', generation: 2, dispatch: 2 }], next: { status: 'ready' } },
    })
    const given = decide(PAUSE_MS + RULES.stuckAfterMs)
    expect(given).toMatchObject({
      kind: 'move',
      cures: [{ action: 'upgrade' }],
      moved: { next: { status: 'ready' } },
    })
    if (given.kind === 'move') expect(given.moved.next).not.toHaveProperty('upgrade')
  })

  test('of a deleted episode is nobody’s: neither claims nor writes are let in', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    const { episode, fence } = claimed(begun, 'write', PAUSE_MS)
    const deleted = { ...episode, deletedAtMs: 5, generation: 2 }
    expect(
      inGeneration(deleted, fence.generation, (view) =>
        settle(PIPELINE, view, { fence, outcome: done('write'), cost: undefined }, 9),
      ),
    ).toBeUndefined()
  })

  test('is told in the history', () => {
    const before = ready('write')
    const { next: episode } = begin(before, PAUSE_MS)
    expect(recordHistory(before, episode, { by: 'sweep' }, 'episode').history).toEqual([
      { atMs: PAUSE_MS, by: 'sweep', what: 'upgrade', to: 'running', why: 'a better write is asked for' },
    ])
  })
})
