import { describe, expect, test } from 'vitest'

import { chronicled } from '../../../shared/episodes/history.ts'
import { claim, settle } from '../../../shared/episodes/machine.ts'
import type { Fence, Outcome } from '../../../shared/episodes/machine.ts'
import type { Moved } from '../../../shared/episodes/moves.ts'
import type { Episode, EpisodeFault, Step } from '../../../shared/episodes/schema.ts'
import { AMBIGUOUS_REPEATS_MAX, STEPS } from '../../../shared/episodes/steps.ts'
import type { StepName } from '../../../shared/episodes/steps.ts'
import { decideSweep } from '../../../shared/episodes/sweep/decide.ts'
import { sweepAtMs } from '../../../shared/episodes/sweep/due.ts'
import { beginUpgrade, inRun, runOf, upgradeAtMs } from '../../../shared/episodes/upgrade.ts'
import { draft, FAULT } from './episode-fixtures.ts'

const HOUR_MS = 3_600_000
const LIMITS = {
  stalledStepMs: 150_000,
  stuckEpisodeMs: 2 * HOUR_MS,
  episodeDeadlineMs: 24 * HOUR_MS,
  stepLeaseMs: 20_000,
  orphanAgeMs: 24 * HOUR_MS,
}
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
    steps: Object.fromEntries(STEPS.map((name) => [name, step(name)])) as Episode['steps'],
    results: {
      transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 },
      write: NOTES('old'),
      master: { audioKey: 'm', durationSeconds: 10, introSeconds: 0 },
      finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' },
    },
  }
}

function claimed({ episode, orders }: Moved, step: StepName, nowMs: number): { episode: Episode; fence: Fence } {
  const order = orders.find((one) => one.step === step)
  if (order === undefined) throw new Error(`no order for ${step}`)
  let fence: Fence | undefined
  const moved = inRun(episode, order.generation, (run) => {
    const terms = {
      token: `t${nowMs}`,
      newJob: { key: 'j', hookToken: 'h' },
      leaseUntilMs: nowMs + 20_000,
      giveUp: FAULT,
    }
    const result = claim(run, order, terms, nowMs)
    if (result.kind !== 'claimed') throw new Error(result.kind)
    fence = result.fence
    return result.moved
  })
  if (moved === undefined || fence === undefined) throw new Error('not claimed')
  return { episode: moved.episode, fence }
}

function settled({ episode, fence }: { episode: Episode; fence: Fence }, outcome: Outcome, nowMs: number): Moved {
  const moved = inRun(episode, fence.generation, (run) => settle(run, fence, outcome, nowMs, LIMITS.episodeDeadlineMs))
  if (moved === undefined) throw new Error('fenced')
  return moved
}

const done = (step: 'write' | 'finish'): Outcome => ({
  kind: 'done',
  results:
    step === 'write'
      ? { write: NOTES('new') }
      : { finish: { audioKey: 'a2', transcriptKey: 't2', vttKey: 'v2', srtKey: 's2' } },
})
const failed = (fault: EpisodeFault, call?: { sent: boolean; ambiguous: boolean }): Outcome => ({
  kind: 'failed',
  fault,
  ...(call && { call }),
})

