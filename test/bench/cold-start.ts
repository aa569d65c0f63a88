import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
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
const ROUNDS = 11
const ASK_EVERY_MS = 2
const TIMEOUT_MS = 20_000

type Start = { source: string; target: string; path: string; environment: Record<string, string>; token?: string }

/** Spawn to the first 200, of compiled functions and of a bare hello world, turn by turn. */
export async function benchColdStart(): Promise<void> {
  title(`Cold start: spawn to the first 200 (${ROUNDS} rounds)`)
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
  try {
    const client = await clientOf(cloud, 'alice')
    const { id } = await client.create({ title: 'cold' })
    const ours = (name: FunctionName, path = '/', token?: string): Start => ({
      source: DIST,
      target: entryPoint(name).path,
      path,
      environment: cloud.environment,
      ...(token !== undefined && { token }),
    })
    const starts: Record<string, Start> = {
      bare: { source: hello, target: 'hello', path: '/', environment: {} },
      'ops-live': ours('ops-live'),
      'episodes-get': ours('episodes-get', `/?episodeId=${id}`, await cloud.identity.userToken('alice')),
    }
    const times = new Map(Object.keys(starts).map((name) => [name, [] as number[]]))
    for (let round = 0; round <= ROUNDS; round++)
      for (const [name, start] of Object.entries(starts)) {
        const ms = await coldStartMs(start)
        if (round > 0) times.get(name)?.push(ms)
      }
    const bareMs = times.get('bare') ?? []
    figure('bare functions-framework hello world', `${median(bareMs).toFixed(0)} ms`)
    for (const [name, limit] of [
      ['ops-live', 1.3],
      ['episodes-get', 4],
    ] as const) {
      const ms = times.get(name) ?? []
      const ratio = median(ms.map((one, round) => one / (bareMs[round] ?? Number.NaN)))
      figure(name, `${median(ms).toFixed(0)} ms, ${ratio.toFixed(2)}x`, { text: `<= ${limit}x`, met: ratio <= limit })
    }
  } finally {
    await cloud.stop()
    await rm(hello, { recursive: true })
  }
}

async function coldStartMs({ source, target, path, environment, token }: Start): Promise<number> {
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
      if (status === 200) return performance.now() - sinceMs
      if (status !== undefined) throw new Error(`${target} answered ${status}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    }
    throw new Error(`${target} did not answer`)
  } finally {
    child.kill('SIGKILL')
    await exited
  }
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
