import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'

import { HttpError } from './http-error.ts'
import { Slots } from '../resilience/slots.ts'
import type { Parts } from '../telemetry/scope.ts'
import { inflate } from './content-encoding.ts'
import type { EndpointRow } from './endpoint-row.ts'
import { countPassing } from './forced-collection/forced-collection.ts'
import type { Arrival } from './arrival.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** A body of this size is held without asking. */
const FREE_BYTES = 64 * KIB
/** So many larger ones are in memory at a time; the others wait in their sockets. */
const largeBodies = new Slots(8)

/** A body that is read whole has this share of its function's time to arrive: a slow sender must not hold its slot. */
const ARRIVAL_SHARE = 1 / 3

/** `bytesMaxOverall`: what no function takes more of. `parts`: the time the body takes is counted there. */
type BodyOfRequest = {
  request: IncomingMessage
  response: ServerResponse
  arrival: Arrival
  row: EndpointRow
  bytesMaxOverall: number
  parts: Parts
}

/** The body of one request: counted as it comes, never more of it in memory than its function takes. */
export class RequestBody {
  /** Bytes it may have, as sent and as inflated. */
  readonly bytesMax: number
  /** What the client announced; undefined for a chunked body. Node has refused lengths that are not one number. */
  readonly declaredBytes: number | undefined
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #arrival: Arrival
  readonly #row: EndpointRow
  readonly #parts: Parts
  #receivedBytes = 0

  constructor({ request, response, arrival, row, bytesMaxOverall, parts }: BodyOfRequest) {
    this.#request = request
    this.#response = response
    this.#arrival = arrival
    this.#row = row
    this.#parts = parts
    // A body that nobody reads is bounded too.
    this.bytesMax = row.input === 'query' ? bytesMaxOverall : Math.min(row.bodyBytesMax, bytesMaxOverall)
    this.declaredBytes = readDeclaredBytes(request)
  }

