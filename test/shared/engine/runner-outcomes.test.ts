import { describe, expect, test } from 'vitest'
import * as z from 'zod'

import { FallbackBusy, JobEnded, NoFallback, StepRefused } from '../../../shared/engine/failure.ts'
import { cancel } from '../../../shared/engine/transitions/owner.ts'
import { countEvents, failing, lasting, LEASE_MS, opened, withTools } from './by-hand.ts'
import type { RunnerPart } from './by-hand.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { FakeStepName } from './fake-pipeline.ts'
import { NOT_ACCEPTED } from './order-fixtures.ts'
import { Instance, SETTINGS, StoreAway, VendorAway, VendorGarbled } from './world.ts'

/** The runner, one delivery at a time: what vendors that fail come to. */

/** The pipeline with one step that works otherwise. */
const pipelineWith = (name: FakeStepName, more: Partial<(typeof FAKE_PIPELINE)[number]>) =>
  FAKE_PIPELINE.map((step) => (step.name === name ? { ...step, ...more } : step))

describe('a vendor that is away', () => {
  const away = failing(() => new VendorAway('write-1', true, false))

  test('is waited for without spending attempts, then done without, and asked again later', async () => {
    const bench = await opened('write')
    const sinceMs = bench.world.time.nowMs
    let waits = 0
    for (; waits < 100; waits++) {
      const { kind: outcome } = await bench.carryOut('write', away)
      if (outcome === 'fellBack') break
      expect(bench.step('write')).toMatchObject({ state: 'waiting', unavailable: { service: 'write-1' } })
      await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    }
    expect(waits).toBeGreaterThan(3)
    const tookMs = bench.world.time.nowMs - sinceMs
    expect(tookMs).toBeGreaterThanOrEqual(SETTINGS.fallbackAfterMs)
    expect(tookMs).toBeLessThan(SETTINGS.fallbackAfterMs + 5_000)
    expect(bench.step('write')).toMatchObject({ state: 'done', attempt: 1, provider: 'here', degraded: 'without' })
    expect(bench.step('write').fallback?.nextTryAtMs).toBeGreaterThan(bench.world.time.nowMs)
  })

  test('gives way to the next in order, once it was waited for long enough', async () => {
    const bench = await opened('voice')
    const gone = failing(() => new VendorAway('voice-1', true, false))
    for (let waits = 0; waits < 100 && bench.step('voice').passedOver === undefined; waits++) {
      await bench.passUntil(bench.step('voice').nextCheckAtMs ?? 0)
      await bench.carryOut('voice', gone)
    }
    expect(bench.step('voice')).toMatchObject({ state: 'pending', passedOver: ['voice-1'] })
    expect((await bench.carryOut('voice')).kind).toBe('done')
    expect(bench.step('voice')).toMatchObject({ state: 'done', provider: 'voice-2' })
    expect(bench.step('voice')).not.toHaveProperty('degraded')
    expect(bench.world.order.costs).toMatchObject({ 'voice-2': { calls: 1 } })
  })

  test('of another kind makes no job of a call, and counts no call for a job', async () => {
    const bench = await opened('transcribe')
    const gone = failing(() => new VendorAway('transcribe-1', true, false))
    for (let waits = 0; waits < 100 && bench.step('transcribe').passedOver === undefined; waits++) {
      await bench.passUntil(bench.step('transcribe').nextCheckAtMs ?? 0)
      await bench.carryOut('transcribe', gone)
    }
    expect(bench.step('transcribe')).not.toHaveProperty('paid')
    expect((await bench.carryOut('transcribe')).kind).toBe('done')
    expect(bench.step('transcribe')).toMatchObject({ provider: 'transcribe-2', paid: { calls: 1, repeats: 0 } })
    expect(bench.step('transcribe')).not.toHaveProperty('job')
    expect(bench.step('transcribe')).not.toHaveProperty('startsInVain')
  })
})

