import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cancel, start } from '../../../shared/episodes/lifecycle.ts'
import { claim, held, hurry, note, outstandingOrders, settle } from '../../../shared/episodes/machine.ts'
import type { Claimed, Fence, Outcome } from '../../../shared/episodes/machine.ts'
import type { Moved } from '../../../shared/episodes/moves.ts'
import type { Episode, Results } from '../../../shared/episodes/schema.ts'
import { AMBIGUOUS_REPEATS_MAX, ATTEMPTS_MAX, STEPS } from '../../../shared/episodes/steps.ts'
import type { StepName, StepOrder } from '../../../shared/episodes/steps.ts'
import { taskId } from '../../../shared/tasks/step-queue.ts'
import { draft, FAULT } from './episode-fixtures.ts'

const DEADLINE_MS = 24 * 3_600_000
const LEASE_MS = 20_000
const JOB = { key: 'job', hookToken: 'hook' }
const RESULTS: Record<StepName, Results> = {
  transcribe: { transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 } },
  write: { write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } } },
  voice: { voice: { audioKey: 'v', characters: 5 } },
  master: { master: { audioKey: 'm', durationSeconds: 12, introSeconds: 2 } },
  finish: { finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' } },
}

const terms = (token: string, nowMs: number) => ({ token, newJob: JOB, leaseUntilMs: nowMs + LEASE_MS, giveUp: FAULT })

function claimed(
  episode: Episode,
  order: StepOrder,
  nowMs: number,
  token = `token-${nowMs}`,
): Extract<Claimed, { kind: 'claimed' }> {
  const result = claim(episode, order, terms(token, nowMs), nowMs)
  if (result.kind !== 'claimed') throw new Error(`expected a claim, got ${result.kind}`)
  return result
}

function finished(episode: Episode, fence: Fence, nowMs: number): Moved {
  const moved = settle(episode, fence, { kind: 'done', results: RESULTS[fence.step] }, nowMs, DEADLINE_MS)
  if (moved === undefined) throw new Error('fenced')
  return moved
}

/** Carries out one order at once and successfully. */
function carryOut(episode: Episode, order: StepOrder, nowMs: number): Moved {
  const { moved, fence } = claimed(episode, order, nowMs)
  return finished(moved.episode, fence, nowMs)
}

function orderOf(moved: Moved, step: StepName): StepOrder {
  const order = moved.orders.find((one) => one.step === step)
  if (order === undefined) throw new Error(`no order for ${step}`)
  return order
}

describe('the pipeline', () => {
  test('goes transcribe, then write and voice in parallel, then master, then finish', () => {
    let moved = start(draft(), 1)
    expect(moved.orders.map(({ step }) => step)).toEqual(['transcribe'])
    moved = carryOut(moved.episode, orderOf(moved, 'transcribe'), 2)
    expect(moved.orders.map(({ step }) => step)).toEqual(['write', 'voice'])
    const written = carryOut(moved.episode, orderOf(moved, 'write'), 3)
    expect(written.orders).toEqual([])
    moved = carryOut(written.episode, orderOf(moved, 'voice'), 4)
    expect(moved.orders.map(({ step }) => step)).toEqual(['master'])
    moved = carryOut(moved.episode, orderOf(moved, 'master'), 5)
    moved = carryOut(moved.episode, orderOf(moved, 'finish'), 6)
    expect(moved.episode.status).toBe('ready')
    expect(moved.orders).toEqual([])
  })

  test('passes over the voice when no intro was asked for', () => {
    let moved = start(draft({}), 1)
    moved = carryOut(moved.episode, orderOf(moved, 'transcribe'), 2)
    expect(moved.episode.steps.voice.state).toBe('skipped')
    moved = carryOut(moved.episode, orderOf(moved, 'write'), 3)
    expect(moved.orders.map(({ step }) => step)).toEqual(['master'])
  })
})

