import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { File, FileMetadata } from '@google-cloud/storage'

import type { CircuitBreaker, FailureMeaning } from '../breaker/breaker.ts'
import type { Config } from '../config.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { Objects, ObjectStat, ReadLink, SignedUpload, StoredObject } from '../podcast/storage.ts'
import { withDeadline } from '../resilience/deadline.ts'
import { inLanes } from '../resilience/lanes.ts'
import { once } from '../resilience/once.ts'
import { timePart } from '../telemetry/scope.ts'
import { SourceFailed } from '../podcast/errors.ts'
import { ObjectTooLarge } from './errors.ts'
import { failureOfStorage, isFailureOfStorage, statusOf } from './storage-failure.ts'

const CONTROL_TIMEOUT_MS = 10_000
/** As long as the longest function that writes may run. */
const TRANSFER_LEASE_MS = 540_000
const PAGE_SIZE = 1000
const REMOVED_AT_ONCE = 8
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
const SIGNED_URL_SECONDS_MAX = 7 * 24 * 3600

/** What the client is about to send. */
type ReadRequest = ReturnType<File['interceptors'][number]['request']>

/**
 * Artefacts in Cloud Storage. Every write is create-once: an object never changes under a reader.
 * @param pageSize objects that are listed at a time
 */
export function objectStore(config: Config, breaker: CircuitBreaker, pageSize = PAGE_SIZE): Objects {
  const opened = once(async () => {
    const { Storage } = await import('@google-cloud/storage')
    const storage = new Storage({
      projectId: config.projectId,
      ...(config.storageApiEndpoint !== undefined && { apiEndpoint: config.storageApiEndpoint }),
      // Repeats are ours to count.
      retryOptions: { autoRetry: false },
    })
    return storage.bucket(config.bucket)
  })
  const file = async (key: string): Promise<File> => (await opened()).file(key)
  /** One call of bounded time behind the breaker, counted towards the request's `storage` part. */
  const control = <T>(what: string, work: () => Promise<T>): Promise<T> =>
    timePart('storage', () => breaker.execute(() => withDeadline(`Storage ${what}`, CONTROL_TIMEOUT_MS, work())))

  return {
    /** Begins to load the client; call it when the function is sure to need it. */
    preload() {
      opened().catch(() => undefined)
      breaker.warmUp()
    },

    bucket: config.bucket,

    /** Writes an object under a name that is not taken. @returns its stat, of the earlier write when there was one */
    async create(
      key: string,
      content: Readable | Buffer | string,
      contentType: string,
      signal?: AbortSignal,
    ): Promise<ObjectStat> {
      // A transfer goes at its sender's pace: whether storage is well again is found out by something short.
      if (breaker.state !== 'closed') await this.stat(key)
      const target = await file(key)
      const sink = target.createWriteStream({
        resumable: false,
        metadata: { contentType },
        preconditionOpts: { ifGenerationMatch: 0 },
        validation: 'crc32c',
      })
      const source = typeof content === 'string' || Buffer.isBuffer(content) ? [content] : content
      try {
        const send = (guarded: AbortSignal) => transfer(source, sink, guarded)
        const options = { leaseMs: TRANSFER_LEASE_MS }
        await timePart('storage', () => breaker.execute(send, signal, options))
      } catch (error) {
        if (statusOf(error) !== 412) throw unavailable('write', error)
      }
      // The answer to the upload describes the object; an earlier write must be asked about.
      const written = target.metadata.generation === undefined ? await this.stat(key) : statOf(target.metadata)
      if (written === undefined) throw new ServiceUnavailable('gcs', 'A written object is not there')
      return written
    },

    /** @returns undefined when there is no such object */
    async stat(key: string): Promise<ObjectStat | undefined> {
      try {
        const [metadata] = await control('stat', async () => (await file(key)).getMetadata())
        return statOf(metadata)
      } catch (error) {
        if (statusOf(error) === 404) return undefined
        throw unavailable('stat', error)
      }
    },

    /** A small object whole, as text. @returns undefined when there is no such object */
    async readText(key: string): Promise<string | undefined> {
      const stat = await this.stat(key)
      if (stat === undefined) return undefined
      if (stat.sizeBytes > DOCUMENT_BYTES_MAX) throw new ObjectTooLarge()
      try {
        const [bytes] = await control('read', async () => (await file(key)).download())
        return bytes.toString('utf8')
      } catch (error) {
        throw unavailable('read', error)
      }
    },

    async readStream(key: string, range?: { start?: number; end?: number }): Promise<Readable> {
      if (breaker.state !== 'closed') await this.stat(key)
      const admission = await breaker.admit({ leaseMs: TRANSFER_LEASE_MS })
      const source = await file(key)
      // When a reading is left early, the client ends all connections of its agent, and so everybody's transfers; one of
      // Node's own agent is ended alone.
      source.interceptors.push({ request: (options) => Object.assign(options as ReadRequest, { forever: false }) })
      const stream = source.createReadStream(range)
      finished(stream, { writable: false }, (error) => void breaker.settle(admission, readingEnded(error)))
      return stream
    },

    /** A link that downloads the object, pinned to one version of it when asked. */
    async signedRead(key: string, options: ReadLink): Promise<string> {
      const { seconds, fromMs = Date.now(), generation, downloadName, query } = options
      const source = await file(key)
      const endsMs = fromMs + Math.min(seconds, SIGNED_URL_SECONDS_MAX) * 1000
      const signing = source.getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: fromMs,
        // The client refuses an end that is past by this machine's clock, which may be hours fast.
        expires: Math.max(endsMs, Date.now() + 1000),
        queryParams: { ...query, ...(generation && { generation }) },
        ...(downloadName && { promptSaveAs: downloadName }),
      })
      try {
        const [url] = await withDeadline('Storage sign', CONTROL_TIMEOUT_MS, signing)
        return url
      } catch (error) {
        throw unavailable('sign', error)
      }
    },

    /** A link through which one object of that type and size can be created, once. */
    async signedUpload(key: string, contentType: string, sizeBytes: number, seconds: number): Promise<SignedUpload> {
      const expiresAtMs = Date.now() + seconds * 1000
      const conditions = { 'x-goog-if-generation-match': '0', 'x-goog-content-length-range': `1,${sizeBytes}` }
      const [url] = await (
        await file(key)
      ).getSignedUrl({
        version: 'v4',
        action: 'write',
        expires: expiresAtMs,
        contentType,
        extensionHeaders: conditions,
      })
      const headers = { 'Content-Type': contentType, ...conditions }
      return { url, method: 'PUT', headers, expiresAt: new Date(expiresAtMs).toISOString() }
    },

    async *list(prefix: string): AsyncGenerator<StoredObject[]> {
      let pageToken: string | undefined
      do {
        const page = await listPage(prefix, pageToken)
        if (page.objects.length > 0) yield page.objects
        pageToken = page.nextPageToken
      } while (pageToken !== undefined)
    },

    async remove({ key, generation }: { readonly key: string; readonly generation?: string }): Promise<void> {
      const condition = generation === undefined ? {} : { ifGenerationMatch: generation }
      try {
        await control('delete', async () => (await file(key)).delete(condition))
      } catch (error) {
        const status = statusOf(error)
        if (status !== 404 && status !== 412) throw unavailable('delete', error)
      }
    },

    async removeAll(prefix: string, kept: ReadonlySet<string> = new Set()): Promise<void> {
      for await (const page of this.list(prefix)) {
        const removed = page.filter(({ key }) => !kept.has(key))
        await inLanes(REMOVED_AT_ONCE, removed, (object) => this.remove(object))
      }
    },
  }

  async function listPage(prefix: string, pageToken: string | undefined) {
    const listed = await opened()
    const query = { prefix, maxResults: pageSize, autoPaginate: false, ...(pageToken !== undefined && { pageToken }) }
    try {
      const [files, next] = await control('list', () => listed.getFiles(query))
      const objects = files.map(({ name, metadata }) => ({
        key: name,
        generation: String(metadata.generation),
        sizeBytes: Number(metadata.size),
        createdAtMs: Date.parse(String(metadata.timeCreated)),
      }))
      return { objects, nextPageToken: (next as { pageToken?: string } | null | undefined)?.pageToken }
    } catch (error) {
      throw unavailable('list', error)
    }
  }
}

