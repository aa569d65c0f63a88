import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Lookout } from '../../../shared/operations/health/check.ts'
import type { Check, Findings } from '../../../shared/operations/health/check.ts'
import { healthReport } from '../../../shared/operations/health/report.ts'

const WAIT_MS = 700
const RELEASE = { version: 'ops-health', releaseId: 'r1' }

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

function lookout(look: Check['look'], more: Partial<Check> = {}): Lookout {
  const check: Check = {
    name: 'thing:read',
    componentType: 'component',
    critical: false,
    freshMs: { pass: 5_000, other: 2_000 },
    meaning: 'people wait',
    look,
    ...more,
  }
  return new Lookout(check, Date.now)
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
