import { Worker } from 'node:worker_threads'

import { entryPoint } from '../../functions/functions.ts'
import { buildDist, DIST } from '../../infra/build/build.ts'
import { STARTING_MS } from '../../shared/operations/health/check.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import { startTestCloud } from '../e2e/cloud.ts'
import { startBenchCloud } from './bench-cloud.ts'
import { startEdgeProcess } from '../shared/http/edge-process.ts'
import { figure, quantile, title } from './report.ts'

const REQUESTS = 200
const AT_ONCE = 5
/** Past the start of the instance; longer than what was found stands: every request has to look, or waits for one that does. */
const PAUSE_MS = { first: STARTING_MS + 1_000, between: 2_100 }
const LIMIT_MS = 900
const DEAD = [...PROVIDER_NAMES, 'gcs', 'firestore', 'tasks'] as const

/** How long ops-health takes to say that everything is dead: half of it refused, half of it swallowed in silence. */
export async function benchHealth(): Promise<void> {
  title(`health: ${REQUESTS} requests while everything is dead`)
  const cloud = await startBenchCloud()
  try {
    const url = `${cloud.functionsBaseUrl}/ops-health`
    const headers = { Authorization: `Bearer ${await cloud.identity.userToken('root', 'admin')}` }
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

const STARTS = 100
const STARTS_AT_ONCE = 8
/** With those that start, thirty that want a processor. */
const BUSY_THREADS = 22

/** What freshly started instances of ops-health say on a machine with far too much to do, while all is well. */
export async function benchHealthStart(): Promise<void> {
  title(`health-start: ${STARTS} cold starts of ops-health at a load of ${STARTS_AT_ONCE + BUSY_THREADS}`)
  await buildDist('us-central1')
  const cloud = await startTestCloud({ source: DIST })
  const busy = Array.from({ length: BUSY_THREADS }, () => new Worker('for (;;) {}', { eval: true }))
  try {
    const said: Record<string, number> = {}
    const tookMs: number[] = []
    const startAndAsk = async () => {
      const environment = cloud.environment
      const instance = await startEdgeProcess({ source: DIST, target: entryPoint('ops-health').path, environment })
      try {
        const startedAtMs = performance.now()
        const answer = await fetch(instance.origin)
        const { status } = (await answer.json()) as { status: string }
        tookMs.push(performance.now() - startedAtMs)
        said[status] = (said[status] ?? 0) + 1
      } finally {
        await instance.stop()
      }
    }
    const startMany = async () => {
      for (let start = 0; start < STARTS / STARTS_AT_ONCE; start++) await startAndAsk()
    }
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startMany))
    const total = Object.entries(said).map(([status, times]) => `${times} ${status}`)
    figure('said', total.join(', '), { text: 'no fail', met: (said['fail'] ?? 0) === 0 })
    figure('p50, slowest', [0.5, 1].map((q) => `${quantile(tookMs, q).toFixed(0)} ms`).join(', '))
  } finally {
    await Promise.all(busy.map((thread) => thread.terminate()))
    await cloud.stop()
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