describe('a claim', () => {
  const moved = start(draft(), 1)
  const order = orderOf(moved, 'transcribe')

  test('is refused while another attempt holds the step, and granted when its lease has run out', () => {
    const first = claimed(moved.episode, order, 10)
    expect(claim(first.moved.episode, order, terms('other', 10 + LEASE_MS - 1), 10 + LEASE_MS - 1)).toMatchObject({
      kind: 'busy',
    })
    expect(claim(first.moved.episode, order, terms('other', 10 + LEASE_MS), 10 + LEASE_MS)).toMatchObject({
      kind: 'claimed',
      resumesIntent: true,
    })
  })

  test('by an order that gave way to a newer one changes nothing', () => {
    const holding = claimed(moved.episode, order, 10)
    const polling = settle(
      holding.moved.episode,
      holding.fence,
      { kind: 'polling', nextCheckAtMs: 99 },
      11,
      DEADLINE_MS,
    )
    expect(claim(polling?.episode ?? draft(), order, terms('x', 12), 12)).toMatchObject({ kind: 'stale' })
  })

  test('by an order of an older generation, or of another status, changes nothing', () => {
    const cancelled = cancel(moved.episode, 5).episode
    expect(claim(cancelled, order, terms('x', 6), 6)).toMatchObject({ kind: 'stale', orders: [] })
    const again = start(cancelled, 7).episode
    expect(claim(again, order, terms('x', 8), 8)).toMatchObject({ kind: 'stale' })
  })

  test('by a redelivered order whose work is done names what must still be enqueued', () => {
    const done = carryOut(moved.episode, order, 10)
    const result = claim(done.episode, order, terms('x', 11), 11)
    expect(result).toMatchObject({ kind: 'stale' })
    expect(result.kind === 'stale' && result.orders.map(({ step }) => step)).toEqual(['write', 'voice'])
  })

  test('after too many crashes ends the step with a visible, retryable error', () => {
    let { episode } = moved
    let nowMs = 10
    for (let crash = 0; crash < ATTEMPTS_MAX; crash++, nowMs += LEASE_MS)
      episode = claimed(episode, order, nowMs).moved.episode
    const result = claim(episode, order, terms('x', nowMs), nowMs)
    expect(result).toMatchObject({
      kind: 'gaveUp',
      moved: { episode: { status: 'error', error: { retryable: true } } },
    })
  })

  test('repeats a paid call whose end nobody saw once, and no more', () => {
    const transcribed = carryOut(moved.episode, order, 10)
    const write = orderOf(transcribed, 'write')
    let { episode } = transcribed
    for (let call = 0; call <= AMBIGUOUS_REPEATS_MAX; call++)
      episode = claimed(episode, write, 20 + call * LEASE_MS).moved.episode
    expect(episode.steps.write.paid).toMatchObject({ calls: 2, repeats: 1, open: true })
    expect(claim(episode, write, terms('x', 20 + 5 * LEASE_MS), 20 + 5 * LEASE_MS)).toMatchObject({ kind: 'gaveUp' })
  })

  test('counts no repeat when the call before was never made, or its end was seen', () => {
    const transcribed = carryOut(moved.episode, order, 10)
    let next = orderOf(transcribed, 'write')
    let { episode } = transcribed
    for (let failure = 0; failure < ATTEMPTS_MAX - 1; failure++) {
      const holding = claimed(episode, next, 20 + failure)
      const outcome: Outcome = { kind: 'tryAgain', notBeforeMs: 1, ambiguous: false, newJob: false, giveUp: FAULT }
      const failed = settle(holding.moved.episode, holding.fence, outcome, 20 + failure, DEADLINE_MS)
      if (failed === undefined) throw new Error('fenced')
      ;({ episode } = failed)
      next = orderOf(failed, 'write')
    }
    expect(episode.steps.write.paid).toMatchObject({ repeats: 0, open: false })
  })

  test.each([true, false])('looks for a new job exactly when its provider has ended the old one (%s)', (newJob) => {
    const holding = claimed(moved.episode, order, 10)
    const outcome: Outcome = { kind: 'tryAgain', notBeforeMs: 20, ambiguous: false, newJob, giveUp: FAULT }
    const again = settle(holding.moved.episode, holding.fence, outcome, 15, DEADLINE_MS)
    if (again === undefined) throw new Error('fenced')
    const before = holding.moved.episode.steps.transcribe.job?.key
    expect(again.episode.steps.transcribe.job?.key).toBe(newJob ? undefined : before)
    expect(claimed(again.episode, orderOf(again, 'transcribe'), 30).resumesIntent).toBe(!newJob)
  })

  test('counts no repeat when the result of the call before was found', () => {
    const transcribed = carryOut(moved.episode, order, 10)
    const write = orderOf(transcribed, 'write')
    const crashed = claimed(transcribed.episode, write, 20).moved.episode
    const second = claimed(crashed, write, 20 + LEASE_MS)
    const done = settle(
      second.moved.episode,
      second.fence,
      { kind: 'done', adopted: true, results: RESULTS.write },
      30 + LEASE_MS,
      DEADLINE_MS,
    )
    expect(done?.episode.steps.write.paid).toEqual({ calls: 1, repeats: 0, open: false })
  })
})

