import { describe, expect, test } from 'vitest'

import { requeue } from '../../../shared/engine/transitions/cure.ts'
import { LEASE_MS, opened, withTools } from './by-hand.ts'
import type { ByHand } from './by-hand.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import { againAfter, askFor, claimStep, settleStep, started, taskFor } from './order-fixtures.ts'

const costsOf = ({ world }: ByHand) => Object.values(world.order.costs ?? {}).at(-1)
const callsOf = ({ world }: ByHand) => world.vendors.callsOfStep['write'] ?? 0

/** What an attempt that has lost its step still knows of its paid call. */
describe('an attempt that was frozen until another had its step', () => {
  test('before it recorded its call has made none, and nobody has to wonder', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write')
    await bench.passWhile(() => bench.step('write').state !== 'running')
    first.instance.freeze(10 * LEASE_MS)
    await bench.pass(LEASE_MS + 1)
    await bench.carryOut('write')
    expect(bench.step('write')).toMatchObject({ state: 'done', paid: { calls: 1, repeats: 0 } })
    await bench.pass(10 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('fenced')
    expect([callsOf(bench), costsOf(bench)]).toEqual([1, { calls: 1 }])
  })

  test('before its call left has made none: the other has repeated nothing', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write')
    await bench.passWhile(() => bench.step('write').paid === undefined)
    first.instance.freeze(10 * LEASE_MS)
    await bench.pass(LEASE_MS + 1)
    await bench.carryOut('write')
    expect(bench.step('write')).toMatchObject({ state: 'done', paid: { calls: 2, repeats: 1 } })
    expect(costsOf(bench)).toEqual({ calls: 2 })
    await bench.pass(10 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('fenced')
    expect([callsOf(bench), costsOf(bench)]).toEqual([1, { calls: 1 }])
    expect(bench.step('write')).toMatchObject({ state: 'done', paid: { calls: 1, repeats: 0 } })
    expect(bench.step('write').paid).not.toHaveProperty('repeatOf')
  })

  test('before its call left gives the other its repeat back', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write')
    await bench.passWhile(() => bench.step('write').paid === undefined)
    first.instance.freeze(LEASE_MS + 5_000)
    await bench.pass(LEASE_MS + 1)
    const second = bench.deliver('write')
    await bench.passWhile(() => callsOf(bench) === 0)
    expect(bench.step('write').paid).toMatchObject({ calls: 2, repeats: 1 })
    await bench.pass(6_000)
    expect((await bench.endOf(first)).kind).toBe('fenced')
    second.instance.kill()
    await bench.pass(2 * LEASE_MS)
    expect(bench.step('write').paid).toMatchObject({ calls: 1, repeats: 0, open: true })
    await bench.carryOut('write')
    expect(bench.step('write')).toMatchObject({ state: 'done', paid: { calls: 2, repeats: 1 } })
  })

  test('after its call had ended tells what that has cost, once', async () => {
    const bench = await opened('write')
    // The answer is there, and nothing of it is stored yet.
    const first = bench.deliver('write', (instance) =>
      withTools(instance, { working: async () => instance.freeze(10 * LEASE_MS) }),
    )
    await bench.passWhile(() => callsOf(bench) === 0)
    await bench.pass(LEASE_MS + 1)
    await bench.carryOut('write')
    expect([callsOf(bench), costsOf(bench)]).toEqual([2, { calls: 2 }])
    await bench.pass(10 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('fenced')
    expect(costsOf(bench)).toEqual({ calls: 2 })
    expect(bench.step('write')).toMatchObject({ state: 'done', paid: { calls: 2, repeats: 1 } })
  })
})

describe('a step whose attempts are lost in a row', () => {
  const ATTEMPTS = 5
  const moved = started()
  const task = taskFor(moved, 'transcribe')

  /** Loses attempts, each begun as soon as it may be. */
  function lose(attempts: number) {
    const beganAtMs: number[] = []
    let [order, nowMs] = [moved.next, 0]
    for (let lost = 0; lost < attempts; lost++) {
      ;({ workflow: order } = claimStep(order, task, nowMs))
      beganAtMs.push(nowMs)
      const asked = askFor(order, task, nowMs)
      if (asked.kind === 'busy') nowMs = asked.untilMs
    }
    return { order, beganAtMs, freeAtMs: nowMs }
  }

  test('waits the longer the more were lost, so that five minutes of kills leave the last', () => {
    const { beganAtMs } = lose(ATTEMPTS)
    expect(beganAtMs.map((atMs) => atMs / LEASE_MS)).toEqual([0, 1, 2, 6, 19])
    expect(beganAtMs.at(-1)).toBeGreaterThan(300_000)
  })

  test('remembers them where a sweep has requeued it, and forgets them once one is heard of', () => {
    const { order, freeAtMs } = lose(3)
    expect(order.steps.transcribe.lostInARow).toBe(2)
    const requeued = requeue(FAKE_PIPELINE, order, { step: 'transcribe', leaseMs: LEASE_MS }, freeAtMs)
    expect(requeued.next.steps.transcribe.lostInARow).toBe(3)
    const again = claimStep(requeued.next, taskFor(requeued, 'transcribe'), freeAtMs)
    expect(again.workflow.steps.transcribe.lostInARow).toBe(3)
    expect(settleStep(again, againAfter(1), freeAtMs + 1).next.steps.transcribe).not.toHaveProperty('lost')
  })
})
