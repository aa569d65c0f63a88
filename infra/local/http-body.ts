import type { IncomingMessage } from 'node:http'

const BODY_BYTES_MAX = 2 * 1024 * 1024 * 1024

/** The body of a request, as it comes or read at once. */
export type Body = {
  isStreamed: boolean
  bytes: () => Promise<Buffer>
  stream: () => AsyncIterable<Buffer>
  /** So far. */
  receivedBytes: () => number
}

/** Read at once: what a client has sent arrives, even when the client is gone before anybody acts on it. */
export function readBody(request: IncomingMessage): Body {
  const body = readAll(request)
  let received = 0
  body.then(({ length }) => (received = length)).catch(() => undefined)
  return {
    isStreamed: false,
    receivedBytes: () => received,
    bytes: () => body,
    async *stream() {
      yield await body
    },
  }
}

/** As it comes. @param latency what has to be over before it ends */
export function streamedBody(request: IncomingMessage, latency: Promise<unknown>): Body {
  const isEmpty = request.headers['transfer-encoding'] === undefined && !Number(request.headers['content-length'])
  let received = 0
  async function* stream(): AsyncGenerator<Buffer> {
    // Whoever stops in the middle still answers.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      received += (chunk as Buffer).length
      yield chunk as Buffer
    }
    await latency
  }
  return { isStreamed: !isEmpty, stream, bytes: () => readAll(stream()), receivedBytes: () => received }
}

async function readAll(body: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length
    if (bytes > BODY_BYTES_MAX) throw new Error('the body is too large for the local cloud')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
