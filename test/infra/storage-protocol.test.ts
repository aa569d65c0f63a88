import { randomBytes } from 'node:crypto'

import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { readParts } from '../../infra/local/storage/related.ts'
import { bytesOf, startStorage } from './storage-fixture.ts'
import type { TestStorage } from './storage-fixture.ts'

/** https://docs.cloud.google.com/storage/docs/performing-resumable-uploads */
const QUANTUM = 256 * 1024
const bytes = randomBytes(3 * QUANTUM + 17)

let storage: TestStorage
beforeAll(async () => {
  storage = await startStorage()
})
afterAll(() => storage.stop())

describe('multipart/related', () => {
  const post = (body: Buffer | string, boundary = 'b') =>
    fetch(`${storage.uploads}?uploadType=multipart`, {
      method: 'POST',
      body: bytesOf(body),
      headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
    })
  const around = (content: string, description = '{"name":"m"}', headers = '') =>
    `--b\r\nContent-Type: application/json\r\n\r\n${description}\r\n--b\r\n${headers}\r\n${content}\r\n--b--`

  test('a part without headers has all of its bytes', async () => {
    expect((await post(around('0123456789'))).status).toBe(200)
    expect((await storage.download('m')).toString()).toBe('0123456789')
  })

  test.each(['', '\n', '\r\n', '\r\n\r\n', '--b', 'a\n--b\n', 'x\r\n--bc\r\ny', '\r', 'a\r\n-', '\r\n\r\n--'])(
    'content %j is stored as it is',
    async (content) => {
      expect((await post(around(content, '{"name":"m"}', 'Content-Type: text/plain\r\n'))).status).toBe(200)
      expect((await storage.download('m')).toString()).toBe(content)
    },
  )

  test('a quoted boundary, blanks after it, and text around the parts', async () => {
    const body = `before\r\n--a b\t\r\n\r\n{"name":"q"}\r\n--a b \r\n\r\ntext\r\n--a b--\r\nafter`
    expect((await post(body, '"a b"')).status).toBe(200)
    expect((await storage.download('q')).toString()).toBe('text')
  })

  test.each([
    ['has no last boundary', around('text').slice(0, -2)],
    ['has no file', '--b\r\n\r\n{"name":"m"}\r\n--b--'],
    ['has three parts', around('text\r\n--b\r\n\r\nmore')],
    ['describes it in no JSON', around('text', 'name=m')],
    ['names nothing', around('text', '{}')],
    ['says another checksum', around('text', '{"name":"m","md5Hash":"AAAAAAAAAAAAAAAAAAAAAA=="}')],
  ])('a body that %s is refused with 400', async (_, body) => {
    expect((await post(body)).status).toBe(400)
  })

  test('is the same however it comes in', async () => {
    const content = fc
      .array(fc.constantFrom('\r', '\n', '-', 'b', 'x', '\r\n--', '\r\n-'))
      .map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 1, max: 9 }), async (text, size) => {
        fc.pre(!/\r\n--b(?:--|[\t ]|\r\n)/.test(`${text}\r\n`))
        const body = Buffer.from(around(text))
        async function* slices() {
          for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
        }
        const found: string[] = []
        for await (const part of readParts(slices(), 'b')) {
          const chunks: Buffer[] = []
          for await (const chunk of part.bytes) chunks.push(chunk)
          found.push(Buffer.concat(chunks).toString())
        }
        expect(found).toEqual(['{"name":"m"}', text])
      }),
    )
  })
})