describe('a worker that has lost its step', () => {
  const moved = start(draft(), 1)
  const order = orderOf(moved, 'transcribe')
  const first = claimed(moved.episode, order, 10, 'first')
  const second = claimed(first.moved.episode, order, 10 + LEASE_MS, 'second')

  test.each([
    ['done', { kind: 'done', results: RESULTS.transcribe }],
    ['failed', { kind: 'failed', fault: FAULT }],
    ['polling', { kind: 'polling', nextCheckAtMs: 1 }],
    [
      'unavailable',
      { kind: 'unavailable', provider: 'x', untilMs: 1, ambiguous: true, sent: true, fault: FAULT, giveUp: FAULT },
    ],
    ['tryAgain', { kind: 'tryAgain', notBeforeMs: 1, ambiguous: false, newJob: false, giveUp: FAULT }],
  ] as const)('changes nothing by settling as %s', (_name, outcome: Outcome) => {
    expect(settle(second.moved.episode, first.fence, outcome, 40_000, DEADLINE_MS)).toBeUndefined()
  })

  test('changes nothing by a heartbeat', () => {
    expect(note(second.moved.episode, first.fence, {}, 60_000, 40_000)).toBeUndefined()
  })

  test('changes nothing after a cancel, nor after a delete', () => {
    expect(held(cancel(second.moved.episode, 5).episode, second.fence)).toBeUndefined()
    expect(held({ ...second.moved.episode, deletedAtMs: 5 }, second.fence)).toBeUndefined()
  })
})

describe('waiting for a provider', () => {
  const moved = start(draft(), 1)
  const order = orderOf(moved, 'transcribe')
  const unavailable = (untilMs: number): Outcome => ({
    kind: 'unavailable',
    provider: 'assemblyai',
    untilMs,
    ambiguous: false,
    sent: true,
    fault: FAULT,
    giveUp: FAULT,
  })

  test('costs no attempt, however often', () => {
    let { episode } = moved
    let next = order
    for (let wait = 0; wait < 50; wait++) {
      const { moved: holding, fence } = claimed(episode, next, wait * 1000 + 10)
      const waiting = settle(holding.episode, fence, unavailable(wait * 1000 + 900), wait * 1000 + 20, DEADLINE_MS)
      if (waiting === undefined) throw new Error('fenced')
      ;({ episode } = waiting)
      next = orderOf(waiting, 'transcribe')
    }
    expect(episode.steps.transcribe).toMatchObject({ state: 'waiting', attempt: 1, unavailable: { waits: 50 } })
  })

  test('ends with the episode deadline', () => {
    const { moved: holding, fence } = claimed(moved.episode, order, 10)
    const waiting = settle(holding.episode, fence, unavailable(100), 20, DEADLINE_MS)
    const again = claimed(waiting?.episode ?? draft(), orderOf(waiting ?? moved, 'transcribe'), 21 + DEADLINE_MS)
    const over = settle(again.moved.episode, again.fence, unavailable(1), 22 + DEADLINE_MS, DEADLINE_MS)
    expect(over?.episode).toMatchObject({ status: 'error', error: FAULT })
  })
})

