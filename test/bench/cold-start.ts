import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { entryPoint } from '../../functions/functions.ts'
import type { FunctionName } from '../../functions/functions.ts'
import { buildDist, DIST } from '../../infra/build/build.ts'
import { startLocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf } from '../e2e/cloud.ts'
import { FRAMEWORK, freePort } from '../shared/http/edge-process.ts'
import { figure, median, title } from './report.ts'

/** What Google's own quick start deploys: one file of plain JavaScript. */
const HELLO_WORLD = 'exports.hello = (request, response) => response.send("Hello, World!")\n'
const RUNS = 5
const ROUNDS = 11
/** At most this many times the bare hello world, in either time. */
const LIMITS: Partial<Record<FunctionName, number>> = { 'ops-live': 1.3, 'episodes-get': 3.1 }
const ASK_EVERY_MS = 2
const TIMEOUT_MS = 20_000

type Start = { source: string; target: string; path: string; environment: Record<string, string>; token?: string }
/** What a start took: on the clock, and of the processors. */
type Took = { wallMs: number; processorMs: number }

/**
 * Spawn to the first 200, of compiled functions and of a bare hello world, turn by turn. Ratios are taken within a
 * round, the median of them is a run's figure, and the median of the runs is what counts.
 */
export async function benchColdStart(): Promise<void> {
  title(`Cold start: spawn to the first 200 (${RUNS} runs of ${ROUNDS} rounds)`)
  await buildDist('us-central1')
  const hello = await mkdtemp(join(tmpdir(), 'steadycast-bench-'))
  await writeFile(join(hello, 'index.js'), HELLO_WORLD)
  const cloud = await startLocalCloud({
    port: 0,
    source: DIST,
    latencyFactor: 0,
    schedules: 'off',
    onLine: () => undefined,
  })
  // What an earlier process has compiled is not there on a new machine.
  const { NODE_COMPILE_CACHE: _compiled, ...environment } = cloud.environment
  try {
    const client = await clientOf(cloud, 'alice')
    const { id } = await client.create({ title: 'cold' })
    const ours = (name: FunctionName, path = '/', token?: string): Start => ({
      source: DIST,
      target: entryPoint(name).path,
      path,
      environment,
      ...(token !== undefined && { token }),
    })
    const bare: Start = { source: hello, target: 'hello', path: '/', environment: {} }
    const starts: Partial<Record<FunctionName, Start>> = {
      'ops-live': ours('ops-live'),
      'episodes-get': ours('episodes-get', `/?episodeId=${id}`, await cloud.identity.userToken('alice')),
    }
    const runs: { bare: Took[]; ours: Record<string, Took[]> }[] = []
    for (let run = 0; run < RUNS; run++) {
      const times = { bare: [] as Took[], ours: {} as Record<string, Took[]> }
      for (let round = 0; round <= ROUNDS; round++) {
        // The first round warms the disk's cache.
        const counts = round > 0
        const took = await coldStart(bare)
        if (counts) times.bare.push(took)
        for (const [name, start] of Object.entries(starts)) {
          const other = await coldStart(start)
          if (counts) (times.ours[name] ??= []).push(other)
        }
      }
      runs.push(times)
    }
    for (const [what, unit] of [
      ['wall time', 'wallMs'],
      ['processor time', 'processorMs'],
    ] as const) {
      const all = (took: readonly Took[]) => median(took.map((one) => one[unit])).toFixed(0)
      figure(`bare functions-framework hello world, ${what}`, `${all(runs.flatMap((run) => run.bare))} ms`)
      for (const [name, limit] of Object.entries(LIMITS)) {
        const ratios = runs.map((run) =>
          median((run.ours[name] ?? []).map((one, round) => one[unit] / (run.bare[round]?.[unit] ?? Number.NaN))),
        )
        const ratio = median(ratios)
        figure(
          `${name}, ${what}`,
          `${all(runs.flatMap((run) => run.ours[name] ?? []))} ms, ${ratio.toFixed(2)}x of ${ratios.map((one) => one.toFixed(2)).join(' ')}`,
          { text: `<= ${limit}x`, met: ratio <= limit },
        )
      }
    }
  } finally {
    await cloud.stop()
    await rm(hello, { recursive: true })
  }
}

async function coldStart({ source, target, path, environment, token }: Start): Promise<Took> {
  const port = await freePort()
  const sinceMs = performance.now()
  const child = spawn(process.execPath, [FRAMEWORK], {
    cwd: source,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      ...environment,
      PORT: String(port),
      FUNCTION_TARGET: target,
      FUNCTION_SOURCE: source,
    },
    stdio: 'ignore',
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  try {
    while (performance.now() - sinceMs < TIMEOUT_MS) {
      const status = await ask(port, path, token)
      if (status === 200) return { wallMs: performance.now() - sinceMs, processorMs: await processorMsOf(child.pid) }
      if (status !== undefined) throw new Error(`${target} answered ${status}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    }
    throw new Error(`${target} did not answer`)
  } finally {
    child.kill('SIGKILL')
    await exited
  }
}

/** What every thread of a process has had of the processors so far. */
async function processorMsOf(pid: number | undefined): Promise<number> {
  const tasks = `/proc/${pid}/task`
  const read = async (thread: string) => readFile(`${tasks}/${thread}/schedstat`, 'utf8').catch(() => '0')
  const nanoseconds = await Promise.all(
    (await readdir(tasks)).map(async (thread) => Number.parseInt(await read(thread))),
  )
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
}

/** @returns undefined while nobody listens */
async function ask(port: number, path: string, token: string | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const asked = request({ port, host: '127.0.0.1', path, headers, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asked.once('error', () => resolve(undefined)).end()
  })
}
