import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import { firestoreService } from '../../../infra/local/firestore/service.ts'
import { Envelope, exchange, head, RawClient } from '../../shared/http/raw-client.ts'
import type { RawAnswer } from '../../shared/http/raw-client.ts'
import { BEHIND, startBehindGateway } from './gateway-fixture.ts'
import { fuzzGateway } from './gateway-fuzz.ts'
import type { GatewayFixture } from './gateway-fixture.ts'

let behind: GatewayFixture
const firestore = firestoreService(new Faults())
beforeAll(async () => {
  await firestore.start()
  behind = await startBehindGateway({ environment: { FIRESTORE_EMULATOR_HOST: firestore.address } })
}, 120_000)
afterAll(async () => {
  await behind.stop()
  firestore.stop()
})

const MIB = 1024 * 1024
/** More than a system keeps in line for a process that does not accept. */
const BURST = 800
/** The same bytes each time; `npm run bench -- edge` sends others. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 7)
const alice = { Authorization: 'Bearer a.alice.c', 'Content-Type': 'application/json' }

function errorOf(answer: RawAnswer | undefined) {
  return Envelope.parse(JSON.parse(answer?.body ?? '')).error
}

function openConnections({ agent: { sockets, freeSockets } }: GatewayFixture['connections']): number {
  return [sockets, freeSockets].flatMap((named) => Object.values(named)).flat().length
}

describe('the gateway', () => {
  test('has every request of a burst answered by the function, also by one that cannot accept them at once', async () => {
    const agent = new Agent({ keepAlive: true })
    const statuses = new Map<number | undefined, number>()
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const options = { agent, port: behind.port, path: BEHIND, headers: { 'x-row': 'noop' } }
        get(options, (answer) => {
          statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1)
          answer.resume().once('end', resolve)
        }).once('error', reject)
      })
    behind.edge.child.kill('SIGSTOP')
    const burst = Promise.all(Array.from({ length: BURST }, one))
    await expect.poll(() => openConnections(behind.connections), { timeout: 60_000 }).toBe(200)
    behind.edge.child.kill('SIGCONT')
    await burst
    agent.destroy()
    expect([...statuses]).toEqual([[200, BURST]])
    expect(openConnections(behind.connections)).toBeLessThanOrEqual(200)
  })

  test('uses a connection to the function again, and none that the function has closed', async () => {
    const row = { 'x-row': 'noop' }
    const client = new RawClient(behind.port)
    for (let round = 0; round < 20; round++) {
      expect((await client.send(head('GET', BEHIND, row)).answer())?.status).toBe(200)
      // Refused with its body unread, so that the function closes.
      const large = { ...alice, 'x-row': 'echo', 'Content-Length': 3 * MIB }
      const refused = await exchange(behind.port, head('POST', BEHIND, large))
      expect([refused?.status, refused?.headers['connection']]).toEqual([413, 'close'])
    }
    client.close()
  })

  test('keeps the connection of a client whose small body the function did not want', async () => {
    const client = new RawClient(behind.port)
    const refused = head('POST', BEHIND, { 'x-row': 'echo', 'Content-Length': 1_000 })
    expect((await client.send(`${refused}${'x'.repeat(400)}`).answer())?.status).toBe(401)
    client.send('x'.repeat(600)).send(head('GET', BEHIND, { 'x-row': 'noop' }))
    expect((await client.answer())?.status).toBe(200)
    client.close()
  })

  test.each([
    ['a target that is no address', `${BEHIND}//[`, 404],
    ['a function of another origin', 'http://[/nothing', 404],
    ['no path at all', '*', 404],
  ])('answers a request for %s in the envelope', async (_what, target, status) => {
    const answer = await exchange(behind.port, head('GET', target, { 'x-row': 'noop' }))
    expect(answer?.status).toBe(status)
    errorOf(answer)
  })

  test.each([
    ['1.0', '100-continue'],
    ['1.0', 'a miracle'],
    ['2.0', 'a miracle'],
  ])('passes no expectation of HTTP/%s on: %s', async (version, expectation) => {
    const bytes = `GET ${BEHIND} HTTP/${version}\r\nHost: localhost\r\nx-row: noop\r\nExpect: ${expectation}\r\n\r\n`
    expect((await exchange(behind.port, bytes))?.status).toBe(200)
  })

  test('takes no more of a body than the function reads', async () => {
    const client = new RawClient(behind.port)
    client.send(head('GET', `${BEHIND}?what=hold`, { 'x-row': 'misbehave', 'Content-Length': 90 * MIB }))
    const takenBytes = () => client.socket.bytesWritten - client.socket.writableLength
    let [seenBytes, unchanged] = [0, 0]
    for (; unchanged < 20; await sleep(20)) {
      if (client.socket.writableLength === 0) client.send(Buffer.alloc(MIB, 'x'))
      unchanged = takenBytes() === seenBytes ? unchanged + 1 : 0
      seenBytes = takenBytes()
      if (seenBytes > 64 * MIB) break
    }
    client.close()
    expect(seenBytes / MIB).toBeLessThan(32)
  })

  test('tells in the log, under its error_id, what it refuses by itself', async () => {
    const [unknown, unparsed] = [
      await exchange(behind.port, head('GET', '/nothing', {})),
      await exchange(behind.port, 'NONSENSE\r\n\r\n'),
    ]
    for (const [answer, status] of [
      [unknown, 404],
      [unparsed, 400],
    ] as const) {
      const { error_id } = errorOf(answer)
      expect(behind.lines.filter((line) => line['error_id'] === error_id)).toMatchObject([
        { severity: 'NOTICE', status },
      ])
    }
  })

  test(`answers bytes of every kind as the function itself does (seed ${SEED})`, async () => {
    const { findings, compared } = await fuzzGateway(behind, 100, SEED)
    expect(findings).toEqual([])
    expect(compared).toBeGreaterThan(80)
  })

  test.each([
    ['whose head is refused', 401, head('POST', BEHIND, { 'x-row': 'echo', 'Content-Length': 10 })],
    ['whose body is awaited', 400, head('POST', BEHIND, { ...alice, 'x-row': 'echo', 'Content-Length': 10 })],
  ])('lets the function answer a request %s and that ends early', async (_what, status, bytes) => {
    const client = new RawClient(behind.port).send(`${bytes}{"a`)
    client.socket.end()
    const answer = await client.answer()
    expect(answer?.status).toBe(status)
    errorOf(answer)
    client.close()
  })

  test.each([
    ['whose line end is missing', '2\r\n{}0\r\n\r\n'],
    ['whose line end is half of one', '2\r\n{}\n0\r\n\r\n'],
    ['that is longer than it says', '2\r\n{}1\r\n \r\n0\r\n\r\n'],
  ])('passes on no chunk %s, nor a request behind it', async (_what, chunks) => {
    const headers = { ...alice, 'x-row': 'echo', 'Transfer-Encoding': 'chunked' }
    const smuggled = 'X-Request-Id: smuggled-1\r\n'
    const bytes = `${head('POST', BEHIND, headers)}${chunks}GET / HTTP/1.1\r\nHost: a\r\nx-row: noop\r\n${smuggled}\r\n`
    const client = new RawClient(behind.port).send(bytes)
    const answer = await client.answer()
    expect([answer?.status, answer?.headers['connection']]).toEqual([400, 'close'])
    errorOf(answer)
    expect(await client.answer().catch(() => undefined)).toBeUndefined()
    expect(JSON.stringify(behind.lines)).not.toContain('smuggled-1')
  })

  test('answers a request under which the function process ends with 500, tells it, and sends it once', async () => {
    const dying = await startBehindGateway()
    const body = JSON.stringify({ name: 'x', what: 'die-once' })
    const headers = { ...alice, 'x-row': 'effect', 'Content-Length': body.length }
    const answer = await exchange(dying.port, head('POST', BEHIND, headers) + body)
    const { code, error_id } = errorOf(answer)
    expect(code).toBe('internal_error')
    expect(dying.lines).toMatchObject([
      { error_id, severity: 'ERROR', event: 'gateway.refused', function: 'episodes-create' },
    ])
    await dying.stop()
  })
})