describe('a hint from a provider', () => {
  const moved = start(draft(), 1)
  const order = orderOf(moved, 'transcribe')
  const holding = claimed(moved.episode, order, 10)
  const known = note(holding.moved.episode, holding.fence, { providerJobId: 'j1' }, 31, 11)?.episode ?? draft()

  test('makes a waiting step be looked at now, under a name of its own', () => {
    const polling = settle(known, holding.fence, { kind: 'polling', nextCheckAtMs: 60_000 }, 12, DEADLINE_MS)
    const hurried = hurry(polling?.episode ?? draft(), 'transcribe', 13)
    expect(hurried?.orders).toMatchObject([{ step: 'transcribe', notBeforeMs: 13 }])
    expect(hurried?.orders[0]?.dispatch).toBeGreaterThan(polling?.orders[0]?.dispatch ?? 99)
  })

  test('that comes while the step is held makes the next look come at once', () => {
    const hinted = hurry(known, 'transcribe', 12)?.episode ?? draft()
    const polling = settle(hinted, holding.fence, { kind: 'polling', nextCheckAtMs: 60_000 }, 13, DEADLINE_MS)
    expect(polling?.orders).toMatchObject([{ notBeforeMs: 13 }])
    expect(polling?.episode.steps.transcribe.job).not.toHaveProperty('hinted')
  })

  test('after the step is done changes nothing', () => {
    expect(hurry(finished(known, holding.fence, 14).episode, 'transcribe', 15)).toBeUndefined()
  })
})

describe('a retry', () => {
  test('keeps finished steps, asks again for a living job, and starts over what failed', () => {
    let moved = start(draft(), 1)
    moved = carryOut(moved.episode, orderOf(moved, 'transcribe'), 2)
    const writing = claimed(moved.episode, orderOf(moved, 'write'), 3)
    const failed = settle(writing.moved.episode, writing.fence, { kind: 'failed', fault: FAULT }, 4, DEADLINE_MS)
    const again = start(failed?.episode ?? draft(), 5)
    expect(again.episode.steps.transcribe.state).toBe('done')
    expect(again.episode).not.toHaveProperty('error')
    expect(again.orders.map(({ step, generation }) => `${step} ${generation}`)).toEqual(['write 2', 'voice 2'])
  })

  test('looks for a job only when whoever may still be making it cannot any more', () => {
    const first = start(draft(), 0)
    const { moved } = claimed(first.episode, orderOf(first, 'transcribe'), 100)
    const again = start(cancel(moved.episode, 200).episode, 300)
    const order = orderOf(again, 'transcribe')
    expect(order.notBeforeMs).toBe(100 + LEASE_MS)
    expect(claim(again.episode, order, terms('early', 400), 400)).toEqual({ kind: 'busy', untilMs: 100 + LEASE_MS })
    expect(claimed(again.episode, order, 100 + LEASE_MS).resumesIntent).toBe(true)
  })

  test('keeps the result of a parallel step that finished after the episode had failed', () => {
    let moved = start(draft(), 1)
    moved = carryOut(moved.episode, orderOf(moved, 'transcribe'), 2)
    const writing = claimed(moved.episode, orderOf(moved, 'write'), 3, 'w')
    const voicing = claimed(writing.moved.episode, orderOf(moved, 'voice'), 3, 'v')
    const failed = settle(voicing.moved.episode, writing.fence, { kind: 'failed', fault: FAULT }, 4, DEADLINE_MS)
    const late = finished(failed?.episode ?? draft(), voicing.fence, 5)
    expect(late.episode.status).toBe('error')
    expect(late.orders).toEqual([])
    expect(start(late.episode, 6).orders.map(({ step }) => step)).toEqual(['write'])
  })
})

/** Any story of deliveries, endings, crashes, hints, cancels and retries, told by a seeded source of chance. */
const story = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'deliver',
      'deliver',
      'deliver',
      'settle',
      'settle',
      'settle',
      'hint',
      'cancel',
      'retry',
      'time',
      'late',
    ),
    pick: fc.nat(1000),
    outcome: fc.constantFrom('done', 'done', 'done', 'polling', 'unavailable', 'tryAgain', 'failed'),
  }),
  { maxLength: 120 },
)