describe('an upgrade', () => {
  test('is begun by the sweep when it is due, and not before', () => {
    const episode = ready('write')
    expect([upgradeAtMs(episode), sweepAtMs(episode, LIMITS)]).toEqual([PAUSE_MS, PAUSE_MS])
    const decide = (nowMs: number) => decideSweep(episode, {}, nowMs, LIMITS, () => FAULT)
    expect(decide(PAUSE_MS - 1).kind).toBe('none')
    expect(decide(PAUSE_MS)).toMatchObject({ kind: 'move', rulings: [{ step: 'write', action: 'upgrade' }] })
  })

  test('works beside the episode, which is ready and serves what it has until all of the new is there', () => {
    const begun = beginUpgrade(ready('write'), PAUSE_MS)
    expect(begun.orders).toEqual([{ step: 'write', generation: 2, dispatch: 1 }])
    const written = settled(claimed(begun, 'write', PAUSE_MS + 1), done('write'), PAUSE_MS + 2)
    expect(written.episode).toMatchObject({ status: 'ready', generation: 1, results: { write: NOTES('old') } })
    expect(written.orders).toEqual([{ step: 'finish', generation: 2, dispatch: 1 }])
    const { episode } = settled(claimed(written, 'finish', PAUSE_MS + 3), done('finish'), PAUSE_MS + 4)
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
    const begun = beginUpgrade(ready(step), PAUSE_MS)
    const run = runOf(begun.episode, 2)
    expect(STEPS.filter((name) => run.steps[name].state !== 'done')).toEqual(again)
    expect(begun.orders.map((order) => order.step)).toEqual([step])
  })

  test('that is given up leaves all as it was, and is tried again later and later', () => {
    let episode = ready('write')
    const waits: number[] = []
    for (let tries = 1, nowMs = PAUSE_MS; tries < 30; tries++) {
      const begun = beginUpgrade(episode, nowMs)
      expect(begun.orders[0]?.generation).toBe(tries + 1)
      const given = settled(claimed(begun, 'write', nowMs), failed(FAULT, { sent: false, ambiguous: false }), nowMs)
      episode = given.episode
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
    const refused = { ...FAULT, retryable: false }
    const begun = beginUpgrade(ready('write'), PAUSE_MS)
    const given = settled(claimed(begun, 'write', PAUSE_MS), failed(refused), PAUSE_MS)
    expect(upgradeAtMs(given.episode)).toBeUndefined()

    let episode = ready('write')
    let calls = 0
    for (; calls < 10; calls++) {
      const nowMs = upgradeAtMs(episode)
      if (nowMs === undefined) break
      const asked = claimed(beginUpgrade(episode, nowMs), 'write', nowMs)
      episode = settled(asked, failed(FAULT, { sent: true, ambiguous: true }), nowMs).episode
    }
    expect(calls).toBe(1 + AMBIGUOUS_REPEATS_MAX)
  })

  test('takes up the job that was begun before the fallback', () => {
    const episode = ready('master')
    const job = { key: 'g1-master', hookToken: 'h', providerJobId: 'p1', polls: 7 }
    const before = { ...episode, steps: { ...episode.steps, master: { ...episode.steps.master, job } } }
    const { episode: asked } = claimed(beginUpgrade(before, PAUSE_MS), 'master', PAUSE_MS)
    expect(runOf(asked, 2).steps.master.job).toEqual({ ...job, polls: 0 })
  })

  test('that stands still is driven on, and given up when nothing helps', () => {
    const begun = beginUpgrade(ready('write'), PAUSE_MS)
    const decide = (nowMs: number) => decideSweep(begun.episode, {}, nowMs, LIMITS, () => FAULT)
    const driven = decide(PAUSE_MS + LIMITS.stalledStepMs)
    expect(driven).toMatchObject({
      kind: 'move',
      rulings: [{ step: 'write', action: 'requeue' }],
      moved: { orders: [{ step: 'write', generation: 2, dispatch: 2 }], episode: { status: 'ready' } },
    })
    const given = decide(PAUSE_MS + LIMITS.stuckEpisodeMs)
    expect(given).toMatchObject({
      kind: 'move',
      rulings: [{ action: 'upgrade' }],
      moved: { episode: { status: 'ready' } },
    })
    if (given.kind === 'move') expect(given.moved.episode).not.toHaveProperty('upgrade')
  })

  test('of a deleted episode is nobody’s: neither claims nor writes are let in', () => {
    const begun = beginUpgrade(ready('write'), PAUSE_MS)
    const { episode, fence } = claimed(begun, 'write', PAUSE_MS)
    const deleted = { ...episode, deletedAtMs: 5, generation: 2 }
    expect(inRun(deleted, fence.generation, (run) => settle(run, fence, done('write'), 9, 1))).toBeUndefined()
  })

  test('is told in the history', () => {
    const before = ready('write')
    const { episode } = beginUpgrade(before, PAUSE_MS)
    expect(chronicled(before, episode, { by: 'sweep' }).history).toEqual([
      { atMs: PAUSE_MS, by: 'sweep', what: 'upgrade', to: 'running', why: 'a better write is asked for' },
    ])
  })
})
