import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { File, FileMetadata } from '@google-cloud/storage'

import type { Config } from '../config.ts'
import { AppError } from '../errors/app-error.ts'
import { DeadlineError, withDeadline } from '../resilience/deadline.ts'
import { once } from '../resilience/once.ts'
import { timed } from '../telemetry/scope.ts'

const CONTROL_TIMEOUT_MS = 10_000
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
const SIGNED_URL_SECONDS_MAX = 7 * 24 * 3600

export type ObjectStat = { generation: string; sizeBytes: number; contentType: string }
export type SignedUpload = { url: string; method: 'PUT'; headers: Record<string, string>; expiresAt: string }
export type ObjectStore = ReturnType<typeof objectStore>

/** Artefacts in Cloud Storage. Every write is create-once: an object never changes under a reader. */
export function objectStore(config: Config) {
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

  return {
    /** Begins to load the client; call it when the function is sure to need it. */
    preload: () => void opened().catch(() => undefined),

    /** Writes an object under a name that is not taken. @returns its stat, of the earlier write when there was one */
    async create(
      key: string,
      content: Readable | Buffer | string,
      contentType: string,
      signal?: AbortSignal,
    ): Promise<ObjectStat> {
      const target = await file(key)
      const sink = target.createWriteStream({
        resumable: false,
        metadata: { contentType },
        preconditionOpts: { ifGenerationMatch: 0 },
        validation: 'crc32c',
      })
      const source = typeof content === 'string' || Buffer.isBuffer(content) ? [content] : content
      try {
        await timed('storage', () => pipeline(source, sink, signal ? { signal } : {}))
      } catch (error) {
        if (statusOf(error) !== 412) throw unavailable('write', error)
      }
      // The answer to the upload describes the object; an earlier write must be asked about.
      const written = target.metadata.generation === undefined ? await this.stat(key) : statOf(target.metadata)
      if (written === undefined)
        throw new AppError('service_unavailable', { technical: 'A written object is not there' })
      return written
    },

    /** @returns undefined when there is no such object */
    async stat(key: string): Promise<ObjectStat | undefined> {
      try {
        const [metadata] = await control('stat', (await file(key)).getMetadata())
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
      if (stat.sizeBytes > DOCUMENT_BYTES_MAX)
        throw new AppError('internal_error', { technical: 'The object is too large' })
      const [bytes] = await control('read', (await file(key)).download())
      return bytes.toString('utf8')
    },

    async readStream(key: string, range?: { start?: number; end?: number }): Promise<Readable> {
      return (await file(key)).createReadStream(range)
    },

    /** A link that downloads the object, pinned to one version of it when asked. */
    async signedRead(
      key: string,
      options: { seconds: number; generation?: string; downloadName?: string; query?: Record<string, string> },
    ): Promise<string> {
      const source = await file(key)
      const [url] = await source.getSignedUrl({
        version: 'v4',
        action: 'read',
        expires: Date.now() + Math.min(options.seconds, SIGNED_URL_SECONDS_MAX) * 1000,
        queryParams: { ...options.query, ...(options.generation && { generation: options.generation }) },
        ...(options.downloadName && { promptSaveAs: options.downloadName }),
      })
      return url
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

    async removeAll(prefix: string): Promise<void> {
      const emptied = await opened()
      try {
        const work = emptied.deleteFiles({ prefix, force: true })
        await control('delete', work, 3 * CONTROL_TIMEOUT_MS)
      } catch (error) {
        throw unavailable('delete', error)
      }
    },
  }
}

/** One call of bounded time, counted towards the request's `storage` part. */
async function control<T>(what: string, work: Promise<T>, timeoutMs = CONTROL_TIMEOUT_MS): Promise<T> {
  return timed('storage', () => withDeadline(`Storage ${what}`, timeoutMs, work))
}

function statOf(metadata: FileMetadata): ObjectStat {
  return {
    generation: String(metadata.generation),
    sizeBytes: Number(metadata.size),
    contentType: metadata.contentType ?? 'application/octet-stream',
  }
}

function statusOf(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : typeof code === 'string' && /^\d{3}$/.test(code) ? Number(code) : undefined
}

/** An abort and an AppError pass as they are; what storage itself could not do is service_unavailable. */
function unavailable(what: string, error: unknown): unknown {
  if (error instanceof AppError || (error instanceof Error && error.name === 'AbortError')) return error
  const status = statusOf(error)
  const ours =
    error instanceof DeadlineError || status === undefined || status >= 500 || status === 429 || status === 408
  return ours
    ? new AppError('service_unavailable', { technical: `Storage did not answer (${what})`, cause: error })
    : error
}
