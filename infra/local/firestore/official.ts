import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { holdBack, tether } from '../../../shared/resilience/tether.ts'
import { endProcess } from '../functions/instances.ts'

const START_TIMEOUT_MS = 30_000
const MAIN_CLASS = 'com.google.cloud.datastore.emulator.firestore.CloudFirestore'

export type OfficialFirestore = { address: string; stop: () => Promise<void> }

/** Google's emulator of the gcloud CLI, when it and Java are here. @returns the jar, or why there is none */
export async function findOfficialFirestore(): Promise<{ jar: string } | { missing: string }> {
  const root = await output('gcloud', ['info', '--format=value(installation.sdk_root)'])
  if (root === undefined) return { missing: 'the gcloud CLI is not installed' }
  const jar = join(root.trim(), 'platform/cloud-firestore-emulator/cloud-firestore-emulator.jar')
  if (!existsSync(jar)) return { missing: 'the gcloud component cloud-firestore-emulator is not installed' }
  if ((await output('java', ['-version'])) === undefined) return { missing: 'Java is not installed' }
  return { jar }
}

/** Starts it on a free loopback port; it keeps everything in its heap. @throws Error with the reason when it cannot run here */
export async function startOfficialFirestore({ heapMiB = 512 } = {}): Promise<OfficialFirestore> {
  const found = await findOfficialFirestore()
  if ('missing' in found) throw new Error(`Google's Firestore emulator cannot run here: ${found.missing}`)
  const port = await freePort()
  const jvm = ['-Duser.language=en', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Xmx${heapMiB}m`]
  const args = [...jvm, '-cp', found.jar, MAIN_CLASS, '--host=127.0.0.1', `--port=${port}`]
  const child = tether(() => spawn(...holdBack('java', args), { stdio: ['pipe', 'ignore', 'ignore'] }))
  await answering(`http://127.0.0.1:${port}/`, child)
  return { address: `127.0.0.1:${port}`, stop: () => endProcess(child, 3000) }
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  const startedAtMs = Date.now()
  while (Date.now() - startedAtMs < START_TIMEOUT_MS) {
    if (child.exitCode !== null) throw new Error(`the Firestore emulator ended (${child.exitCode})`)
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGKILL')
  throw new Error('the Firestore emulator did not answer in time')
}

function output(program: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 20_000 }, (error, stdout) => resolve(error === null ? stdout : undefined))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
