import { describe, expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { BreakerOptions, FailureMeaning } from '../../../shared/breaker/breaker.ts'
import { BreakerControl } from '../../../shared/breaker/control.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import { parseRecord } from '../../../shared/breaker/record.ts'
import { breakerSettings } from '../../../shared/breaker/settings.ts'
import { VirtualTime } from '../virtual-time.ts'
import { VirtualStore } from './virtual-world.ts'

function world(options: Partial<BreakerOptions> = {}) {
  const time = new VirtualTime()
  const store = new VirtualStore(time)
  const make = (more: Partial<BreakerOptions> = {}) =>
    new CircuitBreaker({ name: 'gemini', store, clock: time.clock(), random: () => 0.5, ...options, ...more })
  /** Runs something that waits for virtual time, and that time. */
  const during = async <T>(work: Promise<T>, ms = 5000): Promise<T> => {
    work.catch(() => undefined)
    await time.run(time.nowMs + ms)
    return work
  }
  const fails = async () => Promise.reject(new Error('down'))
  /** Opens it, and lets its time pass: the next call is the probe. */
  const opened = async (breaker: CircuitBreaker) => {
    for (let i = 0; i < 5; i++)
      await during(
        breaker.execute(fails).catch(() => undefined),
        1000,
      )
    expect(breaker.state).toBe('open')
    await time.run(time.nowMs + breaker.settings.recoveryMs)
  }
  const stored = () => {
    const parsed = parseRecord(store.document?.data)
    if (parsed.kind !== 'record') throw new Error('the document cannot be read')
    return parsed.record
  }
  return { time, store, make, during, fails, opened, stored }
}

describe('settings', () => {
  test.each([
    ['failureThreshold', 0],
    ['failureThreshold', -1],
    ['failureThreshold', 0.5],
    ['failureThreshold', Number.NaN],
    ['failureThreshold', Number.POSITIVE_INFINITY],
    ['failureThreshold', '5'],
    ['failureThreshold', null],
    ['windowMs', 0],
    ['windowMs', -1],
    ['windowMs', Number.NaN],
    ['minFailureRate', 10],
    ['minFailureRate', -0.1],
    ['minFailureRate', Number.NaN],
    ['confirmMs', -1],
    ['recoveryMs', 0],
    ['recoveryMs', -1],
    ['recoveryMs', Number.NaN],
    ['recoveryMs', 2 ** 31],
    ['recoveryMaxMs', Number.NaN],
    ['successesToClose', 0],
    ['rampMs', -1],
    ['cacheTtlMs', Number.NaN],
    ['throttleMaxMs', -1],
    ['slowCallMs', 0],
    ['probeLeaseMs', 0],
    ['probeMaxMs', Number.NaN],
  ])('%s: %s is refused by its name, with what was expected', (name, value) => {
    expect(() => new CircuitBreaker({ name: 'gemini', settings: { [name]: value } })).toThrow(
      new RegExp(`^${name}: expected .+, got `),
    )
  })

  test('that there are not are refused', () => {
    expect(() => new CircuitBreaker({ name: 'gemini', settings: { treshold: 3 } as object })).toThrow(
      'treshold: there is no such setting',
    )
  })

  test('that are undefined have their defaults', () => {
    const names = Object.keys(breakerSettings())
    const given = Object.fromEntries(names.map((name) => [name, undefined]))
    expect(breakerSettings(given)).toEqual(breakerSettings())
  })
})

describe('a name', () => {
  test.each(['', 'a/b', '.', '..', '__x__', 'x'.repeat(1501), '\ud800'])('%j is refused', (name) => {
    expect(() => new CircuitBreaker({ name })).toThrow(/^the name of a circuit breaker: expected/)
  })

  test.each(['gemini', 'elevenlabs-stt', 'a.b', 'ä'.repeat(750)])('%s is taken', (name) => {
    expect(new CircuitBreaker({ name }).name).toBe(name)
  })
})

describe('classify', () => {
  test.each([
    undefined,
    null,
    'nonsense',
    {},
    { reason: 'success' },
    { reason: 'throttled', forMs: Number.NaN },
    { reason: 'throttled', forMs: '5' },
    { reason: 'throttled', forMs: -1 },
    { reason: 'throttled' },
  ])('that says %j opens it like any failure, and leaves a document that everybody can read', async (meaning) => {
    const { make, during, fails, stored } = world({ classify: () => meaning as FailureMeaning })
    const breaker = make()
    for (let i = 0; i < 5; i++)
      await during(
        breaker.execute(fails).catch(() => undefined),
        1000,
      )
    const { state, retryAtMs, changedAtMs } = stored()
    expect(state).toBe('open')
    expect((retryAtMs ?? 0) - changedAtMs).toBe(60_000)
  })

  test('the same told to settle leaves such a document, too', async () => {
    const { make, during, stored } = world()
    const breaker = make()
    const admission = await during(breaker.admit())
    await during(breaker.settle(admission, { reason: 'throttled', forMs: Number.NaN }))
    expect(stored()).toMatchObject({ state: 'open', reason: 'throttled' })
  })
})

describe('times from elsewhere', () => {
  test('a clock that tells none is refused', () => {
    const clock = { ...new VirtualTime().clock(), monotonicMs: () => Number.NaN }
    expect(() => new CircuitBreaker({ name: 'gemini', clock })).toThrow('clock.monotonicMs: expected')
  })

  test('a store that says none is gone by without', async () => {
    const { make, during, store, fails, stored } = world()
    const read = store.read
    Object.assign(store, { read: async (name: string) => ({ ...(await read(name)), serverMs: Number.NaN }) })
    const breaker = make()
    for (let i = 0; i < 5; i++)
      await during(
        breaker.execute(fails).catch(() => undefined),
        1000,
      )
    expect(stored().state).toBe('open')
  })

  test('random numbers that are none leave times that are some', async () => {
    const { make, fails, opened, during, stored } = world({ random: () => Number.NaN })
    const breaker = make()
    await opened(breaker)
    await during(
      breaker.execute(fails).catch(() => undefined),
      1000,
    )
    expect(stored()).toMatchObject({ state: 'open', reopenings: 1 })
  })

  test.each([Number.NaN, 0, -1, Number.POSITIVE_INFINITY])('a probe may not be held for %s ms', async (leaseMs) => {
    const { make, opened, during, stored } = world()
    const breaker = make()
    await opened(breaker)
    await expect(during(breaker.execute(async () => 1, undefined, { leaseMs }))).rejects.toThrow('leaseMs: expected')
    expect(stored().state).toBe('open')
  })

  test('nor an override for a time that is none', async () => {
    const { store } = world()
    const control = new BreakerControl(store, () => undefined)
    const override = { action: 'open', by: 'an operator', reason: 'maintenance', forMs: Number.NaN } as const
    await expect(control.override('gemini', override)).rejects.toThrow('forMs: expected')
    expect(store.document).toBeUndefined()
  })
})

describe('an abort', () => {
  const untilAborted = async (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )

  test('by a caller whose time is over is a failure, however it is classified', async () => {
    const { make, during } = world({ classify: () => 'ignored' })
    const breaker = make()
    for (let i = 0; i < 5; i++) {
      const caller = new AbortController()
      const call = breaker.execute(untilAborted, caller.signal)
      await during(Promise.resolve(), 100)
      caller.abort(new DOMException('too slow', 'TimeoutError'))
      await expect(during(call)).rejects.toThrow('too slow')
    }
    expect(breaker.state).toBe('open')
  })

  test('is what AbortSignal.timeout tells', async () => {
    const breaker = new CircuitBreaker({ name: 'gemini' })
    for (let i = 0; i < 5; i++)
      await expect(breaker.execute(untilAborted, AbortSignal.timeout(1))).rejects.toThrow('due to timeout')
    expect(breaker.state).toBe('open')
  })

  test('by a caller that has lost interest is none', async () => {
    const breaker = new CircuitBreaker({ name: 'gemini' })
    for (let i = 0; i < 20; i++) {
      const caller = new AbortController()
      const call = breaker.execute(untilAborted, caller.signal)
      caller.abort(new Error('no longer wanted'))
      await expect(call).rejects.toThrow('no longer wanted')
    }
    expect(breaker.state).toBe('closed')
  })

  test('while the first look at the store hangs is heard at once', async () => {
    const { make, during, store } = world()
    store.weather = () => ({ latencyMs: 10, fate: 'never' })
    const caller = new AbortController()
    const call = make().execute(async () => 1, caller.signal)
    await during(Promise.resolve(), 500)
    caller.abort(new Error('gone'))
    await expect(during(call, 0)).rejects.toThrow('gone')
  })

  test('while the probe is claimed is heard at once, and gives the probe back', async () => {
    const { make, during, store, opened, stored } = world()
    const [breaker, other] = [make(), make()]
    await opened(breaker)
    store.weather = () => ({ latencyMs: 1000, fate: 'well' })
    const caller = new AbortController()
    const call = breaker.execute(async () => 1, caller.signal)
    await during(Promise.resolve(), 1200)
    caller.abort(new Error('gone'))
    await expect(during(call, 0)).rejects.toThrow('gone')
    store.weather = () => ({ latencyMs: 10, fate: 'well' })
    await during(Promise.resolve(), 8000)
    expect(stored()).toMatchObject({ state: 'half_open', lease: null })
    expect(await during(other.execute(async () => 'well'))).toBe('well')
    expect(stored().state).toBe('closed')
  })

  test('while a result is published does not take the result away', async () => {
    const { make, during, store, fails } = world()
    const breaker = make()
    await during(
      breaker.execute(fails).catch(() => undefined),
      2000,
    )
    store.weather = () => ({ latencyMs: 900, fate: 'well' })
    const caller = new AbortController()
    const call = breaker.execute(async () => 'result', caller.signal)
    await during(Promise.resolve(), 10)
    caller.abort(new Error('gone'))
    expect(await during(call, 0)).toBe('result')
  })
})

describe('a probe', () => {
  test('that takes longer than its lease renews it, and closes the breaker', async () => {
    const { make, during, time, opened, stored } = world()
    const [breaker, other] = [make(), make()]
    await opened(breaker)
    let calls = 0
    const probe = breaker.execute(async () => {
      calls++
      await time.sleep(200_000)
      return 'well'
    })
    for (let waitedMs = 0; waitedMs < 190_000; waitedMs += 10_000) {
      await during(Promise.resolve(), 10_000)
      await expect(
        during(
          other.execute(async () => calls++),
          100,
        ),
      ).rejects.toBeInstanceOf(BreakerOpenError)
    }
    expect(await during(probe, 20_000)).toBe('well')
    expect([calls, stored().state]).toEqual([1, 'closed'])
  })

  test('ends when its time is over, and the next is another’s, though its call does not listen', async () => {
    const { make, during, time, opened, stored } = world({ settings: { probeMaxMs: 90_000 } })
    const [breaker, other] = [make(), make()]
    await opened(breaker)
    const deaf = breaker.execute(async () => time.sleep(10_000_000))
    deaf.catch(() => undefined)
    await during(Promise.resolve(), 89_000)
    await expect(
      during(
        other.execute(async () => 1),
        100,
      ),
    ).rejects.toBeInstanceOf(BreakerOpenError)
    await during(Promise.resolve(), 32_000)
    expect(await during(other.execute(async () => 'well'))).toBe('well')
    expect(stored().state).toBe('closed')
  })

  test('is one although the store refuses to write a claim, or loses its answer', async () => {
    for (const fate of ['fails', 'lost'] as const) {
      const { make, during, store, time, opened, stored } = world()
      const [first, second] = [make(), make()]
      await opened(first)
      const running: number[] = []
      let most = 0
      const call = async () => {
        if (stored().state === 'closed') return
        running.push(1)
        most = Math.max(most, running.length)
        await time.sleep(5000)
        running.pop()
      }
      let writes = 0
      store.weather = (operation) => ({ latencyMs: 10, fate: operation === 'write' && writes++ === 0 ? fate : 'well' })
      // One of them meets the failing write; both go on asking.
      const asking = async (breaker: CircuitBreaker) => {
        for (let i = 0; i < 100; i++) {
          await breaker.execute(call).catch(() => undefined)
          await time.sleep(200)
        }
      }
      const both = Promise.all([asking(first), asking(second)])
      await during(Promise.resolve(), 12_000)
      expect({ fate, most }).toEqual({ fate, most: 1 })
      expect(stored().state).toBe('closed')
      both.catch(() => undefined)
    }
  })

  test('is made without the fleet once its store has been silent for the TTL', async () => {
    const { make, during, store, opened } = world()
    const breaker = make()
    await opened(breaker)
    store.weather = () => ({ latencyMs: 10, fate: 'fails' })
    await expect(
      during(
        breaker.execute(async () => 1),
        100,
      ),
    ).rejects.toBeInstanceOf(BreakerOpenError)
    await during(Promise.resolve(), breaker.settings.cacheTtlMs)
    expect(
      await during(
        breaker.execute(async () => 'well'),
        5000,
      ),
    ).toBe('well')
  })
})
