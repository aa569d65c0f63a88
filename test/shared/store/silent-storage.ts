import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { Crc32c } from '../../../infra/local/storage/crc32c.ts'
import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { Objects } from '../../../shared/podcast/storage.ts'
import { objectStore } from '../../../shared/store/objects.ts'
import { failureOfStorage } from '../../../shared/store/storage-failure.ts'
import type { StorageLimits } from '../../../shared/store/transfer-watch.ts'
import { testConfig } from '../test-config.ts'

/** Short enough for a test, and long enough for a busy machine. */
const SHORT_LIMITS: StorageLimits = {
  controlMs: 400,
  transfer: { idleMs: 400, leastMs: 1_200, bytesPerSecondMin: 1_000_000 },
}

/** A server that does with each request what a test says, and what our storage makes of it. */
export async function startSilentStorage(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
  limits = SHORT_LIMITS,
) {
  const open = new Set<IncomingMessage>()
  const server = createServer((request, response) => {
    open.add(request)
    response.once('close', () => open.delete(request))
    serve(request, response)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const breaker = new CircuitBreaker({ name: 'gcs', classify: failureOfStorage })
  const config = testConfig({ STORAGE_API_ENDPOINT: `http://127.0.0.1:${port}` })
  const objects: Objects = objectStore(config, breaker, { time: async () => Date.now(), limits })
  return {
    objects,
    /** Requests whose client still waits; what it has sent is taken, so that its end is seen. */
    openRequests() {
      for (const request of open) request.resume()
      return open.size
    },
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** What storage says of an object. */
export function describeObject(response: ServerResponse, content: Buffer): void {
  const crc = new Crc32c()
  crc.update(content)
  const crc32c = crc.digest()
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ generation: '7', size: String(content.length), contentType: 'audio/flac', crc32c }))
}
