import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { CRC32C } from '@google-cloud/storage'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { localServiceAccounts } from '../../infra/local/identity.ts'
import { Journal } from '../../infra/local/journal.ts'
import { Crc32c } from '../../infra/local/storage/crc32c.ts'
import { FileStore } from '../../infra/local/storage/files.ts'
import { Sessions } from '../../infra/local/storage/resumable.ts'
import { storageService } from '../../infra/local/storage/service.ts'
import { bytesOf, startStorage } from './storage-fixture.ts'
import type { TestStorage } from './storage-fixture.ts'

const WEEK_MS = 7 * 24 * 3_600_000
const MIB = 1024 * 1024

let storage: TestStorage
beforeEach(async () => {
  storage = await startStorage()
})
afterEach(async () => {
  vi.useRealTimers()
  await storage.stop()
})

const send = (session: string, range: string, body?: Buffer) =>
  fetch(session, { method: 'PUT', headers: { 'Content-Range': range }, ...(body && { body: bytesOf(body) }) })

test('a CRC-32C in parts is what Google makes of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (first, second) => {
      const ours = new Crc32c()
      ours.update(first)
      ours.update(second)
      const theirs = new CRC32C()
      theirs.update(Buffer.concat([first, second]))
      expect(ours.digest()).toBe(theirs.toString())
    }),
  )
})

describe('the files of objects', () => {
  test('are one for each, and go with what they are of: removed, replaced, or without their bucket', async () => {
    for (const name of ['a', 'b', 'c']) expect((await storage.upload(name, name)).status).toBe(200)
    expect(storage.fileCount()).toBe(3)
    await storage.upload('a', 'again')
    expect(storage.fileCount()).toBe(3)
    await fetch(storage.objectUrl('b'), { method: 'DELETE' })
    expect(storage.fileCount()).toBe(2)
    expect((await storage.download('a')).toString()).toBe('again')
    await fetch(`${storage.origin}/storage/v1/b/shelf`, { method: 'DELETE' })
    expect(storage.fileCount()).toBe(0)
  })

  test('are copied so that a copy outlives what it was copied from', async () => {
    await storage.upload('from', 'text')
    await fetch(`${storage.objectUrl('from')}/rewriteTo/b/shelf/o/to`, { method: 'POST' })
    await fetch(storage.objectUrl('from'), { method: 'DELETE' })
    expect((await storage.download('to')).toString()).toBe('text')
  })

  test('are read to their end by whoever began, even when the object is removed or replaced meanwhile', async () => {
    const bytes = randomBytes(8 * MIB)
    await storage.upload('big', bytes)
    const begun = await Promise.all([0, 1].map(() => fetch(`${storage.objectUrl('big')}?alt=media`)))
    await storage.upload('big', 'another')
    await fetch(storage.objectUrl('big'), { method: 'DELETE' })
    for (const response of begun) expect(bytes.equals(Buffer.from(await response.arrayBuffer()))).toBe(true)
    expect(storage.fileCount()).toBe(0)
  })

  test('are left by nothing that did not become an object', async () => {
    const once = `${storage.uploads}?uploadType=media&name=once&ifGenerationMatch=0`
    const post = (url: string, headers = {}) => fetch(url, { method: 'POST', body: 'x', headers })
    expect((await post(once)).status).toBe(200)
    expect((await post(once)).status).toBe(412)
    expect((await post(`${storage.uploads}?uploadType=media&name=`)).status).toBe(400)
    expect((await post(storage.uploads.replace('shelf', 'none'))).status).toBe(404)
    const multipart = { 'Content-Type': 'multipart/related; boundary=b' }
    expect((await post(`${storage.uploads}?uploadType=multipart&name=m`, multipart)).status).toBe(400)
    expect(storage.fileCount()).toBe(1)
  })

  test('are left by no client that goes in the middle', async () => {
    const port = Number(new URL(storage.origin).port)
    const socket = connect(port, '127.0.0.1')
    const head = `POST /upload/storage/v1/b/shelf/o?uploadType=media&name=torn HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n`
    socket.write(head)
    socket.write(randomBytes(MIB))
    await expect.poll(storage.fileCount).toBe(1)
    socket.destroy()
    await expect.poll(storage.fileCount).toBe(0)
    await expect(storage.download('torn')).rejects.toThrow('404')
  })

  test('are in a folder of their own, which goes when the service stops', async () => {
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`steadycast-${process.pid}-objects-`))
    const before = new Set(folders())
    const { publicKey } = localServiceAccounts('p')
    const service = await storageService({
      faults: new Faults(),
      journal: new Journal(),
      signingKey: publicKey,
      bucket: 'b',
    }).start()
    const made = folders().find((name) => !before.has(name)) ?? ''
    await fetch(`${service.origin}/upload/storage/v1/b/b/o?uploadType=media&name=x`, { method: 'POST', body: 'x' })
    expect(readdirSync(join(tmpdir(), made))).toHaveLength(1)
    await service.stop()
    expect(existsSync(join(tmpdir(), made))).toBe(false)
  })
})

