import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { Admission } from '../../../shared/breaker/breaker.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import { parseRecord, UNWRITTEN } from '../../../shared/breaker/record.ts'
import type { BreakerRecord } from '../../../shared/breaker/record.ts'
import type { ProbeResult } from '../../../shared/breaker/transitions.ts'
import { seededRandom } from '../seeded-random.ts'
import { VirtualStore } from './virtual-world.ts'
import { VirtualTime, WORLD_EPOCH_MS } from '../virtual-time.ts'
import type { StoreWeather } from './virtual-world.ts'

/** What one seeded life of a fleet came to. */
export type Life = {
  /** What must never be, and was. */
  faults: string[]
  opened: number
  halfOpened: number
  closed: number
  lateResults: number
  crashes: number
  storeFailures: number
  lostWrites: number
}

const SETTINGS = { recoveryMs: 2000, recoveryMaxMs: 6000, windowMs: 5000, rampMs: 500, probeLeaseMs: 1500 }
const ACT_MS = 20_000
/** After the last trouble: longer than the longest time open, the lease and the window together. */
const CALM_MS = 22_000
const INSTANCES_MAX = 4
/** Wall clocks are off by as much; the store's is not. */
const SKEW_MS = 300_000
/** One for all: a stack for each of many thousands would cost more than what is tested. */
const LISTENER_FAILURE = new Error('a listener that throws')

type Call = { generation: number; holder: string | undefined; result: ProbeResult | undefined }

/**
 * Lives one life of a fleet: instances that crash, pause and start anew, clocks that are off, a provider that is down
 * for a while, calls that end late, a store that is slow, silent, forgetful and refuses writes; then calm. Whatever
 * lands in the store is checked against what really happened.
 */
