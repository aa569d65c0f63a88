import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import { startTestCloud } from '../e2e/cloud.ts'
import { figure, quantile, title } from './report.ts'

const REQUESTS = 200
const AT_ONCE = 5
/** Longer than what was found stands, also when it was well: every request has to look, or waits for one that does. */
const PAUSE_MS = { first: 6_000, between: 2_100 }
const LIMIT_MS = 900
const DEAD = [...PROVIDER_NAMES, 'gcs', 'firestore', 'tasks'] as const

/** How long ops-health takes to say that everything is dead: half of it refused, half of it swallowed in silence. */
export async function benchHealth(): Promise<void> {
  title(`health: ${REQUESTS} requests while everything is dead`)
  const cloud = await startTestCloud()
  try {
    const url = `${cloud.functionsBaseUrl}/ops-health`
    const headers = { Authorization: `Bearer ${await cloud.identity.userToken('root', 'admin')}` }
    // Past the start of the instance.
    await fetch(url, { headers })
    const tookMs: number[] = []
    const statuses = new Set<number>()
    for (const mode of ['blackhole', 'down'] as const) {
      for (const target of DEAD) await cloud.faults.set(target, { mode })
      await pause(PAUSE_MS.first)
      const ask = async () => {
        const startedAtMs = performance.now()
        const answer = await fetch(url, { headers })
        await answer.arrayBuffer()
        tookMs.push(performance.now() - startedAtMs)
        statuses.add(answer.status)
      }
      for (let round = 0; round < REQUESTS / AT_ONCE / 2; round++) {
        await Promise.all(Array.from({ length: AT_ONCE }, ask))
        await pause(PAUSE_MS.between)
      }
    }
    const intime = tookMs.filter((ms) => ms < LIMIT_MS).length
    figure(`answered in under ${LIMIT_MS} ms`, `${intime} of ${tookMs.length}`, {
      text: 'all',
      met: intime === REQUESTS,
    })
    figure('p50, p99, slowest', [0.5, 0.99, 1].map((q) => `${quantile(tookMs, q).toFixed(0)} ms`).join(', '))
    figure('status', [...statuses].join(', '), { text: '503', met: statuses.size === 1 && statuses.has(503) })
  } finally {
    await cloud.stop()
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
