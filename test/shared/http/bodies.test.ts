import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess } from './edge-process.ts'
import { Envelope, exchange, head, RawClient } from './raw-client.ts'
import type { RawAnswer } from './raw-client.ts'

let edge: EdgeProcess
beforeAll(async () => {
  edge = await startEdgeProcess()
}, 120_000)
afterAll(() => edge.stop())

const MIB = 1024 * 1024
const echo = { 'x-row': 'echo', Authorization: 'Bearer a.alice.c', 'Content-Type': 'application/json' }
const upload = { 'x-row': 'upload' }

function refusal(answer: RawAnswer | undefined): {
  status: number | undefined
  details: Record<string, unknown>
  message: string
} {
  const { error } = Envelope.parse(JSON.parse(answer?.body ?? '{}'))
  expect(error.retryable).toBe(false)
  return { status: answer?.status, details: error.details ?? {}, message: error.message }
}

describe('a body that is too large', () => {
  test('is refused by its declared length before any of it is read', async () => {
    const client = new RawClient(edge.port).send(head('POST', '/', { ...echo, 'Content-Length': 500 * MIB }))
    const { status, details, message } = refusal(await client.answer())
    expect(status).toBe(413)
    expect(details).toEqual({ limitBytes: MIB, sizeBytes: 500 * MIB })
    expect(message).toBe('This is 500 MiB; we accept at most 1 MiB here.')
    client.close()
  })

  test('is refused at the byte that crosses the line when its length was not declared', async () => {
    const client = new RawClient(edge.port).send(head('POST', '/', { ...echo, 'Transfer-Encoding': 'chunked' }))
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    for (let sent = 0; sent < 17; sent++) client.send(chunk)
    const { status, details, message } = refusal(await client.answer())
    expect(status).toBe(413)
    expect(details).toMatchObject({ limitBytes: MIB, sizeIsAtLeast: true })
    expect(message).toBe('This is more than 1 MiB; we accept at most 1 MiB here.')
    client.close()
  })

  test('names the function that takes larger ones, where there is one', async () => {
    const answer = await exchange(edge.port, head('POST', '/', { ...upload, 'Content-Length': 31 * MIB }))
    const { status, details, message } = refusal(answer)
    expect(status).toBe(413)
    expect(details).toMatchObject({ use: 'upload-url', limitBytes: 30 * MIB })
    expect(message).toContain('Please use upload-url.')
  })

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const)('is refused by its size once inflated (%s)', async (encoding, deflate) => {
    const bomb = deflate(Buffer.alloc(20 * MIB, ' '))
    const fields = { ...echo, 'Content-Encoding': encoding, 'Content-Length': bomb.length }
    const answer = await exchange(edge.port, Buffer.concat([Buffer.from(head('POST', '/', fields)), bomb]))
    expect(refusal(answer)).toMatchObject({ status: 413, details: { sizeIsAtLeast: true } })
  })

  test.each(['declared', 'chunked'])(
    'is answered although its sender goes on and on, and only reads at its end (%s)',
    async (how) => {
      const client = new RawClient(edge.port)
      const size = 80 * MIB
      const length = how === 'declared' ? { 'Content-Length': size } : { 'Transfer-Encoding': 'chunked' }
      client.send(head('POST', '/', { ...upload, ...length }))
      client.socket.pause()
      const block = Buffer.alloc(MIB, 'x')
      for (let sent = 0; sent < size; sent += MIB) {
        const bytes =
          how === 'declared' ? block : Buffer.concat([Buffer.from('100000\r\n'), block, Buffer.from('\r\n')])
        if (!client.socket.write(bytes)) await new Promise((resolve) => client.socket.once('drain', resolve))
      }
      client.socket.resume()
      const answer = await client.answer()
      expect(refusal(answer).status).toBe(413)
      expect(answer?.headers['connection']).toBe('close')
      client.close()
    },
  )

  test('is refused even where no body is read', async () => {
    const answer = await exchange(edge.port, head('GET', '/', { 'x-row': 'noop', 'Content-Length': 101 * MIB }))
    expect(refusal(answer)).toMatchObject({ status: 413, details: { limitBytes: 100 * MIB } })
  })

  test('never gets its 100 Continue', async () => {
    const client = new RawClient(edge.port)
    client.send(head('POST', '/', { ...upload, Expect: '100-continue', 'Content-Length': 31 * MIB }))
    expect(refusal(await client.answer()).status).toBe(413)
    client.close()
  })
})