export async function liveThrough(seed: number): Promise<Life> {
  const random = seededRandom(seed)
  const chance = (probability: number) => random() < probability
  const between = (least: number, most: number) => least + (most - least) * random()
  const time = new VirtualTime()
  const store = new VirtualStore(time)
  const life: Life = {
    faults: [],
    opened: 0,
    halfOpened: 0,
    closed: 0,
    lateResults: 0,
    crashes: 0,
    storeFailures: 0,
    lostWrites: 0,
  }
  const calls: Call[] = []
  const openedAlone: number[] = []
  const blame = (what: string) => life.faults.push(`${what} at ${Math.round(time.nowMs)} ms`)

  // The world's troubles, all decided beforehand.
  const outage = { fromMs: between(0, 8000), untilMs: between(8000, ACT_MS) }
  const partialRate = chance(0.3) ? between(0.3, 1) : 1
  const storm = chance(0.6) ? { fromMs: between(0, 12_000), untilMs: between(3000, ACT_MS), kind: random() } : undefined
  store.weather = (): StoreWeather => {
    const stormy = storm !== undefined && time.nowMs >= storm.fromMs && time.nowMs < storm.untilMs
    if (!stormy) return { latencyMs: between(2, 60), fate: 'well' }
    life.storeFailures++
    if (storm.kind < 0.25) return { latencyMs: 20, fate: 'fails' }
    if (storm.kind < 0.5) return { latencyMs: 20, fate: 'never' }
    if (storm.kind < 0.75) return { latencyMs: between(2, 1500), fate: 'well' }
    const fates = ['well', 'fails', 'lost', 'never', 'refused'] as const
    return { latencyMs: between(2, 800), fate: fates[Math.floor(random() * fates.length)] ?? 'well' }
  }
  store.onWrite = (before, after) => checkWrite(before, after)

  const start = () =>
    new CircuitBreaker({
      name: 'provider',
      store,
      settings: SETTINGS,
      clock: time.clock(chance(0.3) ? (chance(0.5) ? SKEW_MS : -SKEW_MS) : 0),
      random,
      onEvent: ({ type, local, failures }) => {
        if (type === 'opened' && local) openedAlone.push(failures)
        if (type === 'opened') life.opened++
        if (type === 'half_open') life.halfOpened++
        if (type === 'closed') life.closed++
        throw LISTENER_FAILURE
      },
    })
  const instances = Array.from({ length: 1 + Math.floor(random() * INSTANCES_MAX) }, () => ({
    breaker: start(),
    pausedUntilMs: 0,
    alive: {} as object,
  }))

  for (const instance of instances) {
    const everyMs = between(60, 1200)
    for (let atMs = between(0, everyMs); atMs < ACT_MS + CALM_MS; atMs += everyMs * between(0.2, 1.8))
      time.at(atMs, () => {
        const nowMs = time.nowMs
        if (nowMs < ACT_MS && chance(0.004)) instance.pausedUntilMs = nowMs + between(500, 8000)
        if (nowMs < instance.pausedUntilMs) return
        if (nowMs < ACT_MS && chance(0.004)) {
          life.crashes++
          instance.breaker = start()
          instance.alive = {}
        }
        void oneCall(instance, instance.alive)
      })
  }
  if (chance(0.2)) time.at(between(5000, ACT_MS), () => store.tamper(chance(0.5) ? undefined : { state: 'nonsense' }))

  await time.run(ACT_MS + CALM_MS)
  life.lostWrites = store.lostWrites
  const last = parsed(store.document?.data)
  if (last.state !== 'closed') blame(`still ${last.state} although the provider is well`)
  for (const { breaker } of instances) if (breaker.state !== 'closed') blame(`an instance is still ${breaker.state}`)
  return life

  async function oneCall(instance: (typeof instances)[number], alive: object): Promise<void> {
    const { breaker } = instance
    let admission: Admission
    try {
      admission = await breaker.admit()
    } catch (error) {
      if (!(error instanceof BreakerOpenError)) blame(`admission threw ${String(error)}`)
      return
    }
    const down = time.nowMs >= outage.fromMs && time.nowMs < outage.untilMs
    const call: Call = { generation: admission.generation, holder: admission.probe?.holder, result: undefined }
    calls.push(call)
    const late = time.nowMs < ACT_MS && chance(0.03)
    if (late) life.lateResults++
    await time.sleep(late ? between(1000, 10_000) : between(5, 300))
    // A paused instance ends its call when it goes on; a crashed one never does.
    if (time.nowMs < instance.pausedUntilMs) await time.sleep(instance.pausedUntilMs - time.nowMs)
    if (instance.alive !== alive) return
    const ignored = chance(0.05)
    call.result = ignored ? 'ignored' : down && chance(partialRate) ? 'failure' : 'success'
    await breaker.settle(admission, call.result)
  }

  function checkWrite(beforeData: unknown, after: BreakerRecord): void {
    const before = parsed(beforeData)
    const tampered = beforeData !== undefined && parseRecord(beforeData).kind !== 'record'
    if (tampered) return
    if (after.generation < before.generation && beforeData !== undefined) blame('the generation went back')
    const ended = (result: ProbeResult, generation: number) =>
      calls.filter((call) => call.result === result && call.generation === generation && call.holder === undefined)
        .length
    if (after.state === 'closed' && before.state === 'closed' && after.generation === before.generation) {
      for (const [kind, result] of [
        ['failures', 'failure'],
        ['successes', 'success'],
      ] as const) {
        const told = after.ledger.reduce((sum, bucket) => sum + bucket[kind], 0)
        if (told > ended(result, after.generation)) blame(`${told} ${kind} were applied, more than there were`)
      }
    } else if (after.state === 'open' && before.state === 'closed') {
      const real = ended('failure', before.generation)
      // One that opened by itself, without a store, hands over what it saw in a generation of its own.
      const handedOver = openedAlone.includes(after.failures)
      if (after.failures < 5 || (after.failures > real && !handedOver))
        blame(`opened by ${after.failures} failures of ${real}`)
      if (after.failures < after.successes) blame('opened although most calls succeeded')
    } else if (before.state === 'half_open' && after.state !== 'half_open') {
      const probe = calls.find(({ holder }) => holder !== undefined && holder === before.lease?.holder)
      const fits = after.state === 'closed' ? 'success' : 'failure'
      if (probe?.result !== fits)
        blame(`a probe that ended with ${JSON.stringify(probe?.result)} led to ${after.state}`)
    } else if (after.state === 'half_open' && after.lease !== null) {
      const nowMs = WORLD_EPOCH_MS + time.nowMs
      // Clocks are known to within a store operation.
      if (before.state === 'open' && (before.retryAtMs ?? 0) > nowMs + 1500) blame('probed before its time')
      if (before.lease !== null && before.lease.untilMs > nowMs + 1500) blame('two unexpired leases')
    }
  }
}

function parsed(data: unknown): BreakerRecord {
  const result = data === undefined ? undefined : parseRecord(data)
  return result?.kind === 'record' ? result.record : UNWRITTEN
}