/** @throws SourceFailed when it was the source that failed */
async function transfer(source: Readable | (string | Buffer)[], sink: Writable, signal: AbortSignal): Promise<void> {
  let first: 'source' | 'storage' | undefined
  if (!Array.isArray(source)) source.once('error', () => (first ??= 'source'))
  sink.once('error', () => (first ??= 'storage'))
  try {
    await pipeline(source, sink, { signal })
  } catch (error) {
    // Aborting destroys the source too. A source that had failed before anybody listened is found by its error.
    const aborted = signal.aborted && error instanceof Error && error.name === 'AbortError'
    const sourceFailed = first === 'source' || (!Array.isArray(source) && source.errored === error)
    throw sourceFailed && !aborted ? new SourceFailed(error) : error
  }
}

/** A reader that stopped early says nothing about storage. */
function readingEnded(error: NodeJS.ErrnoException | null | undefined): FailureMeaning | 'success' {
  if (!error) return 'success'
  return error.code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'ignored' : failureOfStorage(error)
}

function statOf(metadata: FileMetadata): ObjectStat {
  return {
    generation: String(metadata.generation),
    sizeBytes: Number(metadata.size),
    contentType: metadata.contentType ?? 'application/octet-stream',
  }
}

/** What storage itself could not do is told as such; an abort and errors of our own pass as they are. */
function unavailable(what: string, error: unknown): unknown {
  return isFailureOfStorage(error) ? new ServiceUnavailable('gcs', `Storage did not answer (${what})`, error) : error
}
