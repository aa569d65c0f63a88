import { describe, expect, test } from 'vitest'

import { start, takeTranscript } from '../../../shared/episodes/lifecycle.ts'
import { claim, note, settle } from '../../../shared/episodes/machine.ts'
import type { Claimed, Fence, Outcome } from '../../../shared/episodes/machine.ts'
import type { Moved } from '../../../shared/episodes/moves.ts'
import type { Episode } from '../../../shared/episodes/schema.ts'
import { AMBIGUOUS_REPEATS_MAX, ATTEMPTS_MAX } from '../../../shared/episodes/steps.ts'
import type { StepName, StepOrder } from '../../../shared/episodes/steps.ts'
import { mayFallBack } from '../../../shared/episodes/workers/fall-back.ts'
import { draft, FAULT } from './episode-fixtures.ts'

/** What doing without a provider, and a transcript by hand, do to an episode. */

const DEADLINE_MS = 24 * 3_600_000
const LEASE_MS = 20_000

function ask(episode: Episode, order: StepOrder, nowMs: number, mayFall = true): Claimed {
  const terms = {
    token: `t${nowMs}`,
    newJob: { key: 'job', hookToken: 'h' },
    leaseUntilMs: nowMs + LEASE_MS,
    giveUp: FAULT,
    mayFallBack: mayFall,
  }
  return claim(episode, order, terms, nowMs)
}

function claimed(episode: Episode, order: StepOrder, nowMs: number): Extract<Claimed, { kind: 'claimed' }> {
  const result = ask(episode, order, nowMs)
  if (result.kind !== 'claimed') throw new Error(`expected a claim, got ${result.kind}`)
  return result
}

function settled(episode: Episode, fence: Fence, outcome: Outcome, nowMs: number): Moved {
  const moved = settle(episode, fence, outcome, nowMs, DEADLINE_MS)
  if (moved === undefined) throw new Error('fenced')
  return moved
}

function orderOf({ orders }: Moved, step: StepName): StepOrder {
  const order = orders.find((one) => one.step === step)
  if (order === undefined) throw new Error(`no order for ${step}`)
  return order
}

function transcribed(): Moved {
  const moved = start(draft(), 1)
  const { fence, moved: taken } = claimed(moved.episode, orderOf(moved, 'transcribe'), 2)
  const results = { transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 } }
  return settled(taken.episode, fence, { kind: 'done', results }, 3)
}

const unavailable = (untilMs: number, more: Partial<Extract<Outcome, { kind: 'unavailable' }>> = {}): Outcome => ({
  kind: 'unavailable',
  provider: 'gemini',
  untilMs,
  ambiguous: false,
  sent: true,
  fault: FAULT,
  giveUp: FAULT,
  ...more,
})
const NOTES = { write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } } }
const FALLEN = { kind: 'done', results: NOTES, degraded: 'without', fallsBack: true, upgradeAfterMs: 99_000 } as const

