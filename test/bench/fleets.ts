import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import { parseRecord } from '../../shared/breaker/record.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { VirtualStore } from '../shared/breaker/virtual-world.ts'
import { VirtualTime } from '../shared/virtual-time.ts'

/** One instance's breaker: whether a call may be made, and how it ended. */
type Model = { admit: () => Promise<unknown>; settle: (admission: unknown, ok: boolean) => Promise<void> }
type Document = Record<string, number | string>
/** A store that keeps one document, in virtual time: 10 ms to read, 25 ms to write. */
type Store = {
  read: () => Promise<Document | undefined>
  /** Writes what `change` makes of the document; @returns undefined when it makes nothing */
  write: (change: (document: Document | undefined) => Document | undefined) => Promise<Document | undefined>
}
type World = { time: VirtualTime; store: Store; random: () => number; real: VirtualStore }

export type FleetFigures = {
  calls: number
  reachedWhileDown: number
  readsPer1000Healthy: number
  writesPer1000Healthy: number
  writesInOutage: number
  /** How long after the fleet's state had changed the last call of an instance that did not know still went out, in ms. */
  propagationMs: number
}

const THRESHOLD = 5
const CALL_MS = 150
const [OUTAGE_FROM_MS, OUTAGE_UNTIL_MS, END_MS] = [100_000, 160_000, 300_000]

/**
 * The published algorithms, as their sources read in November 2026; 30 s of recovery is their default, kept. `opossum`
 * and `cockatiel` share nothing: each process for itself.
 */
export const MODELS: Record<string, (world: World, instance: number) => Model> = {
  'each process for itself': ({ time }) => {
    let [failures, openUntilMs, probing] = [0, 0, false]
    return {
      async admit() {
        if (time.nowMs < openUntilMs || probing) return undefined
        if (openUntilMs > 0) probing = true
        return { probe: probing }
      },
      async settle(admission, ok) {
        const { probe } = admission as { probe: boolean }
        if (probe) probing = false
        if (ok) [failures, openUntilMs] = [0, probe ? 0 : openUntilMs]
        else if (probe || (++failures >= THRESHOLD && openUntilMs === 0)) openUntilMs = time.nowMs + 30_000
      },
    }
  },
  'Powertools for AWS Lambda': ({ time, store }, instance) => {
    let cached: Document = { state: 'closed' }
    let [cachedUntilMs, failures, successes] = [-1, 0, 0]
    const keep = (document: Document | undefined) => {
      if (document !== undefined) [cached, cachedUntilMs] = [document, time.nowMs + 5000]
      return document
    }
    const claimed = async (state: string) => {
      const half = { state: 'half_open', owner: instance, leaseUntilMs: time.nowMs + 30_000 }
      const due = (document: Document | undefined) =>
        document?.['state'] === state && (state === 'open' || Number(document['leaseUntilMs']) <= time.nowMs)
      return keep(await store.write((document) => (due(document) ? half : undefined))) && { probe: true }
    }
    return {
      async admit() {
        if (time.nowMs >= cachedUntilMs) keep((await store.read()) ?? { state: 'closed' })
        if (cached['state'] === 'closed') return { probe: false }
        if (cached['state'] === 'open')
          return time.nowMs >= Number(cached['openedAtMs']) + 30_000 ? claimed('open') : undefined
        if (cached['owner'] === instance) return { probe: true }
        return time.nowMs >= Number(cached['leaseUntilMs']) ? claimed('half_open') : undefined
      },
      async settle(admission, ok) {
        const { probe } = admission as { probe: boolean }
        const open = () => keep({ state: 'open', openedAtMs: time.nowMs }) && store.write(() => cached)
        if (probe && ok && ++successes >= 3) {
          ;[successes, failures] = [0, 0]
          await store.write(() => ({ state: 'closed' }))
          keep({ state: 'closed' })
        } else if (probe && !ok) {
          successes = 0
          await open()
        } else if (ok) failures = 0
        else if (++failures >= THRESHOLD) {
          failures = 0
          await open()
        }
      },
    }
  },
  'circuitbreaker-lambda': ({ time, store }) => ({
    async admit() {
      const state = (await store.read()) ?? { state: 'closed', failures: 0, successes: 0, nextMs: 0 }
      if (state['state'] !== 'open') return state
      if (Number(state['nextMs']) > time.nowMs) return undefined
      const half = { ...state, state: 'half_open', successes: 0 }
      await store.write(() => half)
      return half
    },
    async settle(admission, ok) {
      const state = { ...(admission as Document) }
      if (ok && state['state'] === 'half_open') {
        state['successes'] = Number(state['successes']) + 1
        if (state['successes'] >= 2) Object.assign(state, { state: 'closed', failures: 0, successes: 0 })
      } else if (!ok) {
        state['failures'] = Number(state['failures']) + 1
        if (state['state'] === 'half_open' || state['failures'] >= THRESHOLD)
          Object.assign(state, { state: 'open', nextMs: time.nowMs + 30_000 })
      }
      await store.write(() => state)
    },
  }),
  Steadycast: ({ time, real, random }) => {
    const breaker = new CircuitBreaker({ name: 'provider', store: real, clock: time.clock(), random })
    return {
      admit: () => breaker.admit().catch(() => undefined),
      settle: (admission, ok) =>
        breaker.settle(admission as Awaited<ReturnType<typeof breaker.admit>>, ok ? 'success' : 'failure'),
    }
  },
}