describe('faults of a service whose bodies stream', () => {
  test('slow: what was sent arrives even when the client does not wait for it', async () => {
    await storage.faults.set('gcs', { mode: 'slow', latencyMs: 1500, times: 1 })
    const client = new AbortController()
    const url = `${storage.uploads}?uploadType=media&name=late`
    const sent = fetch(url, { method: 'POST', body: bytesOf(randomBytes(2 * MIB)), signal: client.signal })
    await expect.poll(storage.bytesInFiles, { timeout: 60_000 }).toBe(2 * MIB)
    client.abort()
    await sent.catch(() => 'gone')
    await expect.poll(async () => (await fetch(storage.objectUrl('late'))).status, { timeout: 60_000 }).toBe(200)
  })

  test('truncate: half of what was announced, and no more', async () => {
    await storage.upload('whole', randomBytes(MIB))
    await storage.faults.set('gcs', { mode: 'truncate', times: 1 })
    await expect(storage.download('whole')).rejects.toThrow('terminated')
    expect(await storage.download('whole')).toHaveLength(MIB)
  })

  test('malformed: not what is stored', async () => {
    await storage.upload('text', 'text')
    await storage.faults.set('gcs', { mode: 'malformed', times: 1 })
    const response = await fetch(`${storage.objectUrl('text')}?alt=media`)
    expect(await response.text().catch(() => 'broken off')).not.toBe('text')
    expect((await storage.download('text')).toString()).toBe('text')
  })
})

describe('sessions of resumable uploads', () => {
  const chunk = randomBytes(MIB)

  test('keep what was received in one file, which becomes the object', async () => {
    const session = await storage.startSession('song')
    await send(session, `bytes 0-${MIB - 1}/*`, chunk)
    expect(storage.fileCount()).toBe(1)
    await send(session, `bytes ${MIB}-${MIB + 2}/${MIB + 3}`, Buffer.from('end'))
    expect(storage.fileCount()).toBe(1)
    expect((await storage.download('song')).subarray(MIB).toString()).toBe('end')
  })

  test('are forgotten when they are cancelled, with what they have received', async () => {
    const session = await storage.startSession('song')
    await send(session, `bytes 0-${MIB - 1}/*`, chunk)
    expect((await fetch(session, { method: 'DELETE' })).status).toBe(499)
    expect((await send(session, 'bytes */*')).status).toBe(404)
    await expect.poll(storage.fileCount).toBe(0)
  })

  test('are forgotten after a week, with what they have received', async () => {
    const session = await storage.startSession('song')
    await send(session, `bytes 0-${MIB - 1}/*`, chunk)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + WEEK_MS - 1000 })
    await storage.startSession('another')
    expect((await send(session, 'bytes */*')).status).toBe(308)
    vi.setSystemTime(Date.now() + 2000)
    await storage.startSession('a third')
    await expect.poll(storage.fileCount).toBe(0)
    expect((await send(session, 'bytes */*')).status).toBe(404)
  })

  test('are so many at most: the oldest make room', () => {
    const folder = mkdtempSync(join(tmpdir(), 'storage-test-'))
    const sessions = new Sessions(new FileStore(folder))
    const target = {
      bucket: 'b',
      name: 'n',
      settings: {},
      conditions: {},
      lengthRange: undefined,
      totalBytes: undefined,
    }
    const ids = Array.from({ length: 10_001 }, () => sessions.start(target))
    expect(ids.map((id) => sessions.get(id) !== undefined)).toEqual(ids.map((_, index) => index > 0))
    rmSync(folder, { recursive: true })
  })

  test('go on where a broken connection has left them, at a multiple of 256 KiB', async () => {
    const session = new URL(await storage.startSession('broken'))
    const socket = connect(Number(session.port), '127.0.0.1')
    const head = `PUT ${session.pathname}${session.search} HTTP/1.1\r\nHost: a\r\nContent-Range: bytes 0-${MIB - 1}/${MIB}\r\nContent-Length: ${MIB}\r\n\r\n`
    socket.write(head)
    socket.write(chunk.subarray(0, 600_000))
    const received = async () => (await send(session.href, `bytes */${MIB}`)).headers.get('range')
    await expect.poll(received).toBe('bytes=0-524287')
    socket.destroy()
    const rest = await send(session.href, `bytes 524288-${MIB - 1}/${MIB}`, chunk.subarray(524_288))
    expect(rest.status).toBe(200)
    expect(chunk.equals(await storage.download('broken'))).toBe(true)
  })

  test('are taken over by who sends again while the request before hangs', async () => {
    const session = new URL(await storage.startSession('hanging'))
    const socket = connect(Number(session.port), '127.0.0.1')
    const head = `PUT ${session.pathname}${session.search} HTTP/1.1\r\nHost: a\r\nContent-Range: bytes 0-${MIB - 1}/${MIB}\r\nContent-Length: ${MIB}\r\n\r\n`
    socket.write(head)
    socket.write(randomBytes(262_144))
    const received = async () => (await send(session.href, `bytes */${MIB}`)).headers.get('range')
    await expect.poll(received).toBe('bytes=0-262143')
    const again = await send(session.href, `bytes 262144-${MIB - 1}/${MIB}`, chunk.subarray(262_144))
    socket.write(randomBytes(MIB - 262_144))
    expect(again.status).toBe(200)
    expect(chunk.subarray(262_144).equals((await storage.download('hanging')).subarray(262_144))).toBe(true)
    socket.destroy()
  })
})
