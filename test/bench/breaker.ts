import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel'
import Opossum from 'opossum'

import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import { liveThrough } from '../shared/breaker/schedule.ts'
import { VirtualStore } from '../shared/breaker/virtual-world.ts'
import { VirtualTime } from '../shared/virtual-time.ts'
import { MODELS, simulate } from './fleets.ts'
import type { FleetFigures } from './fleets.ts'
import { figure, median, title } from './report.ts'

const ROUNDS = 15
const CALLS_PER_ROUND = 100_000
const REJECTIONS_PER_ROUND = 10_000
const SOAK_LIVES = Number(process.env['BREAKER_LIVES'] ?? 1_000_000)
const OURS = 'Steadycast'

/** The breaker beside opossum and cockatiel in one process, and beside other shared breakers in a fleet. */
export async function benchBreaker(): Promise<void> {
  await benchInProcess()
  await benchFleets()
  if (process.argv.includes('--soak')) await soak()
}

type Contender = { name: string; call: () => Promise<unknown> }

async function benchInProcess(): Promise<void> {
  title('breaker: what a call costs in one process (medians of rounds in turn, ns)')
  const work = async () => 1
  const down = async () => Promise.reject(new Error('down'))
  const shared = new CircuitBreaker({ name: 'bench', store: new VirtualStore(new VirtualTime()) })
  const ours = new CircuitBreaker({ name: 'bench' })
  const theirs = new Opossum(work, { timeout: false })
  const cockatiel = circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) })
  const closed = await timed(CALLS_PER_ROUND, [
    { name: 'a bare await', call: work },
    { name: OURS, call: () => ours.execute(work) },
    { name: 'opossum', call: () => theirs.fire() },
    { name: 'cockatiel', call: () => cockatiel.execute(work) },
  ])
  const bare = closed['a bare await'] ?? 0
  const [own = 0, opossum = 0] = [closed[OURS], closed['opossum']]
  for (const [name, ns] of Object.entries(closed)) figure(`closed, ${name}`, ns.toFixed(0))
  figure('closed, ours over a bare await', `${(own - bare).toFixed(0)} ns`, {
    text: 'under 1000 ns',
    met: own - bare < 1000,
  })
  figure('closed, ours against opossum', (own / opossum).toFixed(2), { text: 'at most 1', met: own <= opossum })

  const openOpossum = new Opossum(down, { timeout: false, resetTimeout: 600_000, volumeThreshold: 1 })
  const openOurs = new CircuitBreaker({ name: 'bench', settings: { recoveryMs: 600_000 } })
  const openCockatiel = circuitBreaker(handleAll, { halfOpenAfter: 600_000, breaker: new ConsecutiveBreaker(5) })
  for (let i = 0; i < 5; i++)
    for (const fail of [() => openOpossum.fire(), () => openOurs.execute(down), () => openCockatiel.execute(down)])
      await fail().catch(() => undefined)
  const rejected = await timed(REJECTIONS_PER_ROUND, [
    { name: OURS, call: () => openOurs.execute(work).catch(() => undefined) },
    { name: 'opossum', call: () => openOpossum.fire().catch(() => undefined) },
    { name: 'cockatiel', call: () => openCockatiel.execute(work).catch(() => undefined) },
  ])
  for (const [name, ns] of Object.entries(rejected)) figure(`rejected, ${name}`, ns.toFixed(0))
  const ratio = (rejected[OURS] ?? 0) / (rejected['cockatiel'] ?? 1)
  figure('rejected, ours against cockatiel', ratio.toFixed(2), { text: 'at most 0.5', met: ratio <= 0.5 })
  if (shared.state !== 'closed') throw new Error('a breaker that was never used is not closed')
}

/** Nanoseconds per call, each contender in turn within every round. */
async function timed(calls: number, contenders: readonly Contender[]): Promise<Record<string, number>> {
  const rounds = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, call } of contenders) {
      const startedAtMs = performance.now()
      for (let i = 0; i < calls; i++) await call()
      // The first rounds are the compiler's.
      if (round >= 3) rounds.get(name)?.push(((performance.now() - startedAtMs) * 1e6) / calls)
    }
  return Object.fromEntries([...rounds].map(([name, values]) => [name, median(values)]))
}

/** Instances, calls per second of each, and how many of Powertools' calls to a dead provider ours may make. */
const FLEETS = [
  [50, 1, 0.25],
  [100, 0.1, 0.25],
  [20, 10, 0.6],
] as const

async function benchFleets(): Promise<void> {
  for (const [instances, callsPerSecond, most] of FLEETS) {
    title(`breaker: ${instances} instances, ${callsPerSecond} calls/s each, provider down for 60 s (virtual time)`)
    const results: Record<string, FleetFigures> = {}
    for (const model of Object.keys(MODELS)) {
      const figures = await simulate(model, instances, callsPerSecond)
      results[model] = figures
      const { reachedWhileDown, readsPer1000Healthy, writesPer1000Healthy, writesInOutage, propagationMs } = figures
      const healthy = `${readsPer1000Healthy.toFixed(0)} reads, ${writesPer1000Healthy.toFixed(0)} writes per 1,000 healthy calls`
      figure(
        model,
        `${reachedWhileDown} calls reached it; ${healthy}; ${writesInOutage} writes in the outage; known everywhere after ${(propagationMs / 1000).toFixed(1)} s`,
      )
    }
    const [ours, powertools] = [results[OURS], results['Powertools for AWS Lambda']]
    if (ours === undefined || powertools === undefined) throw new Error('a model is missing')
    const share = ours.reachedWhileDown / powertools.reachedWhileDown
    const target = { text: `at most ${most}`, met: share <= most }
    figure("calls to the dead provider, ours against Powertools'", share.toFixed(2), target)
    figure('writes of ours per 1,000 healthy calls', String(ours.writesPer1000Healthy), {
      text: 'none',
      met: ours.writesPer1000Healthy === 0,
    })
    if (callsPerSecond === 10)
      figure('reads of ours per 1,000 healthy calls', ours.readsPer1000Healthy.toFixed(1), {
        text: 'at most 50',
        met: ours.readsPer1000Healthy <= 50,
      })
    const written = { text: 'at most 20', met: ours.writesInOutage <= 20 }
    figure('writes of ours in the outage', String(ours.writesInOutage), written)
  }
}

async function soak(): Promise<void> {
  const firstSeed = Math.floor(Math.random() * 2 ** 31)
  title(`breaker: ${SOAK_LIVES} seeded lives of a fleet, seeds from ${firstSeed}`)
  const faulty: string[] = []
  let lively = 0
  for (let seed = firstSeed; seed < firstSeed + SOAK_LIVES; seed++) {
    const { faults, opened, closed } = await liveThrough(seed)
    if (faults.length > 0) faulty.push(`BREAKER_SEED=${seed}: ${faults.join('; ')}`)
    if (opened > 0 && closed > 0) lively++
    if ((seed - firstSeed + 1) % 10_000 === 0)
      process.stdout.write(`  ${seed - firstSeed + 1} lives, ${faulty.length} with faults\n`)
  }
  figure('lives with transitions', `${((100 * lively) / SOAK_LIVES).toFixed(0)} %`)
  figure('lives in which something must not have been', String(faulty.length), {
    text: 'none',
    met: faulty.length === 0,
  })
  for (const one of faulty.slice(0, 10)) process.stdout.write(`  ${one}\n`)
}