/** A fleet in virtual time through a 60 s outage of its provider; calls arrive at random (Poisson). */
export async function simulate(model: string, instances: number, callsPerSecond: number): Promise<FleetFigures> {
  const time = new VirtualTime()
  const random = seededRandom(42)
  const real = new VirtualStore(time)
  real.weather = (operation) => ({ latencyMs: operation === 'read' ? 10 : 25, fate: 'well' })
  let document: Document | undefined
  let [reads, writes, openedAtMs, lastBlindMs] = [0, 0, Number.POSITIVE_INFINITY, 0]
  const seen = (state: unknown) => {
    if (state === 'open' && openedAtMs === Number.POSITIVE_INFINITY) openedAtMs = time.nowMs
  }
  real.onWrite = (_before, after) => seen(after.state)
  const store: Store = {
    async read() {
      reads++
      await time.sleep(5)
      const read = document && { ...document }
      await time.sleep(5)
      return read
    },
    async write(change) {
      await time.sleep(12)
      const changed = change(document)
      if (changed !== undefined) {
        writes++
        document = { ...changed }
        seen(changed['state'])
      }
      await time.sleep(13)
      return changed
    },
  }
  const make = MODELS[model]
  if (make === undefined) throw new Error(`no model ${model}`)
  let [calls, healthyCalls, reachedWhileDown] = [0, 0, 0]
  for (let instance = 0; instance < instances; instance++) {
    const breaker = make({ time, store, random, real }, instance)
    const one = async () => {
      calls++
      if (time.nowMs < OUTAGE_FROM_MS) healthyCalls++
      const admission = await breaker.admit()
      if (admission === undefined) return
      const down = time.nowMs >= OUTAGE_FROM_MS && time.nowMs < OUTAGE_UNTIL_MS
      if (down) reachedWhileDown++
      // Before any recovery is tested, a call after the opening is one of an instance that did not know.
      if (time.nowMs > openedAtMs && time.nowMs < openedAtMs + 25_000) lastBlindMs = time.nowMs - openedAtMs
      await time.sleep(CALL_MS)
      await breaker.settle(admission, !down)
    }
    const next = () => {
      const waitMs = (-Math.log(1 - random()) * 1000) / callsPerSecond
      if (time.nowMs + waitMs > END_MS) return
      time.after(waitMs, () => {
        void one()
        next()
      })
    }
    next()
  }
  await time.run(OUTAGE_FROM_MS)
  const healthy = { reads: reads + real.reads, writes: writes + real.writes }
  await time.run(END_MS + 20_000)
  const last = real.document && parseRecord(real.document.data)
  if (last?.kind === 'record' && last.record.state !== 'closed') throw new Error('the breaker did not close again')
  return {
    calls,
    reachedWhileDown,
    readsPer1000Healthy: (1000 * healthy.reads) / healthyCalls,
    writesPer1000Healthy: (1000 * healthy.writes) / healthyCalls,
    writesInOutage: writes + real.writes - healthy.writes,
    propagationMs: lastBlindMs,
  }
}
