import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Lookout, STARTING_MS } from '../../../shared/operations/health/check.ts'
import type { Check, Findings, OwnProcess } from '../../../shared/operations/health/check.ts'
import { healthReport } from '../../../shared/operations/health/report.ts'

const WAIT_MS = 700
const RELEASE = { version: 'ops-health', releaseId: 'r1' }

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A process that started long ago and has little to do. */
const AT_EASE: OwnProcess = { ageMs: () => 60_000, watchLoop: () => () => 0.1 }

function lookout(look: Check['look'], more: Partial<Check> = {}, own: OwnProcess = AT_EASE): Lookout {
  const check: Check = {
    name: 'thing:read',
    componentType: 'component',
    critical: false,
    freshMs: { pass: 5_000, other: 2_000 },
    meaning: 'people wait',
    look,
    ...more,
  }
  return new Lookout(check, Date.now, own)
}

const PASS: Findings = { '': { status: 'pass' } }

describe('a look at one thing', () => {
  test('is one for all who ask at once, and stands for a while, shorter when something was wrong', async () => {
    let looks = 0
    let found: Findings = PASS
    const one = lookout(async () => {
      looks++
      return found
    })
    await Promise.all([one.look(WAIT_MS), one.look(WAIT_MS), one.look(WAIT_MS)])
    expect(looks).toBe(1)
    vi.advanceTimersByTime(4_999)
    await one.look(WAIT_MS)
    expect(looks).toBe(1)
    vi.advanceTimersByTime(1)
    found = { '': { status: 'warn' } }
    await one.look(WAIT_MS)
    vi.advanceTimersByTime(2_000)
    await one.look(WAIT_MS)
    expect(looks).toBe(3)
  })

  test('that hears nothing ends when its time is up, and looking ends with it', async () => {
    let ended = false
    const one = lookout(async (signal) => {
      signal.addEventListener('abort', () => (ended = true))
      return new Promise<Findings>(() => undefined)
    })
    const looked = one.look(WAIT_MS)
    await vi.advanceTimersByTimeAsync(WAIT_MS)
    expect((await looked).findings).toEqual({
      '': { status: 'warn', output: 'no answer within 700 ms', meaning: 'people wait' },
    })
    expect(ended).toBe(true)
  })
})

describe('a look by a process that has just started', () => {
  /** Started when the test began. */
  const young = (): OwnProcess => {
    const startedAtMs = Date.now()
    return { ageMs: () => Date.now() - startedAtMs, watchLoop: () => () => 0.1 }
  }
  const unseen = (output: string) => ({ '': { status: 'warn', output } })

  test('says so of what it has not heard yet, goes on looking, and knows it once it hears', async () => {
    let answer: (found: Findings) => void = () => undefined
    let looks = 0
    const look = async () => {
      looks++
      return new Promise<Findings>((resolve) => (answer = resolve))
    }
    const one = lookout(look, { critical: true }, young())
    const first = one.look(WAIT_MS)
    await vi.advanceTimersByTimeAsync(WAIT_MS)
    expect((await first).findings).toEqual(unseen('just started: no answer yet'))
    const second = one.look(WAIT_MS)
    answer(PASS)
    expect((await second).findings).toEqual(PASS)
    expect(looks).toBe(1)
  })

  test('calls nothing dead that all depends on, whatever it throws; what it can do without it tells as it is', async () => {
    const failing = async () => {
      throw new Error('a deadline of ours')
    }
    const own = young()
    const store = lookout(failing, { critical: true }, own)
    expect((await store.look(WAIT_MS)).findings).toEqual(unseen('just started: a deadline of ours'))
    expect((await lookout(failing, {}, own).look(WAIT_MS)).findings).toEqual({
      '': { status: 'warn', output: 'a deadline of ours', meaning: 'people wait' },
    })
    vi.advanceTimersByTime(STARTING_MS)
    expect((await store.look(WAIT_MS)).findings).toEqual({
      '': { status: 'fail', output: 'a deadline of ours', meaning: 'people wait' },
    })
  })

  test('says that what is silent is dead when its first ten seconds are over', async () => {
    const one = lookout(async () => new Promise<Findings>(() => undefined), { critical: true }, young())
    const looked = one.look(WAIT_MS)
    await vi.advanceTimersByTimeAsync(STARTING_MS)
    expect((await looked).findings).toMatchObject({ '': { status: 'warn' } })
    expect((await one.look(WAIT_MS)).findings).toMatchObject({
      '': { status: 'fail', output: 'no answer within 10000 ms' },
    })
  })
})

test('a look by a process that is busy itself says that, and is not remembered', async () => {
  let share = 0.95
  const own = { ageMs: () => 60_000, watchLoop: () => () => share }
  let dead = true
  const look = async () => (dead ? new Promise<Findings>(() => undefined) : PASS)
  const one = lookout(look, { critical: true }, own)
  const busy = one.look(WAIT_MS)
  await vi.advanceTimersByTimeAsync(WAIT_MS)
  expect((await busy).findings).toEqual({
    '': { status: 'warn', output: 'this instance is busy: no answer within 700 ms' },
  })
  share = 0.2
  const idle = one.look(WAIT_MS)
  await vi.advanceTimersByTimeAsync(WAIT_MS)
  expect((await idle).findings).toMatchObject({ '': { status: 'fail' } })
  dead = false
  vi.advanceTimersByTime(2_000)
  expect((await one.look(WAIT_MS)).findings).toEqual(PASS)
})

describe('the report', () => {
  const failing = async () => {
    throw new Error('it is away')
  }

  test('is a fail only for what nothing works without', async () => {
    const report = (critical: boolean) =>
      healthReport([lookout(failing, { critical }), lookout(async () => PASS)], WAIT_MS, RELEASE)
    expect(await report(true)).toMatchObject({ status: 'fail', notes: ['people wait'], releaseId: 'r1' })
    expect(await report(false)).toMatchObject({ status: 'warn', notes: ['people wait'] })
    expect(await healthReport([lookout(async () => PASS)], WAIT_MS, RELEASE)).toMatchObject({
      status: 'pass',
      notes: [],
    })
  })

  test('names components, what was observed and when, and what people notice of what is wrong', async () => {
    const findings: Findings = {
      'work-write': {
        status: 'warn',
        observedValue: 7,
        observedUnit: 'tasks',
        output: 'it is paused',
        meaning: 'no notes',
      },
      'work-voice': { status: 'pass', observedValue: 0, observedUnit: 'tasks', meaning: 'not told' },
    }
    const { checks, notes } = await healthReport([lookout(async () => findings)], WAIT_MS, RELEASE)
    const time = '1970-01-01T00:16:40.000Z'
    const common = { componentType: 'component', observedUnit: 'tasks', time }
    expect(checks['thing:read']).toEqual([
      {
        ...common,
        componentId: 'work-write',
        status: 'warn',
        observedValue: 7,
        output: 'it is paused',
        meaning: 'no notes',
      },
      { ...common, componentId: 'work-voice', status: 'pass', observedValue: 0 },
    ])
    expect(notes).toEqual(['no notes'])
  })
})
