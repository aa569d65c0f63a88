import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cancel, start } from '../../../shared/episodes/lifecycle.ts'
import { claim, letGo, note, settle } from '../../../shared/episodes/machine.ts'
import type { Fence } from '../../../shared/episodes/machine.ts'
import type { Moved } from '../../../shared/episodes/moves.ts'
import type { Episode, EpisodeFault, Results } from '../../../shared/episodes/schema.ts'
import { STEPS } from '../../../shared/episodes/steps.ts'
import type { StepName, StepOrder } from '../../../shared/episodes/steps.ts'
import { decideSweep, needsEvidence } from '../../../shared/episodes/sweep/decide.ts'
import { sweepAtMs } from '../../../shared/episodes/sweep/due.ts'
import { draft, FAULT } from './episode-fixtures.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const LEASE_MS = 20_000
const LIMITS = {
  stalledStepMs: 150_000,
  stuckEpisodeMs: 2 * HOUR_MS,
  episodeDeadlineMs: 24 * HOUR_MS,
  stepLeaseMs: LEASE_MS,
  orphanAgeMs: 24 * HOUR_MS,
}
const RESULTS: Record<StepName, Results> = {
  transcribe: { transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 } },
  write: { write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } } },
  voice: { voice: { audioKey: 'v', characters: 5 } },
  master: { master: { audioKey: 'm', durationSeconds: 12, introSeconds: 2 } },
  finish: { finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' } },
}
const OUTPUTS = { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' }

const stuckFault = (reason: string): EpisodeFault => ({ ...FAULT, code: 'stuck', technical_message: reason })
const decide = (episode: Episode, nowMs: number, evidence = {}) =>
  decideSweep(episode, evidence, nowMs, LIMITS, stuckFault)

function claimed(moved: Moved, step: StepName, nowMs: number): { episode: Episode; fence: Fence } {
  const order = moved.orders.find((one) => one.step === step)
  if (order === undefined) throw new Error(`no order for ${step}`)
  const terms = { token: `t${nowMs}`, newJob: { key: 'job', hookToken: 'hook' }, leaseUntilMs: nowMs + LEASE_MS }
  const result = claim(moved.episode, order, { ...terms, giveUp: FAULT }, nowMs)
  if (result.kind !== 'claimed') throw new Error(result.kind)
  return { episode: result.moved.episode, fence: result.fence }
}

function settled(
  held: { episode: Episode; fence: Fence },
  outcome: Parameters<typeof settle>[2],
  nowMs: number,
): Moved {
  const moved = settle(held.episode, held.fence, outcome, nowMs, LIMITS.episodeDeadlineMs)
  if (moved === undefined) throw new Error('fenced')
  return moved
}

/** The pipeline up to where `step` has been ordered and nobody has begun it. */
function upTo(step: StepName): Moved {
  let moved = start(draft({}), 0)
  for (const before of STEPS) {
    if (before === step) return moved
    if (moved.orders.some((order) => order.step === before))
      moved = settled(claimed(moved, before, 0), { kind: 'done', results: RESULTS[before] }, 0)
  }
  return moved
}

const fault = { ...FAULT, code: 'service_unavailable' }
const unavailable = (untilMs: number) => ({
  kind: 'unavailable' as const,
  provider: 'gemini',
  untilMs,
  ambiguous: false,
  sent: false,
  fault,
  giveUp: fault,
})

describe('every state at every age', () => {
  const running = (step: StepName) => claimed(upTo(step), step, 0).episode
  const waiting = (untilMs: number) => settled(claimed(upTo('write'), 'write', 0), unavailable(untilMs), 0).episode
  const polling = () => {
    const held = claimed(upTo('transcribe'), 'transcribe', 0)
    const noted = note(held.episode, held.fence, { providerJobId: 'p' }, LEASE_MS, 0)
    if (noted === undefined) throw new Error('fenced')
    return settled({ ...held, episode: noted.episode }, { kind: 'polling', nextCheckAtMs: 20_000 }, 0).episode
  }
  const processing = (step: StepName) => upTo(step).episode
  const ready = () =>
    settled(claimed(upTo('finish'), 'finish', 0), { kind: 'done', results: RESULTS.finish }, 0).episode
  const failed = () => settled(claimed(upTo('write'), 'write', 0), { kind: 'failed', fault: FAULT }, 0).episode
  const cancelled = () => cancel(processing('write'), 0).episode
  const deleted = () => ({ ...processing('write'), deletedAtMs: 0 })

  // What is expected just after the start, before and after a step counts as stalled, and past every threshold.
  test.each<[string, () => Episode, [number, string][]]>([
    [
      'a draft without a recording',
      () => withoutAudio(draft()),
      [
        [0, 'none'],
        [100 * HOUR_MS, 'none'],
      ],
    ],
    [
      'a draft with a recording',
      () => ({ ...draft(), updatedAtMs: 1 }),
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'a step nobody began',
      () => processing('transcribe'),
      [
        [0, 'none'],
        [149_999, 'none'],
        [150_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a step whose lease runs',
      () => running('write'),
      [
        [0, 'none'],
        [LEASE_MS, 'none'],
      ],
    ],
    [
      'a step whose worker went silent',
      () => running('write'),
      [
        [LEASE_MS + 149_999, 'none'],
        [LEASE_MS + 150_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a step that waits for a provider',
      () => waiting(10 * MINUTE_MS),
      [
        [10 * MINUTE_MS, 'none'],
        [10 * MINUTE_MS + 150_000, 'requeue'],
        [3 * HOUR_MS, 'requeue'],
        [25 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a job that is asked for',
      polling,
      [
        [20_000, 'none'],
        [170_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'the last step',
      () => running('finish'),
      [
        [LEASE_MS, 'none'],
        [LEASE_MS + 150_000, 'requeue'],
      ],
    ],
    [
      'ready',
      ready,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'error',
      failed,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'cancelled',
      cancelled,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'half deleted',
      deleted,
      [
        [0, 'remove'],
        [HOUR_MS, 'remove'],
      ],
    ],
  ])('%s', (_name, make, expected) => {
    const episode = make()
    const seen = expected.map(([nowMs]) => {
      const decision = decide(episode, nowMs)
      expect(decision.kind === 'move' ? decision.rulings.map(({ reason }) => reason) : [decision.reason]).not.toContain(
        '',
      )
      return [nowMs, decision.kind === 'move' ? decision.rulings[0]?.action : decision.kind]
    })
    expect(seen).toEqual(expected)
  })

  test('outputs that are all in storage finish the episode, stalled or stuck', () => {
    const episode = running('finish')
    for (const nowMs of [LEASE_MS + 150_000, 30 * HOUR_MS]) {
      expect(needsEvidence(episode, nowMs, LIMITS)).toBe(true)
      const decision = decide(episode, nowMs, { outputs: OUTPUTS })
      expect(decision).toMatchObject({ kind: 'move', rulings: [{ action: 'finish', step: 'finish' }] })
      if (decision.kind !== 'move') return
      expect(decision.moved.episode).toMatchObject({ status: 'ready', results: { finish: OUTPUTS } })
    }
    expect(decide(episode, LEASE_MS, { outputs: OUTPUTS }).kind).toBe('none')
  })

  test('a stuck episode says which step, since when, with which lease and after how many attempts', () => {
    const decision = decide(running('write'), 3 * HOUR_MS)
    expect(decision).toMatchObject({
      moved: {
        orders: [],
        episode: {
          status: 'error',
          error: {
            code: 'stuck',
            retryable: true,
            technical_message: 'write is running: last progress 10800 s ago, lease ended 10780 s ago, 1 attempts',
          },
        },
      },
    })
  })

  test('a cancelled episode whose mastering runs is seen to at once', () => {
    const held = claimed(upTo('master'), 'master', 0)
    const noted = note(held.episode, held.fence, { providerJobId: 'p' }, LEASE_MS, 0)
    if (noted === undefined) throw new Error('fenced')
    const { episode, orders } = cancel(noted.episode, 5)
    expect(orders).toMatchObject([{ step: 'master' }])
    expect(decide(episode, 5)).toMatchObject({ kind: 'tidy' })
  })

  function withoutAudio({ audio: _none, ...rest }: Episode): Episode {
    return rest
  }
})

test('a step that renews its lease for three hours is alive', () => {
  let { episode, fence } = claimed(upTo('master'), 'master', 0)
  for (let nowMs = 0; nowMs < 3 * HOUR_MS; nowMs += 6000) {
    const renewed = note(episode, fence, {}, nowMs + LEASE_MS, nowMs)
    if (renewed === undefined) throw new Error('fenced')
    episode = renewed.episode
    for (const later of [0, 6000, LEASE_MS]) expect(decide(episode, nowMs + later).kind).toBe('none')
  }
})

test('a step that was alive for three hours and then went silent is given to another attempt, and has its time again', () => {
  const held = claimed(upTo('master'), 'master', 0)
  const renewed = note(held.episode, held.fence, {}, 3 * HOUR_MS + LEASE_MS, 3 * HOUR_MS)
  if (renewed === undefined) throw new Error('fenced')
  const nowMs = 3 * HOUR_MS + LEASE_MS + LIMITS.stalledStepMs
  const decision = decide(renewed.episode, nowMs)
  expect(decision).toMatchObject({ kind: 'move', rulings: [{ step: 'master', action: 'requeue' }] })
  if (decision.kind !== 'move') return
  expect(decide(decision.moved.episode, nowMs).kind).toBe('none')
  expect(sweepAtMs(decision.moved.episode, LIMITS)).toBe(nowMs + LIMITS.stalledStepMs)
  // So is one whose instance ends in good order.
  const given = letGo(renewed.episode, held.fence, 3 * HOUR_MS + 1)
  expect(decide(given?.episode ?? draft(), 3 * HOUR_MS + 2).kind).toBe('none')
})

test('a provider that comes back after ten hours leaves no episode that counts as stuck', () => {
  const waited = settled(claimed(upTo('transcribe'), 'transcribe', 0), unavailable(10 * HOUR_MS), 0)
  const held = claimed(waited, 'transcribe', 10 * HOUR_MS)
  const polled = settled(held, { kind: 'polling', nextCheckAtMs: 10 * HOUR_MS + 20_000 }, 10 * HOUR_MS + 1000)
  expect(decide(polled.episode, 10 * HOUR_MS + 30_000).kind).toBe('none')
})

test('a sweep decides exactly when an episode is due, whatever happened before, and is not asked again at once', () => {
  const acts = fc.array(
    fc.record({
      after: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0, max: 40 * MINUTE_MS }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 * HOUR_MS }) },
      ),
      act: fc.constantFrom('claim', 'done', 'poll', 'wait', 'again', 'beat', 'cancel', 'sweep', 'start'),
      step: fc.constantFrom(...STEPS),
    }),
    { minLength: 1, maxLength: 40 },
  )
  const seen = { none: 0, requeue: 0, error: 0, tidy: 0, finish: 0, upgrade: 0 }
  fc.assert(
    fc.property(acts, (sequence) => {
      let nowMs = 0
      let { episode, orders } = start(draft(), nowMs)
      const fences = new Map<StepName, Fence>()
      for (const { after, act, step } of sequence) {
        nowMs += after
        const dueMs = sweepAtMs(episode, LIMITS)
        const decision = decide(episode, nowMs)
        expect(decision.kind === 'none').toBe(dueMs === undefined || dueMs > nowMs)
        // An episode at work always has a next event that the sweep would see.
        if (episode.status === 'processing') expect(dueMs).toBeDefined()
        if (decision.kind === 'none' || decision.kind === 'tidy') seen[decision.kind]++
        for (const { action, lateMs } of decision.kind === 'move' ? decision.rulings : []) {
          seen[action]++
          expect(lateMs).toBeGreaterThanOrEqual(0)
        }
        const moved = move(act, step)
        if (moved !== undefined) [episode, orders] = [moved.episode, [...orders, ...moved.orders]]

        function move(what: string, name: StepName): Moved | undefined {
          const fence = fences.get(name)
          const order = orders.findLast((one: StepOrder) => one.step === name)
          switch (what) {
            case 'claim': {
              if (order === undefined) return undefined
              const terms = { token: `${nowMs}`, newJob: { key: 'k', hookToken: 'h' }, giveUp: FAULT }
              const result = claim(episode, order, { ...terms, leaseUntilMs: nowMs + LEASE_MS }, nowMs)
              if (result.kind === 'claimed') fences.set(name, result.fence)
              return 'moved' in result ? result.moved : undefined
            }
            case 'beat':
              return fence && note(episode, fence, { providerJobId: 'p' }, nowMs + LEASE_MS, nowMs)
            case 'done':
              return fence && settle(episode, fence, { kind: 'done', results: RESULTS[name] }, nowMs, 24 * HOUR_MS)
            case 'poll':
              return (
                fence && settle(episode, fence, { kind: 'polling', nextCheckAtMs: nowMs + 20_000 }, nowMs, 24 * HOUR_MS)
              )
            case 'wait':
              return fence && settle(episode, fence, unavailable(nowMs + MINUTE_MS), nowMs, 24 * HOUR_MS)
            case 'again': {
              const outcome = { kind: 'tryAgain' as const, notBeforeMs: nowMs + 1000, ambiguous: false, newJob: false }
              return fence && settle(episode, fence, { ...outcome, giveUp: FAULT }, nowMs, 24 * HOUR_MS)
            }
            case 'cancel':
              return episode.status === 'processing' && name === 'finish' ? cancel(episode, nowMs) : undefined
            case 'start':
              return episode.status === 'error' || episode.status === 'cancelled' ? start(episode, nowMs) : undefined
            default: {
              if (decision.kind !== 'move') return undefined
              expect(sweepAtMs(decision.moved.episode, LIMITS) ?? Infinity).toBeGreaterThan(nowMs)
              // Nobody who held a step that was given on still holds it.
              for (const ruling of decision.rulings)
                expect(decision.moved.episode.steps[ruling.step].lease).toBeUndefined()
              return decision.moved
            }
          }
        }
      }
    }),
    { numRuns: 3000 },
  )
  expect(Math.min(seen.none, seen.requeue, seen.error, seen.tidy)).toBeGreaterThan(30)
})