  /** Bytes that have been read, as sent. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Bytes that may still come over the wire, as far as is known. */
  get unreadBytes(): number {
    if (this.#request.complete || this.declaredBytes === 0) return 0
    return this.declaredBytes === undefined ? Infinity : this.declaredBytes - this.#receivedBytes
  }

  /**
   * What can be said before a byte of it is read.
   * @throws HttpError request_too_large when too much is declared; unsupported_media_type when a stream is encoded
   */
  check(): void {
    if (this.declaredBytes !== undefined && this.declaredBytes > this.bytesMax)
      throw this.#refuseSize(this.declaredBytes, false)
    if (this.#row.input === 'stream' && readContentEncoding(this.#request) !== undefined)
      throw refuseEncoding('Send the body without a Content-Encoding')
  }

  /**
   * The body as it comes, once it is checked. Fails with request_too_large at the byte that crosses the line.
   */
  stream(): Readable {
    this.#begin()
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, callback) => {
        this.#count(chunk)
        if (this.#receivedBytes > this.bytesMax) callback(this.#refuseSize(this.#receivedBytes, true))
        else callback(null, chunk)
      },
    })
    const request = this.#request
    counter.once('close', () => this.#parts.end('body'))
    request.once('error', (error) => counter.destroy(error))
    request.once('close', () => {
      if (!request.complete) counter.destroy(describeEarlyEnd())
    })
    return request.pipe(counter)
  }

  /**
   * Reads the whole body of a person's request, once it is checked, and inflates it. A large body keeps its slot until
   * `use` has returned, which should keep little of it.
   * @throws HttpError request_too_large, unsupported_media_type, validation_error or timeout
   */
  async read<T>(person: string, signal: AbortSignal, use: (bytes: Buffer) => T): Promise<T> {
    if (this.declaredBytes === 0) return use(Buffer.alloc(0))
    this.#begin()
    let release: (() => void) | undefined
    const hold = async () => (release ??= await largeBodies.take(person, signal))
    try {
      if ((this.declaredBytes ?? 0) > FREE_BYTES) await hold()
      return use(this.#inflate(await this.#collect(hold)))
    } finally {
      this.#parts.end('body')
      release?.()
    }
  }

  #count(chunk: Buffer): void {
    this.#receivedBytes += chunk.length
    countPassing(chunk.length)
  }

  #begin(): void {
    this.#parts.begin('body')
    if (this.#arrival.expects !== 'continue') return
    const response = this.#response
    if (response.socket !== null) return response.writeContinue()
    // Its turn on a pipelined connection has not come, and Node would put the answer's head before what waits.
    response.once('socket', () => {
      if (!response.headersSent) response.writeContinue()
    })
  }

  async #collect(hold: () => Promise<unknown>): Promise<Buffer> {
    const request = this.#request
    const chunks: Buffer[] = []
    return new Promise((resolve, reject) => {
      const arrivalSeconds = this.#row.timeoutSeconds * ARRIVAL_SHARE
      const timer = setTimeout(() => {
        fail(new HttpError('timeout', { technical: `The body took longer than ${arrivalSeconds.toFixed(0)} s` }))
      }, arrivalSeconds * 1000)
      const stop = () => {
        clearTimeout(timer)
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      }
      const fail = (error: Error) => {
        stop()
        request.pause()
        reject(error)
      }
      const onData = (chunk: Buffer) => {
        const before = this.#receivedBytes
        this.#count(chunk)
        if (this.#receivedBytes > this.bytesMax) return fail(this.#refuseSize(this.#receivedBytes, true))
        chunks.push(chunk)
        if (before > FREE_BYTES || this.#receivedBytes <= FREE_BYTES) return
        request.pause()
        hold().then(() => request.resume(), fail)
      }
      const onEnd = () => {
        stop()
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
      }
      const onClose = () => fail(describeEarlyEnd())
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
    })
  }

  #inflate(sent: Buffer): Buffer {
    const encoding = readContentEncoding(this.#request)
    if (encoding === undefined || sent.length === 0) return sent
    const result = inflate(sent, encoding, this.bytesMax)
    switch (result.kind) {
      case 'bytes':
        return result.bytes
      case 'tooLarge':
        throw this.#refuseSize(this.bytesMax + 1, true)
      case 'unknown':
        throw refuseEncoding('Content-Encoding must be gzip, deflate or br')
      case 'damaged':
        throw new HttpError('validation_error', { technical: `The body is not valid ${encoding}`, cause: result.cause })
    }
  }

  /** @param atLeast whether the true size is unknown because reading stopped here */
  #refuseSize(sizeBytes: number, atLeast: boolean): HttpError {
    const limit = formatBytes(this.bytesMax)
    const size = atLeast ? `more than ${limit}` : formatBytes(sizeBytes)
    const { largerThan } = this.#row
    return new HttpError('request_too_large', {
      message: `This is ${size}; we accept at most ${limit} here.${largerThan ? ` ${largerThan.advice}` : ''}`,
      technical: atLeast
        ? `The body exceeds ${this.bytesMax} bytes`
        : `The body has ${sizeBytes} bytes, at most ${this.bytesMax} are taken`,
      details: {
        limitBytes: this.bytesMax,
        sizeBytes,
        ...(atLeast && { sizeIsAtLeast: true }),
        ...(largerThan && { use: largerThan.use }),
      },
    })
  }
}

function readDeclaredBytes({ headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined
  return Number(headers['content-length'] ?? 0)
}

function readContentEncoding({ headers }: IncomingMessage): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  return encoding === undefined || encoding === '' || encoding === 'identity' ? undefined : encoding
}

function refuseEncoding(technical: string): HttpError {
  return new HttpError('unsupported_media_type', {
    message: 'The encoding of this request is not accepted here.',
    technical,
  })
}

function describeEarlyEnd(): HttpError {
  return new HttpError('validation_error', { technical: 'The body ended early' })
}

function formatBytes(bytes: number): string {
  if (bytes < KIB) return `${bytes} bytes`
  const [amount, unit] = bytes < MIB ? [bytes / KIB, 'KiB'] : [bytes / MIB, 'MiB']
  return `${amount.toLocaleString('en', { maximumFractionDigits: 1 })} ${unit}`
}