function outcomeOf(kind: string, step: StepName, nowMs: number): Outcome {
  switch (kind) {
    case 'done':
      return { kind: 'done', results: RESULTS[step] }
    case 'polling':
      return { kind: 'polling', nextCheckAtMs: nowMs + 50 }
    case 'unavailable':
      return {
        kind: 'unavailable',
        provider: 'p',
        untilMs: nowMs + 100,
        ambiguous: nowMs % 2 === 0,
        sent: nowMs % 3 > 0,
        fault: FAULT,
        giveUp: FAULT,
      }
    case 'tryAgain':
      return {
        kind: 'tryAgain',
        notBeforeMs: nowMs + 10,
        ambiguous: nowMs % 3 === 0,
        newJob: nowMs % 2 === 0,
        giveUp: FAULT,
      }
    default:
      return { kind: 'failed', fault: FAULT }
  }
}

test('whatever happens in whatever order, the promises hold', () => {
  fc.assert(
    fc.property(story, (events) => {
      let nowMs = 1
      let { episode, orders } = start(draft(), nowMs)
      const everOrdered = [...orders]
      const names = new Set(orders.map((order) => taskId(episode.id, order)))
      const fences: Fence[] = []
      const take = (moved: Moved | undefined) => {
        if (moved === undefined) return
        for (const order of moved.orders) {
          const name = taskId(episode.id, order)
          // Every decision to enqueue has a name that was never used before.
          expect(names.has(name)).toBe(false)
          names.add(name)
          everOrdered.push(order)
        }
        ;({ episode, orders } = moved)
      }
      for (const { kind, pick, outcome } of events) {
        nowMs += 5
        const doneBefore = STEPS.filter((name) => episode.steps[name].state === 'done')
        const order = everOrdered[pick % everOrdered.length]
        if (kind === 'deliver' && order) {
          const result = claim(episode, order, terms(`t${nowMs}`, nowMs), nowMs)
          if (result.kind === 'claimed') fences.push(result.fence)
          if ('moved' in result) take(result.moved)
        } else if (kind === 'settle' || kind === 'late') {
          const fence = kind === 'late' ? fences[pick % Math.max(1, fences.length)] : fences.at(-1)
          if (fence) take(settle(episode, fence, outcomeOf(outcome, fence.step, nowMs), nowMs, DEADLINE_MS))
        } else if (kind === 'hint') take(hurry(episode, pick % 2 ? 'transcribe' : 'master', nowMs))
        else if (kind === 'cancel' && episode.status === 'processing' && pick % 10 === 0) take(cancel(episode, nowMs))
        else if (kind === 'retry' && (episode.status === 'error' || episode.status === 'cancelled'))
          take(start(episode, nowMs))
        else if (kind === 'time') nowMs += LEASE_MS

        // What is done stays done.
        for (const name of doneBefore) expect(episode.steps[name].state).toBe('done')
        // No episode without a next event: it is over, or somebody holds a step, or an order is out.
        if (episode.status === 'processing') {
          const leased = STEPS.some((name) => episode.steps[name].lease !== undefined)
          expect(leased || outstandingOrders(episode, episode.generation).length > 0).toBe(true)
        }
        // Everything is bounded.
        for (const name of STEPS) {
          expect(episode.steps[name].attempt).toBeLessThanOrEqual(ATTEMPTS_MAX)
          expect(episode.steps[name].paid?.repeats ?? 0).toBeLessThanOrEqual(AMBIGUOUS_REPEATS_MAX)
        }
        // At most one attempt holds a step.
        for (const { state, lease } of Object.values(episode.steps))
          expect(state === 'running').toBe(lease !== undefined)
        if (episode.status === 'ready')
          expect(STEPS.every((name) => ['done', 'skipped'].includes(episode.steps[name].state))).toBe(true)
      }
    }),
    { numRuns: 500, verbose: 1 },
  )
})