describe('a body that is welcome', () => {
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const)('is inflated (%s)', async (encoding, deflate) => {
    const json = JSON.stringify({ text: 'x'.repeat(1000) })
    const bytes = deflate(Buffer.from(json))
    const fields = { ...echo, 'Content-Encoding': encoding, 'Content-Length': bytes.length }
    const answer = await exchange(edge.port, Buffer.concat([Buffer.from(head('POST', '/', fields)), bytes]))
    expect([answer?.status, answer?.body]).toEqual([200, `{"bytes":${json.length}}`])
  })

  test('is asked for when its sender waits for 100 Continue', async () => {
    const client = new RawClient(edge.port)
    client.send(head('POST', '/', { ...upload, Expect: '100-continue', 'Content-Length': 5 }))
    await new Promise((resolve) => client.socket.once('data', resolve))
    client.send('12345')
    expect((await client.answer())?.body).toBe('{"bytes":5}')
    client.close()
  })

  test('is asked for in its turn when requests are sent one behind the other', async () => {
    const client = new RawClient(edge.port)
    const first = head('GET', '/?ms=50', {})
    const second = head('POST', '/', { ...upload, Expect: '100-continue', 'Content-Length': 5 })
    client.send(`${first}${second}12345`)
    const answers = [await client.answer(), await client.answer()]
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200])
    expect(answers[1]?.body).toBe('{"bytes":5}')
    client.close()
  })

  test('that is empty costs no connection, although nobody could be asked for it before its turn', async () => {
    const client = new RawClient(edge.port)
    const empty = head('POST', '/', { ...upload, Expect: '100-continue', 'Content-Length': 0 })
    client.send(`${head('GET', '/?ms=50', {})}${empty}${head('GET', '/', {})}`)
    const answers = [await client.answer(), await client.answer(), await client.answer()]
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200])
    client.close()
  })

  test('may take its time in many small pieces, even when it is large', async () => {
    const client = new RawClient(edge.port).send(head('POST', '/', { ...echo, 'Transfer-Encoding': 'chunked' }))
    const pieces = [`{"text":"`, ...Array.from({ length: 90 }, () => 'x'.repeat(10_000)), `"}`]
    for (const piece of pieces) {
      client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    client.send('0\r\n\r\n')
    expect((await client.answer())?.body).toBe(`{"bytes":${900_000 + 11}}`)
    client.close()
  })

  test('waits its turn when many large ones come at once, and all are answered', async () => {
    const json = JSON.stringify({ text: 'x'.repeat(900_000) })
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        exchange(edge.port, head('POST', '/', { ...echo, 'Content-Length': json.length }) + json),
      ),
    )
    expect(answers.map((answer) => answer?.status)).toEqual(Array.from({ length: 40 }, () => 200))
  })
})

describe('a body that cannot be read', () => {
  test.each([
    ['an unknown encoding', { 'Content-Encoding': 'zip' }, '{}', 415],
    ['two encodings', { 'Content-Encoding': 'gzip, gzip' }, '{}', 415],
    ['bytes that are not gzip', { 'Content-Encoding': 'gzip' }, '{}', 400],
    ['malformed JSON', {}, '{"a":', 400],
    ['an array', {}, '[1]', 400],
    ['bytes that are not UTF-8', {}, Buffer.from([0x22, 0xff, 0x22]), 400],
    ['another charset', { 'Content-Type': 'application/json; charset=utf-16' }, '{}', 415],
    ['another type', { 'Content-Type': 'text/plain' }, '{}', 415],
    ['no type', { 'Content-Type': '' }, '{}', 415],
  ])('%s', async (_what, headers, body, status) => {
    const bytes = Buffer.from(body as string)
    const fields = { ...echo, ...headers, 'Content-Length': bytes.length }
    const answer = await exchange(edge.port, Buffer.concat([Buffer.from(head('POST', '/', fields)), bytes]))
    expect(refusal(answer).status).toBe(status)
  })

  test('an encoding of what is streamed', async () => {
    const fields = { ...upload, 'Content-Encoding': 'gzip', 'Content-Length': 3 }
    expect(refusal(await exchange(edge.port, `${head('POST', '/', fields)}abc`)).status).toBe(415)
  })

  test.each([
    ['negative', 'Content-Length: -5'],
    ['not a number', 'Content-Length: many'],
    ['empty', 'Content-Length: '],
    ['twice, differing', 'Content-Length: 2\r\nContent-Length: 3'],
    ['twice in one', 'Content-Length: 2, 3'],
    ['beside chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked'],
    ['larger than any number', `Content-Length: ${'9'.repeat(40)}`],
    ['of a line without a colon', 'Content-Length'],
  ])('a length that is %s: refused with the connection', async (_what, line) => {
    const client = new RawClient(edge.port).send(`POST / HTTP/1.1\r\nHost: x\r\nx-row: upload\r\n${line}\r\n\r\n{}`)
    const answer = await client.answer()
    expect(refusal(answer).status).toBe(400)
    await client.closed
  })

  test('one that does not come', async () => {
    const headers = { 'x-row': 'impatient', 'Content-Type': 'application/json', 'Content-Length': 100 }
    const client = new RawClient(edge.port).send(`${head('POST', '/', headers)}{"a":`)
    const answer = await client.answer()
    const { error } = Envelope.parse(JSON.parse(answer?.body ?? '{}'))
    expect([answer?.status, error.technical_message]).toEqual([504, 'The body took longer than 1 s'])
    client.close()
  })

  test('fewer bytes than declared', async () => {
    const client = new RawClient(edge.port).send(`${head('POST', '/', { ...echo, 'Content-Length': 100 })}{"a":1`)
    client.socket.end()
    const answer = await client.answer()
    expect(answer === undefined || refusal(answer).status === 400).toBe(true)
    client.close()
  })
})

describe('a connection that is kept alive', () => {
  test('answers in order what was sent at once, whatever became of each', async () => {
    const small = head('POST', '/', { ...echo, Authorization: 'none', 'Content-Length': 20 }) + '{"not":"for anyone"}'
    const good = `${head('POST', '/', { ...echo, 'Content-Length': 7 })}{"a":1}`
    const wrongType = `${head('POST', '/', { ...echo, 'Content-Type': 'text/plain', 'Content-Length': 2 })}hi`
    const client = new RawClient(edge.port).send(small + good + wrongType + good)
    const statuses = []
    for (let count = 0; count < 4; count++) statuses.push((await client.answer())?.status)
    expect(statuses).toEqual([401, 200, 415, 200])
    client.close()
  })

  test('goes on after a refusal whose body is still on its way', async () => {
    const client = new RawClient(edge.port)
    client.send(head('POST', '/', { ...echo, Authorization: 'none', 'Content-Length': 30_000 }))
    expect((await client.answer())?.status).toBe(401)
    client.send('x'.repeat(30_000))
    client.send(`${head('POST', '/', { ...echo, 'Content-Length': 2 })}{}`)
    expect((await client.answer())?.status).toBe(200)
    client.close()
  })
})