describe('a step without its provider', () => {
  const ready = transcribed()
  const order = orderOf(ready, 'write')
  const first = claimed(ready.episode, order, 10)

  test('is looked at again no later than its fallback is due', () => {
    const waits = settled(
      first.moved.episode,
      first.fence,
      unavailable(500_000, { sinceMs: 10, fallbackAtMs: 120_010 }),
      20,
    )
    expect(waits.orders).toEqual([expect.objectContaining({ step: 'write', notBeforeMs: 120_010 })])
    expect(waits.episode.steps.write.unavailable).toMatchObject({ sinceMs: 10, untilMs: 120_010 })
    const past = settled(first.moved.episode, first.fence, unavailable(500_000, { sinceMs: 10, fallbackAtMs: 15 }), 20)
    expect(past.orders).toEqual([expect.objectContaining({ notBeforeMs: 500_000 })])
  })

  test('takes the fallback’s result, says so, remembers when to ask again, and the pipeline goes on', () => {
    const { episode } = settled(first.moved.episode, first.fence, FALLEN, 20)
    expect(episode.steps.write).toMatchObject({
      state: 'done',
      degraded: 'without',
      fallback: { atMs: 20, tries: 0, pauseMs: 99_000, nextTryAtMs: 99_020 },
    })
    expect(episode.results).toMatchObject(NOTES)
  })

  test('leaves a call open whose end nobody saw, and counts none that was never sent', () => {
    const open = settled(first.moved.episode, first.fence, { ...FALLEN, call: { sent: true, ambiguous: true } }, 20)
    expect(open.episode.steps.write.paid).toEqual({ calls: 1, repeats: 0, open: true })
    const unsent = settled(first.moved.episode, first.fence, { ...FALLEN, call: { sent: false, ambiguous: false } }, 20)
    expect(unsent.episode.steps.write.paid).toEqual({ calls: 0, repeats: 0, open: false })
  })

  test('whose provider has had all its attempts is given the fallback alone, and an end when it has none', () => {
    let { episode } = ready
    let nowMs = 10
    for (let crash = 0; crash <= AMBIGUOUS_REPEATS_MAX; crash++, nowMs += LEASE_MS)
      episode = claimed(episode, order, nowMs).moved.episode
    expect(ask(episode, order, nowMs, false)).toMatchObject({ kind: 'gaveUp' })
    const last = ask(episode, order, nowMs)
    expect(last).toMatchObject({ kind: 'claimed', onlyFallback: FAULT, resumesIntent: true })
    if (last.kind !== 'claimed') return
    // Nothing is counted as a call that is none.
    expect(last.moved.episode.steps.write.paid).toEqual(episode.steps.write.paid)
    expect(settled(last.moved.episode, last.fence, { kind: 'failed', fault: FAULT }, nowMs).episode.status).toBe(
      'error',
    )
  })

  test('that crashes in its fallback ends after as many attempts as any other', () => {
    let { episode } = ready
    let nowMs = 10
    let claims = 0
    for (; claims < 20; claims++, nowMs += LEASE_MS) {
      const result = ask(episode, order, nowMs)
      if (result.kind === 'gaveUp') break
      if (result.kind === 'claimed') episode = result.moved.episode
    }
    expect(claims).toBe(ATTEMPTS_MAX + 1)
  })

  test('may not fall back where owner, configuration or recording say no', () => {
    const all = { fallbacks: ['notes', 'voice', 'master'] as const }
    const { episode } = first.moved
    expect(mayFallBack(episode, 'write', all)).toBe(true)
    expect(mayFallBack(episode, 'transcribe', all)).toBe(false)
    expect(mayFallBack(episode, 'finish', all)).toBe(false)
    expect(mayFallBack(episode, 'write', { fallbacks: ['voice'] })).toBe(false)
    expect(mayFallBack({ ...episode, options: { fallbacks: ['master'] } }, 'write', all)).toBe(false)
    const waits = settled(episode, first.fence, unavailable(30, { noFallback: 'too large' }), 20)
    expect(mayFallBack(waits.episode, 'write', all)).toBe(false)
  })
})

describe('a transcript by hand', () => {
  const HAND = { key: 'h', timed: false }

  test('waits in a draft, and starts nothing', () => {
    const { episode, orders } = takeTranscript(draft(), HAND, 5)
    expect([episode.status, episode.handTranscript, orders]).toEqual(['draft', HAND, []])
  })

  test('fences out a transcription that hangs, and remembers its job', () => {
    const moved = start(draft(), 1)
    const { fence, moved: taken } = claimed(moved.episode, orderOf(moved, 'transcribe'), 2)
    const submitted = note(taken.episode, fence, { providerJobId: 'j1' }, 100, 3)?.episode ?? draft()
    const given = takeTranscript(submitted, HAND, 4)
    expect(given.orders).toEqual([{ step: 'transcribe', generation: 2, dispatch: 1 }])
    expect(settle(given.episode, fence, { kind: 'polling', nextCheckAtMs: 9 }, 5, DEADLINE_MS)).toBeUndefined()
    expect(given.episode.jobs).toEqual([{ step: 'transcribe', id: 'j1' }])
    const again = claimed(given.episode, orderOf(given, 'transcribe'), 6)
    expect(again.moved.episode.steps.transcribe).toMatchObject({ attempt: 1, state: 'running' })
  })

  test('makes no job of its own', () => {
    const started = start(takeTranscript(draft(), HAND, 1).episode, 2)
    expect(
      claimed(started.episode, orderOf(started, 'transcribe'), 3).moved.episode.steps.transcribe,
    ).not.toHaveProperty('job')
  })

  test('has done again what depends on words, and keeps what does not', () => {
    let moved = transcribed()
    const { fence, moved: taken } = claimed(moved.episode, orderOf(moved, 'voice'), 5)
    moved = settled(taken.episode, fence, { kind: 'done', results: { voice: { audioKey: 'v', characters: 5 } } }, 6)
    const given = takeTranscript(moved.episode, HAND, 7)
    expect(given.episode.steps.voice.state).toBe('done')
    expect(given.episode.results).toEqual({ voice: { audioKey: 'v', characters: 5 } })
    expect(given.episode.steps.write).toMatchObject({ state: 'pending', attempt: 0 })
    expect(given.orders.map(({ step }) => step)).toEqual(['transcribe'])
  })

  test('brings an episode back that an error had ended', () => {
    const moved = start(draft(), 1)
    const { fence, moved: taken } = claimed(moved.episode, orderOf(moved, 'transcribe'), 2)
    const failed = settled(taken.episode, fence, { kind: 'failed', fault: FAULT }, 3)
    const given = takeTranscript(failed.episode, HAND, 4)
    expect(given.episode).toMatchObject({ status: 'processing', generation: 2 })
    expect(given.episode).not.toHaveProperty('error')
  })
})
