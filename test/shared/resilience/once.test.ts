import { describe, expect, test } from 'vitest'

import { once } from '../../../shared/resilience/once.ts'

describe('what is built once', () => {
  test('is the same at every call', () => {
    let builds = 0
    const built = once(() => ({ build: ++builds }))
    expect([built(), built(), built()]).toEqual([{ build: 1 }, { build: 1 }, { build: 1 }])
  })

  test('is built again after a build that threw', () => {
    let builds = 0
    const built = once(() => {
      if (++builds === 1) throw new Error('not yet')
      return builds
    })
    expect(built).toThrow('not yet')
    expect([built(), built()]).toEqual([2, 2])
  })

  test('is built again after a promise that rejected, and shared while it is being built', async () => {
    let builds = 0
    const built = once(async () => {
      if (++builds === 1) throw new Error('not yet')
      return builds
    })
    const [one, other] = [built(), built()]
    expect(one).toBe(other)
    await expect(one).rejects.toThrow('not yet')
    expect([await built(), await built()]).toEqual([2, 2])
  })
})
