import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { ProviderError } from '../../../shared/providers/provider-error.ts'
import { providerNamed } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import { silentMp3 } from '../podcast/sound/mp3-frames.ts'
import { accountAt, CALL, IMPLEMENTATIONS, KEY, makePort, PORT_CALLS } from './provider-fixtures.ts'

const SOUND = silentMp3(20)

/** A provider that answers with a redirect, and the stranger that it leads to. */
let provider: Server
let stranger: Server
let providerUrl: string
let strangerHeard: IncomingHttpHeaders[] = []
let strangerUrl: string
let status = 302

beforeAll(async () => {
  stranger = createServer((request, response) => {
    strangerHeard.push(request.headers)
    if (request.url === '/result-that-has-moved.mp3')
      return void response.writeHead(302, { Location: strangerUrl }).end()
    response.writeHead(200, { 'Content-Type': 'audio/mpeg' }).end(SOUND)
  })
  strangerUrl = await listen(stranger)
  provider = createServer((request, response) => {
    request.resume()
    response.writeHead(status, { Location: `${strangerUrl}${request.url}` }).end()
  })
  providerUrl = await listen(provider)
})
afterAll(() => {
  for (const server of [provider, stranger]) {
    server.closeAllConnections()
    server.close()
  }
})
beforeEach(() => {
  strangerHeard = []
})

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function resultAt(path: string) {
  return { url: `${providerUrl}${path}`, saidSeconds: undefined, saidBytes: undefined }
}

type Call = (implementation: unknown) => Promise<unknown>
type Calls = { charged: Call; asks?: Call }

function at(name: ProviderName) {
  return accountAt(name, providerUrl)
}

describe.each(IMPLEMENTATIONS)('a redirect of $name, $port', ({ name, port }) => {
  test.each([302, 307])('(%i) is not followed, and nobody else hears the key', async (answered) => {
    status = answered
    const { charged, asks } = PORT_CALLS[port] as Calls
    for (const call of asks === undefined ? [charged] : [charged, asks]) {
      const implementation = await makePort(port, at(name))
      await expect(call(implementation)).rejects.toBeInstanceOf(ProviderError)
    }
    await expect(providerNamed(name).check(at(name), CALL.signal)).rejects.toThrow('fetch failed')
    expect(strangerHeard).toEqual([])
  })
})

test('the mastered sound is fetched from where its link leads, without the key', async () => {
  status = 302
  const mastering = await makePort('masterings', at('auphonic'))
  const sound = await mastering.download(resultAt('/result.mp3'), undefined, CALL)
  expect(Buffer.concat(await sound.toArray())).toEqual(SOUND)
  expect(strangerHeard).toHaveLength(1)
  expect(JSON.stringify(strangerHeard)).not.toContain(KEY)
})

test('a second redirect on the way to the mastered sound is a failure, and no empty sound', async () => {
  status = 302
  const mastering = await makePort('masterings', at('auphonic'))
  const fetched = mastering.download(resultAt('/result-that-has-moved.mp3'), undefined, CALL)
  await expect(fetched).rejects.toBeInstanceOf(ProviderError)
})
