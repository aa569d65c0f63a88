import { describe, expect, test } from 'vitest'

import { comeBack, passOver, reopenCall } from '../../../shared/engine/transitions/pass-over.ts'
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

describe('a provider that was only away', () => {
  test('is come back to with its call as open as it was left: the next is the one repeat', () => {
    const atA = comeBack(leftAt(0, true), 'b', AT_MS, AT_MS)
    expect(atA).toMatchObject({ passedOver: ['b'], away: { providers: ['b'], open: ['b'] }, paid: { open: false } })
    const back = comeBack({ ...atA, provider: 'a' }, 'a', AT_MS, AT_MS)
    expect(back).toMatchObject({ passedOver: ['a'], away: { providers: ['a'] } })
    const reopened = reopenCall(back, 'b')
    expect(countCall(reopened)).toMatchObject({ calls: 2, repeats: 1, isRepeat: true })
    // It is open once: what becomes of the repeat is told by the repeat.
    expect(reopenCall({ ...reopened, paid: { calls: 2, repeats: 1, open: false } }, 'b').paid?.open).toBe(false)
  })

  test('is not come back to when its one repeat has been left as well', () => {
    const atA = comeBack(leftAt(1, true), 'b', AT_MS, AT_MS)
    expect(atA.away?.providers).toEqual([])
    expect(atA.passedOver).toEqual(['b'])
  })

  test('whose call has ended is come back to with a call of its own', () => {
    const back = reopenCall(passOver(leftAt(0, false), 'b', AT_MS, AT_MS), 'b')
    expect(countCall(back)).toMatchObject({ calls: 2, repeats: 0, isRepeat: false })
  })
})
