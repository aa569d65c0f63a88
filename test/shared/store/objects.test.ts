import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { objectStore } from '../../../shared/store/objects.ts'
import { failureOfStorage } from '../../../shared/store/storage-failure.ts'
import { testConfig } from '../test-config.ts'

test('a reading that is left early ends its own connection, and no other call’s', async () => {
  const server = createServer()
  const asked = async () => (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const breaker = new CircuitBreaker({ name: 'gcs', classify: failureOfStorage })
    const config = testConfig({ STORAGE_API_ENDPOINT: `http://127.0.0.1:${port}` })
    const objects = objectStore(config, breaker, { time: async () => Date.now() })

    const reading = asked()
    const recording = await objects.readStream('recording')
    recording.on('error', () => undefined).once('readable', () => undefined)
    const [read, bytes] = await reading
    const left = once(read.socket, 'close')
    bytes.writeHead(200, { 'Content-Length': 50_000_000 })
    bytes.write(Buffer.alloc(100_000))
    await once(recording, 'readable')

    const other = asked()
    const stat = objects.stat('another')
    const [, answer] = await other
    recording.destroy()
    await left
    answer.setHeader('Content-Type', 'application/json')
    answer.end(JSON.stringify({ generation: '7', size: '1', contentType: 'audio/flac' }))
    expect(await stat).toEqual({ generation: '7', sizeBytes: 1, contentType: 'audio/flac' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
