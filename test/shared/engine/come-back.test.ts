import { describe, expect, test } from 'vitest'

import { comeBack, passOver, passOverAway, reopenCall } from '../../../shared/engine/transitions/pass-over.ts'
import { countCall } from '../../../shared/engine/transitions/paid-calls.ts'
import type { Step } from '../../../shared/engine/workflow.ts'

const AT_MS = 1_800_000_000_000
/** A step whose paid call at `b` was left, while `a` was away before. */
const leftAt = (repeats: number, open: boolean): Step => ({
  state: 'pending',
  attempt: 1,
  dispatch: 1,
  provider: 'b',
  passedOver: ['a'],
  away: { sinceMs: AT_MS, providers: ['a'] },
  paid: { calls: 1 + repeats, repeats, open },
})

describe('of a job at a provider that is given up on', () => {
  const intended = { key: 'k', webhookToken: 'hook', polls: 0 }
  const withJob = (job: NonNullable<Step['job']>): Step => ({ ...leftAt(0, false), job })

  test('nothing is left that the next could find, once it is known', () => {
    const left = passOver(withJob({ ...intended, providerJobId: 'j1' }), 'b', AT_MS)
    expect(left).not.toHaveProperty('lostJobs')
    // It is not come back to either.
    expect([left.passedOver, left.away?.providers]).toEqual([['a', 'b'], ['a']])
  })

  test('the intent is kept, as the job may be there', () => {
    expect(passOver(withJob(intended), 'b', AT_MS).lostJobs).toEqual([{ ...intended, provider: 'b' }])
  })

  test('all is kept where the provider is only away', () => {
    const left = passOverAway(withJob({ ...intended, providerJobId: 'j1' }), 'b', AT_MS, AT_MS)
    expect(left.lostJobs).toEqual([{ ...intended, providerJobId: 'j1', provider: 'b' }])
  })
})

describe('a provider that was only away', () => {
  test('is come back to with its call as open as it was left: the next is the one repeat', () => {
    const atA = comeBack(leftAt(0, true), 'b', AT_MS, AT_MS)
    expect(atA).toMatchObject({ passedOver: ['b'], away: { providers: ['b'], open: ['b'] }, paid: { open: false } })
    const back = comeBack({ ...atA, provider: 'a' }, 'a', AT_MS, AT_MS)
    expect(back).toMatchObject({ passedOver: ['a'], away: { providers: ['a'] } })
    const reopened = reopenCall(back, 'b')
    expect(countCall(reopened, 'token')).toMatchObject({ calls: 2, repeats: 1, isRepeat: true })
    // It is open once: what becomes of the repeat is told by the repeat.
    expect(reopenCall({ ...reopened, paid: { calls: 2, repeats: 1, open: false } }, 'b').paid?.open).toBe(false)
  })

  test('is not come back to when its one repeat has been left as well', () => {
    const atA = comeBack(leftAt(1, true), 'b', AT_MS, AT_MS)
    expect(atA.away?.providers).toEqual([])
    expect(atA.passedOver).toEqual(['b'])
  })

  test('whose call has ended is come back to with a call of its own', () => {
    const back = reopenCall(passOverAway(leftAt(0, false), 'b', AT_MS, AT_MS), 'b')
    expect(countCall(back, 'token')).toMatchObject({ calls: 2, repeats: 0, isRepeat: false })
  })
})
