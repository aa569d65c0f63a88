import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { failureOfCall } from '../../../shared/providers/failure.ts'
import { accountAt, makePort } from '../providers/provider-fixtures.ts'
import { masterStep } from './master-step.ts'
import { silentMp3 } from './sound/mp3-frames.ts'

/** A production that is done, and what comes when its sound is fetched: only a sound of a plausible length is stored. */
const SECONDS = 20
const SOUND = silentMp3(Math.ceil((SECONDS * 44_100) / 1152))
let server: Server
let url: string
let send: (response: ServerResponse) => void
let claims: { length?: number; size?: number }

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/result.mp3') return send(response)
    const { length, size } = claims
    const files = [{ format: 'mp3', size, download_url: `${url}/result.mp3` }]
    const data = { uuid: 'u1', status: 3, length, output_files: files }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ status_code: 200, data }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function fetchSound() {
  const mastering = await makePort('masterings', accountAt('auphonic', url))
  const step = masterStep({ mastering, recording: SOUND, intro: undefined, recordingSeconds: SECONDS })
  const ended = await step.run().catch((error: unknown) => error)
  return { ended, stored: step.objects.size - 1 }
}

const whole = { length: SECONDS, size: SOUND.length }

test.each([
  ['its length is told rightly', whole],
  ['its length is told wrongly', { length: 3600 }],
  ['nothing is told of it', {}],
])('a sound is stored, and has the length that was measured, when %s', async (_name, told) => {
  claims = told
  send = (response) => response.writeHead(200, { 'Content-Type': 'audio/mpeg' }).end(SOUND)
  const { ended, stored } = await fetchSound()
  expect([ended, stored]).toMatchObject([{ kind: 'done', result: { introSeconds: 0 } }, 1])
  const { durationSeconds } = (ended as { result: { durationSeconds: number } }).result
  expect(Math.abs(durationSeconds - SECONDS)).toBeLessThan(0.05)
})

const half = SOUND.subarray(0, SOUND.length / 2)
const asSound = { 'Content-Type': 'audio/mpeg' }

test.each<[string, (response: ServerResponse) => void]>([
  ['nothing', (response) => response.writeHead(200, asSound).end()],
  ['a page', (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>sign in</html>')],
  ['a page that is called a sound', (response) => response.writeHead(200, asSound).end('<html>sign in</html>')],
  ['half of it, and the connection breaks', breakOff({ ...asSound, 'Content-Length': String(SOUND.length) })],
  ['half of it, of a length that nobody said', breakOff(asSound)],
  ['half of it, as if that were all', (response) => response.writeHead(200, asSound).end(half)],
])('%s: nothing is stored, and it is asked for once more, storage being well', async (_name, answer) => {
  claims = whole
  send = answer
  const { ended, stored } = await fetchSound()
  expect([failureOfCall(ended), stored]).toMatchObject([{ kind: 'unreadable', service: 'auphonic' }, 0])
})

function breakOff(headers: Record<string, string>) {
  return (response: ServerResponse): void => {
    response.writeHead(200, headers).write(half, () => setTimeout(() => response.destroy(), 20))
  }
}
