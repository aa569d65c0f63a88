import type { IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'

import { AppError } from '../errors/app-error.ts'
import { declaredBody } from './intake.ts'

const MIB = 1024 * 1024

/**
 * The request's body as a stream that fails with request_too_large once it passes `bytesMax`: at once when the client
 * declared more, at the byte that crosses the line when it did not.
 */
export function boundedBody(request: IncomingMessage, bytesMax: number): Readable {
  const declaredBytes = bodyLength(request)
  if (declaredBytes !== undefined && declaredBytes > bytesMax) throw tooLarge(bytesMax, declaredBytes)
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new AppError('unsupported_media_type', { technical: 'Send the body without a Content-Encoding' })
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length
      if (bytes > bytesMax) callback(tooLarge(bytesMax))
      else callback(null, chunk)
    },
  })
  request.once('error', (error) => counted.destroy(error))
  request.once('close', () => {
    if (!request.complete) counted.destroy(new AppError('validation_error', { technical: 'The body ended early' }))
  })
  return request.pipe(counted)
}

/** The whole body in memory, at most `bytesMax` of it. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of boundedBody(request, bytesMax)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Declared length in bytes; undefined for a chunked body. */
function bodyLength(request: IncomingMessage): number | undefined {
  const declared = declaredBody(request)
  if (declared === undefined) throw new AppError('internal_error', { technical: 'The body intake is not installed' })
  if (declared.transferEncoding !== undefined) return undefined
  return Number(declared.contentLength ?? 0)
}

function tooLarge(bytesMax: number, bytes?: number): AppError {
  const limit = `${(bytesMax / MIB).toLocaleString('en', { maximumFractionDigits: 1 })} MiB`
  return new AppError('request_too_large', {
    message: `This is larger than the ${limit} we accept here.`,
    technical: `The body exceeds ${bytesMax} bytes`,
    details: { limitBytes: bytesMax, ...(bytes !== undefined && { sizeBytes: bytes }) },
    headers: { Connection: 'close' },
  })
}
