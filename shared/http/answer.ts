import type { Answer, Exchange } from './exchange.ts'
import { countPassing } from './forced-collection/forced-collection.ts'
import { isBroken } from './unparsed.ts'

/** So much of a body that nobody wants is read to the end, so that its connection can be used again. */
const READ_AWAY_BYTES = 64 * 1024

/** A client may go on sending so long, and so much, after its answer, before the connection is closed under it. */
const LINGER_MS = 10_000
const LINGER_BYTES = 1024 * 1024 * 1024

/** Puts an answer on the wire. Resolves when it has left, or when nobody is left to take it. */
export async function send(exchange: Exchange, answer: Answer): Promise<void> {
  const { request, response, body } = exchange
  // Before its turn nobody could ask for its body, and Node would close the connection after the answer for that.
  if (exchange.arrival.expects === 'continue') await turnOf(exchange)
  if (response.headersSent || response.destroyed || isBroken(request)) return
  const { unreadBytes } = body
  const lingers = unreadBytes > READ_AWAY_BYTES || (unreadBytes > 0 && exchange.arrival.expects !== undefined)
  response.writeHead(answer.status, {
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(answer.body && { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': answer.body.length }),
    ...answer.headers,
    ...(lingers && { Connection: 'close' }),
  })
  const bytes = request.method === 'HEAD' ? undefined : answer.body
  if (!lingers) return finishResponse(response, bytes)
  if (bytes === undefined) response.flushHeaders()
  else response.write(bytes)
  await readAway(request)
  await finishResponse(response)
}

/** Resolves when the answers of earlier requests on a pipelined connection have left, or when it has closed. */
async function turnOf({ request: { socket }, response }: Exchange): Promise<void> {
  if (response.socket !== null || socket.destroyed) return
  await new Promise<void>((resolve) => {
    const begin = () => {
      socket.off('close', begin)
      response.off('socket', begin)
      resolve()
    }
    response.once('socket', begin)
    socket.once('close', begin)
  })
}

async function finishResponse(response: Exchange['response'], bytes?: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    response.once('finish', resolve).once('close', resolve)
    response.end(bytes)
    // What nobody has read must not stand before the connection's next request.
    response.req.unpipe().resume()
  })
}

/**
 * A lingering close. Closing a connection on which the client is still sending makes its system throw the answer away;
 * so the answer is complete on the wire, and what still comes is read and forgotten, until the client has had enough.
 */
export async function readAway(request: Exchange['request']): Promise<void> {
  const { socket } = request
  // Who has ended within a body sends no more of it.
  if (socket.readableEnded) return
  await new Promise<void>((resolve) => {
    let bytes = 0
    const finish = () => {
      clearTimeout(timer)
      request.off('data', count)
      socket.off('end', finish)
      resolve()
    }
    const count = (chunk: Buffer) => {
      bytes += chunk.length
      countPassing(chunk.length)
      if (bytes > LINGER_BYTES) finish()
    }
    const timer = setTimeout(finish, LINGER_MS)
    request.on('data', count).once('end', finish).once('close', finish).once('error', finish)
    socket.once('end', finish)
    request.unpipe().resume()
  })
}
