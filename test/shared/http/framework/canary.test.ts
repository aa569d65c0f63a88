import { http } from '@google-cloud/functions-framework'
import { getTestServer } from '@google-cloud/functions-framework/testing'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import type { Serve } from '../../../../shared/http/arrival.ts'
import { watchServers } from '../../../../shared/http/framework/announced-servers.ts'
import { isFrameworkServer, takeServer } from '../../../../shared/http/framework/take-server.ts'
import { exchange, head } from '../raw-client.ts'

const open = new Set<Server>()
let stopWatching = () => {}
afterEach(async () => {
  stopWatching()
  for (const server of open) await new Promise((resolve) => server.close(resolve))
  open.clear()
})

async function listen(server: Server): Promise<number> {
  open.add(server)
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return (server.address() as AddressInfo).port
}

const answerWith =
  (body: string): Serve =>
  async (_request, response) =>
    void response.end(body)

const get = (port: number) => exchange(port, head('GET', '/', { Connection: 'close' }))

http('canary', (_request, response) => void response.send('the framework'))

describe('Node announces a server', () => {
  test('when it begins to listen, before it listens', async () => {
    const seen: string[] = []
    const server = createServer()
    stopWatching = watchServers((one) => void (one === server && seen.push('announced')))
    server.once('listening', () => seen.push('listening'))
    await listen(server)
    expect(seen).toEqual(['announced', 'listening'])
  })

  test('when a request has come, early enough to take that very request', async () => {
    const server = getTestServer('canary')
    const port = await listen(server)
    // It listens already: only the request can announce it now.
    stopWatching = watchServers((one) => {
      if (one === server && isFrameworkServer(server)) takeServer(server, answerWith('the edge'))
    })
    expect((await get(port))?.body).toBe('the edge')
  })
})

describe("a server of the framework's", () => {
  test('has one listener, an Express application, which serves nothing once it is taken', async () => {
    const server = getTestServer('canary')
    expect(isFrameworkServer(server)).toBe(true)
    takeServer(server, answerWith('the edge'))
    expect(isFrameworkServer(server)).toBe(false)
    expect((await get(await listen(server)))?.body).toBe('the edge')
  })

  test('serves by itself what nobody takes, so that what these tests see is our doing', async () => {
    const server = getTestServer('canary')
    expect((await get(await listen(server)))?.body).toBe('the framework')
  })

  test.each([
    ['a request without Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 'plain'],
    ['a body that waits for its 100', head('POST', '/', { Expect: '100-continue', 'Content-Length': 1 }), 'continue'],
    ['an expectation nobody knows', head('GET', '/', { Expect: 'a miracle' }), 'unknown'],
  ])('once taken, asks us about what Node would answer by itself: %s', async (_what, bytes, expects) => {
    const server = getTestServer('canary')
    takeServer(server, async (_request, response, arrival) => {
      const body = arrival.expects ?? 'plain'
      response.writeHead(200, { Connection: 'close', 'Content-Length': body.length }).end(body)
    })
    expect((await exchange(await listen(server), bytes))?.body).toBe(expects)
  })

  test('once taken, answers what is not HTTP in our words', async () => {
    const server = getTestServer('canary')
    takeServer(server, answerWith('the edge'))
    const answer = await exchange(await listen(server), 'HELLO\r\n\r\n')
    expect([answer?.status, answer?.body]).toEqual([400, expect.stringContaining('"code":"validation_error"')])
  })
})

test('a server of any other kind is left alone', () => {
  expect([createServer(), createServer(() => undefined), undefined, {}].map(isFrameworkServer)).toEqual([
    false,
    false,
    false,
    false,
  ])
})
