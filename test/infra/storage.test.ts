import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

import { Storage } from '@google-cloud/storage'
import type { Bucket, GetSignedUrlConfig } from '@google-cloud/storage'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import type { HttpService } from '../../infra/local/http-service.ts'
import { localServiceAccounts } from '../../infra/local/identity.ts'
import { Journal } from '../../infra/local/journal.ts'
import { storageService } from '../../infra/local/storage/service.ts'

const big = randomBytes(1_500_000)
let service: HttpService
let storage: Storage
let bucket: Bucket

beforeAll(async () => {
  const { json: jsonOf, publicKey } = localServiceAccounts('demo-storage')
  const json = jsonOf('steadycast')
  service = await storageService({
    faults: new Faults(),
    journal: new Journal(),
    signingKey: publicKey,
    bucket: 'shelf',
  }).start()
  const credentials = JSON.parse(json) as { client_email: string; private_key: string }
  storage = new Storage({
    projectId: 'demo-storage',
    apiEndpoint: service.origin,
    credentials,
    retryOptions: { autoRetry: false },
  })
  bucket = storage.bucket('shelf')
})
afterAll(() => service.stop())

async function signed(name: string, options: Omit<GetSignedUrlConfig, 'version' | 'expires'>): Promise<string> {
  const [url] = await bucket.file(name).getSignedUrl({ version: 'v4', expires: Date.now() + 600_000, ...options })
  return url
}

async function download(name: string): Promise<Buffer> {
  const [bytes] = await bucket.file(name).download()
  return bytes
}

describe('uploads', () => {
  test('simple, with type and metadata', async () => {
    await bucket.file('dir/a b.txt').save('hello world', {
      resumable: false,
      contentType: 'text/plain',
      metadata: { cacheControl: 'no-store', metadata: { k: 'v' } },
    })
    const [metadata] = await bucket.file('dir/a b.txt').getMetadata()
    expect(metadata).toMatchObject({
      size: '11',
      contentType: 'text/plain',
      cacheControl: 'no-store',
      metadata: { k: 'v' },
    })
    expect((await download('dir/a b.txt')).toString()).toBe('hello world')
  })

  test('resumable, in one go and in chunks', async () => {
    await bucket.file('big').save(big, { resumable: true })
    await pipeline([big], bucket.file('chunked').createWriteStream({ resumable: true, chunkSize: 512 * 1024 }))
    expect((await download('big')).equals(big)).toBe(true)
    expect((await download('chunked')).equals(big)).toBe(true)
  })

  test('resumable, from a browser that asks how far it got', async () => {
    const [session] = await bucket.file('browser').createResumableUpload({ metadata: { contentType: 'audio/mpeg' } })
    const [first, rest] = [big.subarray(0, 786_432), big.subarray(786_432)]
    const put = (body: Buffer | undefined, range: string) =>
      fetch(session, {
        method: 'PUT',
        headers: { 'Content-Range': range },
        ...(body && { body: new Uint8Array(body) }),
      })
    const partial = await put(first, `bytes 0-${first.length - 1}/${big.length}`)
    expect([partial.status, partial.headers.get('range')]).toEqual([308, 'bytes=0-786431'])
    expect((await put(undefined, `bytes */${big.length}`)).status).toBe(308)
    expect((await put(rest, `bytes ${first.length}-${big.length - 1}/${big.length}`)).status).toBe(200)
    expect((await download('browser')).equals(big)).toBe(true)
    expect((await put(rest, `bytes 0-1/2`)).status).toBe(404)
  })
})

describe('preconditions', () => {
  test('create-once refuses the second', async () => {
    const once = { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } }
    await bucket.file('once').save('1', once)
    await expect(bucket.file('once').save('2', once)).rejects.toMatchObject({ code: 412 })
    expect((await download('once')).toString()).toBe('1')
  })

  test('a stale generation changes and removes nothing', async () => {
    await bucket.file('kept').save('1')
    await expect(
      bucket.file('kept').setMetadata({ metadata: { q: '1' } }, { ifMetagenerationMatch: 99 }),
    ).rejects.toMatchObject({ code: 412 })
    await expect(bucket.file('kept').delete({ ifGenerationMatch: 1 })).rejects.toMatchObject({ code: 412 })
    expect((await bucket.file('kept').exists())[0]).toBe(true)
  })

  test('every write has a larger generation', async () => {
    const generations: bigint[] = []
    for (let n = 0; n < 5; n++) {
      await bucket.file('rewritten').save(String(n), { resumable: false })
      generations.push(BigInt((await bucket.file('rewritten').getMetadata())[0].generation ?? 0))
    }
    expect(generations.every((generation, index) => index === 0 || generation > (generations[index - 1] ?? 0n))).toBe(
      true,
    )
  })
})

