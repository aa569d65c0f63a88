import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { Firestore } from '@google-cloud/firestore'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, paidRequests, processed, settled, SPEECH, startTestCloud, uploaded } from '../e2e/cloud.ts'

const closers: (() => Promise<void> | void)[] = []
let keep = ''
beforeEach(() => {
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  keep = mkdtempSync(join(tmpdir(), 'keep-test-'))
  closers.push(() => rmSync(keep, { recursive: true, force: true }))
})
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(): Promise<LocalCloud> {
  const cloud = await startTestCloud({ keep })
  closers.push(cloud.stop)
  return cloud
}

describe('a local cloud that keeps what it stores, stopped and started again', () => {
  test('has an episode that was ready, with its downloads and the links to them', async () => {
    const first = await start()
    const { id } = await processed(await clientOf(first, 'alice'), 'Kept')
    const before = await settled(await clientOf(first, 'alice'), id)
    expect(before.status).toBe('ready')
    const bytesOf = async (url = '') => {
      const response = await fetch(url)
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()).toString('base64') }
    }
    const audio = await bytesOf(before.outputs?.audioUrl)
    await first.stop()

    const second = await start()
    const after = await (await clientOf(second, 'alice')).get(id)
    expect({ ...after, outputs: after.outputs?.notes }).toEqual({ ...before, outputs: before.outputs?.notes })
    for (const outputs of [before.outputs, after.outputs]) {
      expect((await bytesOf(outputs?.audioUrl)).bytes).toBe(audio.bytes)
      for (const url of [outputs?.transcriptUrl, outputs?.vttUrl, outputs?.srtUrl])
        expect((await bytesOf(url)).status).toBe(200)
    }
  })

  test('carries out what was queued', async () => {
    const first = await start()
    for (const queue of first.dispatcher.queues.values()) queue.resource.state = 'PAUSED'
    const alice = await clientOf(first, 'alice')
    const { id } = await uploaded(alice, 'Queued')
    await alice.act('process', id)
    await first.stop()
    const second = await start()
    expect((await settled(await clientOf(second, 'alice'), id)).status).toBe('ready')
  })
})

describe('a local cloud that is stopped while a provider is at work', () => {
  test('goes on with the jobs that there are: none is made or charged a second time', async () => {
    const first = await start()
    // So slow that no job ends before the cloud is stopped.
    first.pace.factor = 1_000
    const alice = await clientOf(first, 'alice')
    const { id } = await uploaded(alice, 'Heard over a restart')
    await alice.act('process', id)
    await expect.poll(async () => (await alice.get(id)).steps.transcribe.state, { timeout: 60_000 }).toBe('waiting')
    expect(paidRequests(first, id)).toMatchObject({ assemblyai: 1, started: 0 })
    await first.stop()

    const second = await start()
    const { status, degraded, steps } = await settled(await clientOf(second, 'alice'), id)
    expect([status, degraded, steps.transcribe.provider]).toEqual(['ready', [], 'assemblyai'])
    expect(paidRequests(second, id)).toMatchObject({ assemblyai: 0, started: 1 })
  })
})

type Running = { child: ChildProcess; origin: string; firestore: string; storage: string }

async function startProcess(): Promise<Running> {
  const script = fileURLToPath(new URL('kept-cloud.ts', import.meta.url))
  const child = spawn(process.execPath, [script, keep], { stdio: ['ignore', 'pipe', 'inherit'] })
  closers.push(() => killProcess(child))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return { child, ...(JSON.parse(String((await lines.next()).value)) as Omit<Running, 'child'>) }
}

async function killProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('a local cloud that keeps what it stores, killed', () => {
  test('in the middle of writes has every one that was answered, and starts again', async () => {
    const documents = new Map<string, number>()
    const objects = new Map<string, string>()
    const sending = new Map<string, string>()
    for (let round = 1; round <= 3; round++) {
      const { child, firestore, storage } = await startProcess()
      const db = new Firestore({ projectId: 'demo-steadycast', host: firestore, ssl: false })
      const killed = once(child, 'exit').then(() => Promise.reject(new Error('killed')))
      const write = async (writer: number) => {
        for (let n = 0; ; n++) {
          const [id, name, text] = [`w${writer}-${n % 20}`, `w${writer}/${n % 20}`, 'x'.repeat((n * 997) % 50_000)]
          // The client goes on trying where nobody listens any more.
          await Promise.race([db.doc(`kept/${id}`).set({ value: round * 1e6 + n }), killed])
          documents.set(id, round * 1e6 + n)
          const url = `${storage}/upload/storage/v1/b/steadycast-local/o?uploadType=media&name=${encodeURIComponent(name)}`
          sending.set(name, text)
          const { ok } = await fetch(url, { method: 'POST', body: text })
          if (ok) objects.set(name, text)
        }
      }
      const writers = Array.from({ length: 6 }, (_, writer) => write(writer).catch(() => 'killed'))
      const reached = round * 1e6 + 30
      await expect
        .poll(() => Math.max(...documents.values()), { interval: 20, timeout: 60_000 })
        .toBeGreaterThan(reached)
      await killProcess(child)
      await Promise.all(writers)

      const again = await startProcess()
      const reader = new Firestore({ projectId: 'demo-steadycast', host: again.firestore, ssl: false })
      const found = await reader.collection('kept').get()
      const values = new Map(found.docs.map((snapshot) => [snapshot.id, snapshot.get('value') as number]))
      // What was being written when it was killed may be there, too.
      const lost = [...documents].filter(([id, value]) => (values.get(id) ?? 0) < value)
      expect(lost).toEqual([])
      await reader.terminate()
      for (const [name, text] of objects) {
        const url = `${again.storage}/storage/v1/b/steadycast-local/o/${encodeURIComponent(name)}?alt=media`
        const stored = await (await fetch(url)).text()
        expect([text, sending.get(name)].includes(stored), `${name}: ${stored.length} bytes`).toBe(true)
        // What this process was not told is true from now on.
        objects.set(name, stored)
      }
      await killProcess(again.child)
    }
  })

  test('with an episode at work finishes it when it is started again', async () => {
    const clientAt = async ({ origin }: Running) => {
      const { token } = (await (await fetch(`${origin}/__local/token?user=alice`)).json()) as { token: string }
      return new ApiClient(origin, token)
    }
    const first = await startProcess()
    const alice = await clientAt(first)
    const { id } = await alice.create({ title: 'Killed', options: { intro: { text: 'Welcome back after the kill.' } } })
    await alice.upload(id, SPEECH, 'audio/flac')
    await alice.act('process', id)
    await expect.poll(async () => (await alice.get(id)).progress, { timeout: 60_000 }).toBeGreaterThan(0)
    await killProcess(first.child)
    const second = await startProcess()
    const { status, degraded } = await settled(await clientAt(second), id)
    expect([status, degraded]).toEqual(['ready', []])
  })
})