describe('what a failure comes to', () => {
  test('the store away is told as what it is, and no attempt is spent', async () => {
    const bench = await opened('write')
    await bench.carryOut(
      'write',
      failing(() => new StoreAway()),
    )
    expect(bench.step('write')).toMatchObject({ state: 'waiting', attempt: 1, unavailable: { service: 'store' } })
    expect(bench.step('write')).not.toHaveProperty('paid')
  })

  const refused = failing(() => new StepRefused(NOT_ACCEPTED))

  test('a refusal asks the next in order at once, then does without, and never asks again', async () => {
    const bench = await opened('voice')
    expect((await bench.carryOut('voice', refused)).kind).toBe('passedOver')
    expect((await bench.carryOut('voice', refused)).kind).toBe('fellBack')
    expect(bench.step('voice').fallback?.nextTryAtMs).toBeUndefined()
  })

  test('a refusal that can pass is done without, and asked about again later', async () => {
    const passing = failing(() => new StepRefused(NOT_ACCEPTED, { canPass: true }))
    const bench = await opened('write')
    expect((await bench.carryOut('write', passing)).kind).toBe('fellBack')
    expect(bench.step('write').fallback?.nextTryAtMs).toBeGreaterThan(bench.world.time.nowMs)
  })

  test('a refusal ends a workflow that may not do without', async () => {
    const bench = await opened('write')
    const strictly = (instance: Instance) => ({ ...refused(instance), allowsFallback: () => false })
    expect((await bench.carryOut('write', strictly)).kind).toBe('failed')
    expect(bench.world.order).toMatchObject({ status: 'error', error: { code: 'provider_rejected', retryable: false } })
  })

  test('a fallback that waits for something of ours does not ask the provider again', async () => {
    const bench = await opened('write')
    let asked = 0
    const busy = (instance: Instance) => ({
      ...refused(instance),
      pipeline: pipelineWith('write', {
        run: () => {
          asked++
          throw new StepRefused(NOT_ACCEPTED)
        },
        fallBack: () => {
          throw new FallbackBusy('all places are taken')
        },
      }),
    })
    expect((await bench.carryOut('write', busy)).kind).toBe('waiting')
    expect(bench.step('write')).toMatchObject({ state: 'waiting', onlyFallback: { canPass: false } })
    await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    expect((await bench.carryOut('write', busy)).kind).toBe('waiting')
    await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    expect((await bench.carryOut('write')).kind).toBe('fellBack')
    expect([asked, bench.step('write').onlyFallback]).toEqual([1, undefined])
  })

  test.each([
    ['refused', () => new StepRefused(NOT_ACCEPTED, { canPass: true }), NOT_ACCEPTED.message],
    ['failed', () => new VendorGarbled('write-1'), undefined],
  ] as const)('a fallback knows that its provider has %s, after a wait as well', async (why, error, refusal) => {
    const bench = await opened('write')
    const told: unknown[] = []
    const busyOnce = (instance: Instance) => ({
      ...failing(error)(instance),
      pipeline: pipelineWith('write', {
        run: () => {
          throw error()
        },
        fallBack: async (_attempt: unknown, _tools: unknown, because: unknown) => {
          told.push(because)
          if (told.length === 1) throw new FallbackBusy('all places are taken')
          return { result: { by: 'us' }, degraded: 'without' }
        },
      }),
    })
    for (let passes = 0; passes < 4 && bench.step('write').state !== 'done'; passes++) {
      await bench.carryOut('write', busyOnce)
      await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    }
    const because = { why, canPass: true, ...(refusal !== undefined && { refusal }) }
    expect(told).toEqual([because, because])
  })

  test('an answer nobody can read is asked for once more, and charged for what it was', async () => {
    const bench = await opened('write')
    const garbled = (instance: Instance) =>
      withTools(instance, {
        garbled: () => {
          throw new VendorGarbled('write-1')
        },
      })
    expect((await bench.carryOut('write', garbled)).kind).toBe('tryAgain')
    await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    expect((await bench.carryOut('write', garbled)).kind).toBe('fellBack')
    expect(bench.world.order.costs?.['write-1']).toEqual({ calls: 2 })
    expect(bench.step('write')).toMatchObject({ paid: { calls: 2, repeats: 1 } })
    // Once more, later; and should that be of no use either, never again.
    expect(bench.step('write').fallback?.nextTryAtMs).toBeGreaterThan(bench.world.time.nowMs)
  })

  test('a call that was lost twice is done without, and its vendor asked again a day later', async () => {
    const bench = await opened('write')
    for (let loss = 0; loss < 2; loss++) {
      const lost = bench.deliver('write', lasting(60_000))
      await bench.pass(1_000)
      lost.instance.kill()
      await bench.pass(LEASE_MS)
    }
    expect((await bench.carryOut('write')).kind).toBe('fellBack')
    const { fallback, finishedAtMs = NaN, paid } = bench.step('write')
    expect(paid).toMatchObject({ calls: 2, repeats: 1, open: true })
    expect(fallback?.nextTryAtMs).toBe(finishedAtMs + 86_400_000)
  })

  test('a job that its vendor has ended is made anew', async () => {
    const bench = await opened('transcribe')
    await bench.carryOut('transcribe')
    await bench.carryOut(
      'transcribe',
      failing(() => new JobEnded('it ended')),
    )
    expect(bench.step('transcribe')).not.toHaveProperty('job')
    expect(bench.step('transcribe')).not.toHaveProperty('startsInVain')
    await bench.carryOut('transcribe')
    expect(bench.world.vendors.jobsMade['transcribe']).toBe(2)
  })

  test('a job that is given up after its start leaves word of it', async () => {
    const bench = await opened('transcribe')
    await bench.carryOut('transcribe', (instance) =>
      withTools(instance, {
        preparing: async (attempt) => {
          await attempt.recordJob({ starts: { count: 2, atMs: 1 } })
          throw new JobEnded('not at work')
        },
      }),
    )
    expect(bench.step('transcribe')).toMatchObject({ state: 'pending', startsInVain: 2 })
  })

  test('anything else is tried five times, then done without the vendor', async () => {
    const bench = await opened('write')
    const broken = failing(() => new Error('an answer nobody can read'))
    const outcomes: string[] = []
    for (let attempt = 0; attempt < 6; attempt++) {
      await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
      outcomes.push((await bench.carryOut('write', broken)).kind)
    }
    expect(outcomes).toEqual(['tryAgain', 'tryAgain', 'tryAgain', 'tryAgain', 'fellBack', 'stale'])
  })

  const madeUnreadable = {
    pipeline: pipelineWith('write', { run: async () => ({ kind: 'done', result: { by: '' } }) }),
  }
  const refusing = { result: z.looseObject({ by: z.string().min(1) }) }
  const unreadable = {
    pipeline: madeUnreadable.pipeline.map((step) => (step.name === 'write' ? { ...step, ...refusing } : step)),
  }

  test('a result that its own schema refuses never lands: it is a failed attempt, and done without in the end', async () => {
    const bench = await opened('write')
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(bench.world.order.results).not.toHaveProperty('write')
      await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
      await bench.carryOut('write', unreadable)
    }
    expect(bench.step('write')).toMatchObject({ state: 'done', provider: 'here' })
    expect(bench.world.order.results['write']).toEqual({ by: 'here' })
    expect(bench.world.events).toContain('step.attempt_failed')
  })

  test('an adopted result or a fallback that its own schema refuses ends in an error, and not in the document', async () => {
    const bench = await opened('write')
    const bad = {
      run: () => Promise.reject(new Error('no')),
      fallBack: async () => ({ result: { by: '' }, degraded: '' }),
    }
    const pipeline = pipelineWith('write', { ...bad, adopt: async () => ({ result: { by: '' } }) }).map((step) =>
      step.name === 'write' ? { ...step, ...refusing } : step,
    )
    for (let attempt = 0; attempt < 5; attempt++) {
      await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
      await bench.carryOut('write', { pipeline })
    }
    expect(bench.world.order).toMatchObject({ status: 'error', error: { code: 'attempts_exhausted', retryable: true } })
    expect(bench.world.order.results).not.toHaveProperty('write')
  })

  test.each([
    ['no room is waited for', new FallbackBusy('all places are taken'), { unavailable: { service: 'capacity' } }, 0],
    ['one that cannot be had is not tried again', new NoFallback('too large'), { noFallback: 'too large' }, 1],
    [
      'one that breaks is not tried again',
      new Error('it broke'),
      { noFallback: 'doing without the provider failed' },
      1,
    ],
  ])('a fallback with %s', async (_name, error, expected, told) => {
    const bench = await opened('write')
    const pipeline = FAKE_PIPELINE.map((step) =>
      step.name === 'write' ? { ...step, fallBack: () => Promise.reject(error) } : step,
    )
    const gone = (instance: Instance) => ({
      pipeline,
      ...failing(() => new VendorAway('write-1', true, false))(instance),
    })
    await bench.carryOut('write', gone)
    await bench.pass(SETTINGS.fallbackAfterMs)
    await bench.carryOut('write', gone)
    expect(bench.step('write')).toMatchObject({ state: 'waiting', ...expected })
    expect(countEvents(bench, 'step.no_fallback')).toBe(told)
  })
})

describe('a task that has become useless', () => {
  test('is told as stale, and what it is still good for is done', async () => {
    const bench = await opened('master')
    const task = bench.deliver('master')
    await bench.pass(1_000)
    await bench.endOf(task)
    const { store } = new Instance(bench.world)
    const cancelled = store.move('o1', (order, nowMs) => cancel(FAKE_PIPELINE, order, {}, nowMs))
    await bench.pass(1_000)
    await cancelled
    const stopped: string[] = []
    const afterStale: RunnerPart['afterStale'] = async ({ status }, step) => void stopped.push(`${status} ${step}`)
    expect((await bench.carryOut('master', { afterStale })).kind).toBe('stale')
    expect(stopped).toEqual(['cancelled master'])
  })

  test('of a workflow that is not there ends at once', async () => {
    const bench = await opened('write')
    const instance = new Instance(bench.world)
    const ended = instance.runner().run('gone', { step: 'write', generation: 1, dispatch: 1 }, instance.signal)
    await bench.pass(1_000)
    expect((await ended).kind).toBe('absent')
  })
})
