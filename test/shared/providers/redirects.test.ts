import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { ProviderError } from '../../../shared/providers/provider-error.ts'
import { PROVIDER_NAMES, providerNamed } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import { accountAt, CALL, KEY, makePort, MASTERING, MATERIAL, TRANSCRIPTION } from './provider-fixtures.ts'

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
    response.writeHead(200, { 'Content-Type': 'audio/mpeg' }).end('ID3 sound')
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

/** Calls with a body and calls without one, of every provider. */
const CALLS: Record<ProviderName, (() => Promise<unknown>)[]> = {
  assemblyai: [
    async () => (await makePort('transcribers', at('assemblyai'))).submit(TRANSCRIPTION, CALL),
    async () => (await makePort('transcribers', at('assemblyai'))).read('id', CALL),
    async () => (await makePort('transcribers', at('assemblyai'))).remove('id', CALL),
  ],
  gemini: [async () => (await makePort('writers', at('gemini'))).writeNotes(MATERIAL, CALL)],
  elevenlabs: [
    async () => (await makePort('speakers', at('elevenlabs'))).speak({ text: 'Hello.', voiceId: undefined }, CALL),
  ],
  auphonic: [
    async () => (await makePort('masterings', at('auphonic'))).create(MASTERING, CALL),
    async () => (await makePort('masterings', at('auphonic'))).read('id', CALL),
    async () => (await makePort('masterings', at('auphonic'))).start('id', MASTERING, CALL),
  ],
}

function at(name: ProviderName) {
  return accountAt(name, providerUrl)
}

describe.each(PROVIDER_NAMES)('a redirect of %s', (name) => {
  test.each([302, 307])('(%i) is not followed, and nobody else hears the key', async (answered) => {
    status = answered
    for (const call of CALLS[name]) await expect(call()).rejects.toBeInstanceOf(ProviderError)
    await expect(providerNamed(name).check(at(name), CALL.signal)).rejects.toThrow('fetch failed')
    expect(strangerHeard).toEqual([])
  })
})

test('the mastered sound is fetched from where its link leads, without the key', async () => {
  status = 302
  const mastering = await makePort('masterings', at('auphonic'))
  const sound = await mastering.download(`${providerUrl}/result.mp3`, CALL)
  expect(Buffer.concat(await sound.toArray()).toString()).toBe('ID3 sound')
  expect(strangerHeard).toHaveLength(1)
  expect(JSON.stringify(strangerHeard)).not.toContain(KEY)
})

test('a second redirect on the way to the mastered sound is a failure, and no empty sound', async () => {
  status = 302
  const mastering = await makePort('masterings', at('auphonic'))
  const fetched = mastering.download(`${providerUrl}/result-that-has-moved.mp3`, CALL)
  await expect(fetched).rejects.toBeInstanceOf(ProviderError)
})
