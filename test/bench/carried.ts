import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { entryPoint } from '../../functions/functions.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf } from '../e2e/cloud.ts'
import { startBenchCloud } from './bench-cloud.ts'
import type { Carried, CarrierReport } from './carrier.ts'
import { figure, title } from './report.ts'

const CARRIER = fileURLToPath(new URL('./carrier.ts', import.meta.url))
const MIB = 1024 * 1024
const PEOPLE = Number(process.env['UPLOAD_PEOPLE'] ?? 20)
const LARGE_BYTES = 300_000_000
/** The largest that the function takes. */
const TAKEN_BYTES = 30 * MIB
/** Of one process, in whatever it is that 20 people send at once. */
const GROWTH_MIB_MAX = 96
const UPLOAD = 'episodes-upload'
const TYPE = 'audio/mpeg'
const LOOK_EVERY_MS = 20

/** 20 people's uploads through the local cloud: those that are refused, the largest that are taken, and by links. */
export async function benchCarried(): Promise<void> {
  const cloud = await startBenchCloud({ environment: { DEFAULT_PLAN: 'unlimited' } })
  const carrier = fork(CARRIER)
  try {
    await measure(cloud, carrier, {
      what: `${PEOPLE} people send 300 MB each through the gateway, which the function refuses`,
      ends: 413,
      make: (token, id) => toFunction(cloud, token, id, LARGE_BYTES),
    })
    await measure(cloud, carrier, {
      what: `${PEOPLE} people send 30 MiB each through the gateway, as much as is taken`,
      ends: 200,
      make: (token, id) => toFunction(cloud, token, id, TAKEN_BYTES),
    })
    await measure(cloud, carrier, {
      what: `${PEOPLE} people send 300 MB each to the local storage by their links`,
      ends: 200,
      make: (token, id) => toStorage(cloud, token, id),
    })
  } finally {
    carrier.kill()
    await cloud.stop()
  }
}

type Way = {
  readonly what: string
  readonly ends: number
  readonly make: (token: string, episodeId: string) => Promise<Omit<Carried, 'announced'>>
}

async function measure(cloud: LocalCloud, carrier: ChildProcess, { what, ends, make }: Way): Promise<void> {
  title(what)
  const prepare = async (person: string, announced: boolean): Promise<Carried> => {
    const { id } = await (await clientOf(cloud, person)).create({ title: 'carried' })
    return { ...(await make(await cloud.identity.userToken(person), id)), announced }
  }
  const people = Array.from({ length: PEOPLE }, (_, index) => `person-${index}`)
  const all = await Promise.all(people.map((person, index) => prepare(person, index % 2 === 0 || ends === 200)))
  // What a process takes for its first request is none of it.
  await sendAll(carrier, [{ ...(await prepare('nobody', true)) }])
  const before = residentOf(carrier)
  const peaks = new Map(before)
  const watch = setInterval(() => {
    for (const [name, bytes] of residentOf(carrier)) peaks.set(name, Math.max(peaks.get(name) ?? 0, bytes))
  }, LOOK_EVERY_MS)
  const startedAtMs = performance.now()
  const { statuses, sentBytes } = await sendAll(carrier, all).finally(() => clearInterval(watch))
  const seconds = (performance.now() - startedAtMs) / 1000
  const met = statuses.filter((status) => status === ends).length
  figure(`answered ${ends}`, `${met} of ${PEOPLE}`, { text: 'all', met: met === PEOPLE })
  figure('  sent in all', `${(sentBytes / 1e9).toFixed(1)} GB in ${seconds.toFixed(0)} s`)
  for (const [name, peakBytes] of peaks) {
    const beforeBytes = before.get(name) ?? 0
    const grownMiB = (peakBytes - beforeBytes) / MIB
    figure(`memory of ${name}`, `${grownMiB.toFixed(0)} MiB over ${(beforeBytes / MIB).toFixed(0)} MiB`, {
      text: `< ${GROWTH_MIB_MAX}`,
      met: grownMiB < GROWTH_MIB_MAX,
    })
  }
}

function sendAll(carrier: ChildProcess, all: readonly Carried[]): Promise<CarrierReport> {
  return new Promise((resolve, reject) => {
    carrier.once('message', (report) => resolve(report as CarrierReport))
    carrier.once('exit', () => reject(new Error('who carries has ended')))
    carrier.send(all)
  })
}

async function toFunction(cloud: LocalCloud, token: string, episodeId: string, bytes: number) {
  const url = `${cloud.functionsBaseUrl}/${UPLOAD}?episodeId=${episodeId}`
  return { url, method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': TYPE }, bytes }
}

async function toStorage(cloud: LocalCloud, token: string, episodeId: string) {
  const asked = await fetch(`${cloud.functionsBaseUrl}/episodes-upload-url`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ episodeId, contentType: TYPE, sizeBytes: LARGE_BYTES }),
  })
  const link = (await asked.json()) as { url: string; method: string; headers: Record<string, string> }
  return { ...link, bytes: LARGE_BYTES }
}

/** Resident memory in bytes of this process, which is gateway and storage, and of each function's. */
function residentOf(carrier: ChildProcess): Map<string, number> {
  const found = new Map([['gateway and local storage', residentBytes(process.pid) ?? 0]])
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === carrier.pid) continue
    const name = functionOf(pid)
    const bytes = name === undefined ? undefined : residentBytes(Number(pid))
    if (name !== undefined && bytes !== undefined) found.set(name, (found.get(name) ?? 0) + bytes)
  }
  return found
}

/** The function that a child of this process serves, if it is one that people's bytes go through. */
function functionOf(pid: string): string | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/status`, 'utf8').includes(`PPid:\t${process.pid}\n`)) return undefined
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
    return environment.includes(`FUNCTION_TARGET=${entryPoint(UPLOAD).path}`) ? UPLOAD : undefined
  } catch {
    return undefined
  }
}

function residentBytes(pid: number): number | undefined {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  } catch {
    return undefined
  }
}
