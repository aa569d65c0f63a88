import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import autocannon from 'autocannon'

import { startEdgeProcess } from '../shared/http/edge-process.ts'
import type { EdgeProcess } from '../shared/http/edge-process.ts'
import { figure, median, title } from './report.ts'

const BARE = fileURLToPath(new URL('./bare.ts', import.meta.url))
const ROUNDS = 5
const SECONDS = 4
const CONNECTIONS = 20

type Load = { row: 'noop' | 'echo'; options: Partial<autocannon.Options> }
const LOADS: readonly Load[] = [
  { row: 'noop', options: { method: 'GET', headers: { 'x-row': 'noop' } } },
  {
    row: 'echo',
    options: {
      method: 'POST',
      headers: { 'x-row': 'echo', 'content-type': 'application/json', authorization: 'Bearer a.alice.c' },
      body: JSON.stringify({ title: 'An episode', language: 'en', options: { intro: { text: 'Welcome.' } } }),
    },
  },
]

type Run = { perSecond: number; p99Ms: number; cpuUs: number }

/** The same handlers on bare functions-framework and behind the whole edge, turn by turn. */
export async function benchThroughput(): Promise<void> {
  for (const load of LOADS) {
    title(`Throughput and p99, ${load.options.method} (${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s)`)
    const servers = {
      bare: await startEdgeProcess({ source: BARE, target: load.row, output: 'forgotten' }),
      silent: await startEdgeProcess({ environment: { REQUEST_LOG: 'problems' }, output: 'forgotten' }),
      logging: await startEdgeProcess({ output: 'forgotten' }),
    }
    const runs: Record<keyof typeof servers, Run[]> = { bare: [], silent: [], logging: [] }
    for (let round = 0; round <= ROUNDS; round++)
      for (const name of ['bare', 'silent', 'logging'] as const) {
        const run = await measure(servers[name], load)
        // The first round warms up.
        if (round > 0) runs[name].push(run)
      }
    for (const server of Object.values(servers)) await server.stop()
    report(runs)
  }
}

function report(runs: Record<'bare' | 'silent' | 'logging', Run[]>): void {
  const of = (name: keyof typeof runs, key: keyof Run) => median(runs[name].map((run) => run[key]))
  const ratio = (name: 'silent' | 'logging', key: keyof Run) =>
    median(runs[name].map((run, round) => run[key] / (runs.bare[round]?.[key] ?? Number.NaN)))
  figure(
    'bare functions-framework',
    `${of('bare', 'perSecond').toFixed(0)} requests/s, p99 ${of('bare', 'p99Ms').toFixed(1)} ms`,
  )
  const quiet = ratio('silent', 'perSecond')
  const loud = ratio('logging', 'perSecond')
  figure('throughput behind the edge, without the log line', quiet.toFixed(2), { text: '>= 0.85', met: quiet >= 0.85 })
  figure('throughput behind the edge, with the log line', loud.toFixed(2), { text: '>= 0.75', met: loud >= 0.75 })
  for (const name of ['silent', 'logging'] as const) {
    const p99 = ratio(name, 'p99Ms')
    figure(`p99 behind the edge, ${name}`, p99.toFixed(2), { text: '<= 1.5', met: p99 <= 1.5 })
  }
  figure(
    'processor time per request, bare / edge / edge with log',
    `${['bare', 'silent', 'logging'].map((name) => of(name as keyof typeof runs, 'cpuUs').toFixed(0)).join(' / ')} us`,
  )
}

async function measure(server: EdgeProcess, { options }: Load): Promise<Run> {
  const before = cpuUs(server)
  const result = await autocannon({ url: server.origin, connections: CONNECTIONS, duration: SECONDS, ...options })
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} bad answers, ${result.errors} errors`)
  return {
    perSecond: result.requests.total / result.duration,
    p99Ms: result.latency.p99,
    cpuUs: (cpuUs(server) - before) / result.requests.total,
  }
}

/** Processor time of a process so far, in us; the kernel counts in hundredths of a second. */
function cpuUs({ child }: EdgeProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