describe('resumable uploads', () => {
  const send = (session: string, range: string | undefined, body?: Buffer, headers: Record<string, string> = {}) =>
    fetch(session, {
      method: 'PUT',
      headers: { ...(range !== undefined && { 'Content-Range': range }), ...headers },
      ...(body && { body: bytesOf(body) }),
    })
  const told = async (sent: Promise<Response>) => {
    const { status, headers } = await sent
    return [status, headers.get('range')]
  }

  test('every answer names the session', async () => {
    const started = await fetch(`${storage.uploads}?uploadType=resumable&name=named`, { method: 'POST' })
    const id = started.headers.get('x-guploader-uploadid')
    const session = started.headers.get('location') ?? ''
    expect(new URL(session).searchParams.get('upload_id')).toBe(id)
    for (const range of ['bytes */*', 'bytes */0'])
      expect((await send(session, range)).headers.get('x-guploader-uploadid')).toBe(id)
  })

  test('in chunks whose total is said with the last', async () => {
    const session = await storage.startSession('chunks')
    expect(await told(send(session, 'bytes */*'))).toEqual([308, null])
    expect(await told(send(session, `bytes 0-${QUANTUM - 1}/*`, bytes.subarray(0, QUANTUM)))).toEqual([
      308,
      `bytes=0-${QUANTUM - 1}`,
    ])
    const last = `bytes ${QUANTUM}-${bytes.length - 1}/${bytes.length}`
    expect(await told(send(session, last, bytes.subarray(QUANTUM)))).toEqual([200, null])
    expect(bytes.equals(await storage.download('chunks'))).toBe(true)
  })

  test('whose end is said when all has been sent', async () => {
    const session = await storage.startSession('ended')
    await send(session, `bytes 0-${2 * QUANTUM - 1}/*`, bytes.subarray(0, 2 * QUANTUM))
    expect((await send(session, `bytes */${2 * QUANTUM}`)).status).toBe(200)
    expect(await storage.download('ended')).toHaveLength(2 * QUANTUM)
  })

  test('of no bytes, however that is said', async () => {
    for (const range of ['bytes */0', undefined]) {
      const session = await storage.startSession('empty')
      expect((await send(session, range)).status).toBe(200)
      expect(await storage.download('empty')).toHaveLength(0)
    }
  })

  test('in one request of a length that nobody knows before', async () => {
    for (const range of ['bytes 0-*/*', `bytes 0-*/${bytes.length}`, undefined]) {
      const session = await storage.startSession('whole')
      expect((await send(session, range, bytes)).status).toBe(200)
      expect(bytes.equals(await storage.download('whole'))).toBe(true)
    }
  })

  test('of a chunk that is not the last, whole multiples of 256 KiB are kept', async () => {
    const session = await storage.startSession('odd')
    expect(await told(send(session, `bytes 0-${QUANTUM + 99}/*`, bytes.subarray(0, QUANTUM + 100)))).toEqual([
      308,
      `bytes=0-${QUANTUM - 1}`,
    ])
    const gap = await send(
      session,
      `bytes ${QUANTUM + 100}-${bytes.length - 1}/${bytes.length}`,
      bytes.subarray(QUANTUM + 100),
    )
    expect([gap.status, await gap.text()]).toEqual([503, expect.stringContaining('exceeds already uploaded size')])
    // What overlaps is not taken twice.
    expect((await send(session, `bytes 100-${bytes.length - 1}/${bytes.length}`, bytes.subarray(100))).status).toBe(200)
    expect(bytes.equals(await storage.download('odd'))).toBe(true)
  })

  test('a repeated last request, and the question how far it is, are answered with the object', async () => {
    const session = await storage.startSession('repeated')
    const last = () => send(session, `bytes 0-9/10`, bytes.subarray(0, 10))
    const answers = [await last(), await last(), await send(session, 'bytes */*'), await send(session, 'bytes */10')]
    const generations = await Promise.all(
      answers.map(async (answer) => [answer.status, ((await answer.json()) as { generation: string }).generation]),
    )
    expect(generations).toEqual(generations.map(() => [200, generations[0]?.[1]]))
    expect((await send(session, 'bytes 0-10/11', bytes.subarray(0, 11))).status).toBe(404)
  })

  test.each([
    ['nonsense', 'bytes=0-9'],
    ['an end before its start', 'bytes 9-0/10'],
    ['an end behind the total', 'bytes 0-9/5'],
    ['more bytes than it says', 'bytes 0-4/5'],
    ['another total than was announced', 'bytes 0-9/11'],
  ])('a Content-Range that is %s is refused with 400, and harms nothing', async (_, range) => {
    const session = await storage.startSession('wrong', { 'X-Upload-Content-Length': '10' })
    expect((await send(session, range, bytes.subarray(0, 10))).status).toBe(400)
    expect((await send(session, 'bytes 0-9/10', bytes.subarray(0, 10))).status).toBe(200)
  })

  test('a chunk that breaks off before its end is no end', async () => {
    const session = await storage.startSession('short')
    expect(
      await told(send(session, `bytes 0-${bytes.length - 1}/${bytes.length}`, bytes.subarray(0, QUANTUM))),
    ).toEqual([308, `bytes=0-${QUANTUM - 1}`])
  })
})