describe('reads', () => {
  test('ranges, from the start, the middle and the end', async () => {
    const file = bucket.file('dir/a b.txt')
    expect(await text(file.createReadStream({ start: 6, end: 10 }))).toBe('world')
    expect(await text(file.createReadStream({ end: -5 }))).toBe('world')
    expect(
      (await fetch(await signed('dir/a b.txt', { action: 'read' }), { headers: { Range: 'bytes=0-4' } })).status,
    ).toBe(206)
  })

  test('what is not there is 404', async () => {
    await expect(download('nothing')).rejects.toMatchObject({ code: 404 })
    expect((await bucket.file('nothing').exists())[0]).toBe(false)
    expect((await storage.bucket('no-bucket').exists())[0]).toBe(false)
  })

  test('lists by prefix, folder and page', async () => {
    for (const name of ['l/1', 'l/2', 'l/3', 'l/sub/4']) await bucket.file(name).save('x', { resumable: false })
    expect((await bucket.getFiles({ prefix: 'l/' }))[0].map(({ name }) => name)).toEqual([
      'l/1',
      'l/2',
      'l/3',
      'l/sub/4',
    ])
    const [flat, , answer] = await bucket.getFiles({ prefix: 'l/', delimiter: '/', autoPaginate: false })
    expect(flat).toHaveLength(3)
    expect((answer as { prefixes: string[] }).prefixes).toEqual(['l/sub/'])
    const [page, next] = await bucket.getFiles({ prefix: 'l/', maxResults: 3, autoPaginate: false })
    expect(page).toHaveLength(3)
    expect((await bucket.getFiles(next ?? {}))[0]).toHaveLength(1)
  })

  test('lists every object and folder on one page alone, whatever its size', async () => {
    for (const name of ['p/a', 'p/b/1', 'p/b/2', 'p/b-c', 'p/b.d/3', 'p/é', 'p/\u{10000}', 'p/\uffff'])
      await bucket.file(name).save('x', { resumable: false })
    const all = ['p/a', 'p/b-c', 'p/b.d/', 'p/b/', 'p/é', 'p/\uffff', 'p/\u{10000}']
    for (const maxResults of [1, 2, 3, 6, 7, 8]) {
      const pages: string[][] = []
      for (let token: string | undefined, isFirst = true; isFirst || token; isFirst = false) {
        const query = {
          prefix: 'p/',
          delimiter: '/',
          maxResults,
          autoPaginate: false,
          ...(token && { pageToken: token }),
        }
        const [files, , answer] = await bucket.getFiles(query)
        const { prefixes = [], nextPageToken } = answer as { prefixes?: string[]; nextPageToken?: string }
        pages.push([...files.map(({ name }) => name), ...prefixes])
        token = nextPageToken
      }
      expect(pages.slice(0, -1).every(({ length }) => length === maxResults)).toBe(true)
      expect(pages.flat().toSorted((a, b) => all.indexOf(a) - all.indexOf(b))).toEqual(all)
    }
  })

  test('copies, composes and removes by prefix', async () => {
    await bucket.file('dir/a b.txt').copy(bucket.file('c/1'))
    await bucket.combine(['c/1', 'c/1'], 'c/2')
    expect((await download('c/2')).toString()).toBe('hello worldhello world')
    await bucket.deleteFiles({ prefix: 'c/' })
    expect((await bucket.getFiles({ prefix: 'c/' }))[0]).toEqual([])
  })
})

describe('signed URLs', () => {
  test('read, with the file name that was signed', async () => {
    const response = await fetch(await signed('dir/a b.txt', { action: 'read', promptSaveAs: 'hi.txt' }))
    expect(await response.text()).toBe('hello world')
    expect(response.headers.get('content-disposition')).toContain('hi.txt')
  })

  test('create once, of the size and type that was signed', async () => {
    const conditions = { 'x-goog-if-generation-match': '0', 'x-goog-content-length-range': '1,5' }
    const url = await signed('up/put', { action: 'write', contentType: 'audio/wav', extensionHeaders: conditions })
    const put = (body: string, headers: Record<string, string> = { 'Content-Type': 'audio/wav', ...conditions }) =>
      fetch(url, { method: 'PUT', body, headers })
    expect((await put('too long')).status).toBe(400)
    expect((await put('fits', { 'Content-Type': 'audio/wav' })).status).toBe(403)
    expect((await put('fits', { 'Content-Type': 'text/html', ...conditions })).status).toBe(403)
    expect((await put('fits')).status).toBe(200)
    expect((await put('again')).status).toBe(412)
    expect((await download('up/put')).toString()).toBe('fits')
  })

  test('start a resumable upload', async () => {
    const url = await signed('up/resumable', { action: 'resumable' })
    const started = await fetch(url, { method: 'POST', headers: { 'x-goog-resumable': 'start' } })
    expect(started.status).toBe(201)
    expect((await fetch(started.headers.get('location') ?? '', { method: 'PUT', body: 'body' })).status).toBe(200)
    expect((await download('up/resumable')).toString()).toBe('body')
  })

  test('open nothing when expired, changed, of another object, of another method, or of another key', async () => {
    const url = await signed('dir/a b.txt', { action: 'read' })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 600_001 })
    expect((await fetch(url)).status).toBe(400)
    vi.useRealTimers()
    expect((await fetch(url)).status).toBe(200)
    expect((await fetch(url.replace(/X-Goog-Expires=\d+/, 'X-Goog-Expires=9999'))).status).toBe(403)
    expect((await fetch(url.replace('a%20b', 'def'))).status).toBe(403)
    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403)
    expect((await fetch(`${service.origin}/shelf/dir/a%20b.txt`)).status).toBe(403)
    const stranger = JSON.parse(localServiceAccounts('p').json('stranger')) as {
      client_email: string
      private_key: string
    }
    const other = new Storage({ projectId: 'p', apiEndpoint: service.origin, credentials: stranger })
    const [forged] = await other
      .bucket('shelf')
      .file('dir/a b.txt')
      .getSignedUrl({ version: 'v4', action: 'read', expires: Date.now() + 60_000 })
    expect((await fetch(forged)).status).toBe(403)
  })
})
