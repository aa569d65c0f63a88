import type { Readable } from 'node:stream'
import { finished } from 'node:stream'

import type { File, FileMetadata, GetSignedUrlConfig } from '@google-cloud/storage'

import type { CircuitBreaker } from '../breaker/breaker.ts'
import type { Config } from '../config.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { Objects, ObjectStat, ReadLink, SignedUpload, StorageCaller, StoredObject } from '../podcast/storage.ts'
import { inLanes } from '../resilience/lanes.ts'
import { once } from '../resilience/once.ts'
import { timePart } from '../telemetry/scope.ts'
import { ObjectTooLarge } from './errors.ts'
import { failureOfStorage, isFailureOfStorage, StatusError, statusOf } from './storage-failure.ts'
import { STORAGE_LIMITS } from './transfer-watch.ts'
import type { StorageLimits } from './transfer-watch.ts'
import { askInTime, readInTime, sendInTime } from './transfers.ts'

/** As long as the longest function that writes may run. */
const TRANSFER_LEASE_MS = 540_000
const PAGE_SIZE = 1000
const REMOVED_AT_ONCE = 8
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
const SIGNED_URL_SECONDS_MAX = 7 * 24 * 3600
const LOOK_SECONDS = 60
/** As long as any call of one answer. */
const LOOK_MS = 10_000

/** What the client is about to send. */
type ReadRequest = ReturnType<File['interceptors'][number]['request']>

/** `time`: the store's, which links begin and end by. `pageSize`: objects that are listed at a time. */
type ObjectOptions = {
  readonly time: () => Promise<number>
  readonly pageSize?: number
  readonly limits?: StorageLimits
}

/** Where storage is, unless configuration says otherwise. */
const GOOGLES_HOST = 'storage.googleapis.com'
const NEVER = new AbortController().signal

/** Artefacts in Cloud Storage. Every write is create-once: an object never changes under a reader. */
export function objectStore(
  config: Config,
  breaker: CircuitBreaker,
  { time, pageSize = PAGE_SIZE, limits = STORAGE_LIMITS }: ObjectOptions,
): Objects {
  const endpoint = config.storageApiEndpoint
  const opened = once(async () => {
    const { Storage } = await import('@google-cloud/storage')
    const storage = new Storage({
      projectId: config.projectId,
      ...(endpoint !== undefined && { apiEndpoint: endpoint }),
      // Repeats are ours to count.
      retryOptions: { autoRetry: false },
    })
    return storage.bucket(config.bucket)
  })
  const host = endpoint === undefined ? GOOGLES_HOST : new URL(endpoint).hostname
  const transfers = { host, limits: limits.transfer }
  const file = async (key: string): Promise<File> => (await opened()).file(key)

  const objectsOf = (caller: StorageCaller): Objects => ({
    bucket: config.bucket,
    within: (nested) => objectsOf(both(caller, nested)),

    /** Begins to load the client; call it when the function is sure to need it. */
    preload() {
      opened().catch(() => undefined)
      breaker.warmUp()
    },

    /** Writes an object under a name that is not taken. @returns its stat, of the earlier write when there was one */
    async create(
      key: string,
      content: Readable | Buffer | string,
      contentType: string,
      signal?: AbortSignal,
      labels?: Readonly<Record<string, string>>,
    ): Promise<ObjectStat> {
      // A transfer goes at its sender's pace: whether storage is well again is found out by something short.
      if (breaker.state !== 'closed') await this.stat(key)
      const target = await file(key)
      const open = () =>
        target.createWriteStream({
          resumable: false,
          metadata: { contentType, ...(labels && { metadata: { ...labels } }) },
          preconditionOpts: { ifGenerationMatch: 0 },
          validation: 'crc32c',
        })
      const { signal: ends, onProgress } = both(caller, { signal })
      try {
        const send = (guarded: AbortSignal) =>
          sendInTime(content, open, { signal: guarded, ...(onProgress && { onProgress }) }, transfers)
        await timePart('storage', () => breaker.execute(send, ends, { leaseMs: TRANSFER_LEASE_MS }))
      } catch (error) {
        if (statusOf(error) !== 412) throw explain('write', error, ends)
      }
      // The answer to the upload describes the object; an earlier write must be asked about.
      const written = target.metadata.generation === undefined ? await this.stat(key) : statOf(target.metadata)
      if (written === undefined) throw new ServiceUnavailable('gcs', 'A written object is not there')
      return written
    },

    /** @returns undefined when there is no such object */
    async stat(key: string): Promise<ObjectStat | undefined> {
      try {
        const [metadata] = await control(caller, 'stat', async () => (await file(key)).getMetadata())
        return statOf(metadata)
      } catch (error) {
        if (statusOf(error) === 404) return undefined
        throw explain('stat', error, caller.signal)
      }
    },

    /** A small object whole, as text. @returns undefined when there is no such object */
    async readText(key: string): Promise<string | undefined> {
      const stat = await this.stat(key)
      if (stat === undefined) return undefined
      if (stat.sizeBytes > DOCUMENT_BYTES_MAX) throw new ObjectTooLarge()
      const chunks: Buffer[] = []
      for await (const chunk of await this.readStream(key)) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },

    async readStream(key: string): Promise<Readable> {
      if (breaker.state !== 'closed') await this.stat(key)
      const admission = await breaker.admit({ leaseMs: TRANSFER_LEASE_MS })
      const source = await file(key)
      // When a reading is left early, the client ends all connections of its agent, and so everybody's transfers; one of
      // Node's own agent is ended alone.
      source.interceptors.push({ request: (options) => Object.assign(options as ReadRequest, { forever: false }) })
      let failure: unknown
      const tell = (error: unknown) => explain('read', (failure = error))
      const reading = readInTime(() => source.createReadStream(), tell, caller, transfers)
      // A reader that stopped early says nothing about storage.
      const result = (error: unknown) => (failure ? failureOfStorage(failure) : error ? 'ignored' : 'success')
      finished(reading, { writable: false }, (error) => void breaker.settle(admission, result(error)))
      return reading
    },

    async requireReachable(key: string): Promise<void> {
      const link = await this.signedRead(key, { seconds: LOOK_SECONDS })
      try {
        await control(caller, 'look', () => lookAt(link))
      } catch (error) {
        throw explain('look', error, caller.signal)
      }
    },

    /** A link that downloads the object, pinned to one version of it when asked. */
    async signedRead(key: string, options: ReadLink): Promise<string> {
      const { seconds, generation, downloadName, query } = options
      const fromMs = options.fromMs ?? (await time())
      return sign(caller, await file(key), {
        action: 'read',
        accessibleAt: fromMs,
        expires: fromMs + Math.min(seconds, SIGNED_URL_SECONDS_MAX) * 1000,
        queryParams: { ...query, ...(generation && { generation }) },
        ...(downloadName && { promptSaveAs: downloadName }),
      })
    },

    /** A link through which one object of that type and size can be created, once. */
    async signedUpload(key: string, contentType: string, sizeBytes: number, seconds: number): Promise<SignedUpload> {
      const fromMs = wholeSeconds(await time())
      const expiresAtMs = fromMs + seconds * 1000
      const conditions = { 'x-goog-if-generation-match': '0', 'x-goog-content-length-range': `1,${sizeBytes}` }
      const url = await sign(caller, await file(key), {
        action: 'write',
        accessibleAt: fromMs,
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
        const page = await listPage(caller, prefix, pageToken)
        if (page.objects.length > 0) yield page.objects
        pageToken = page.nextPageToken
      } while (pageToken !== undefined)
    },

    async remove({ key, generation }: { readonly key: string; readonly generation?: string }): Promise<void> {
      const condition = generation === undefined ? {} : { ifGenerationMatch: generation }
      try {
        await control(caller, 'delete', async () => (await file(key)).delete(condition))
      } catch (error) {
        const status = statusOf(error)
        if (status !== 404 && status !== 412) throw explain('delete', error, caller.signal)
      }
    },

    async removeAll(prefix: string, kept: ReadonlySet<string> = new Set()): Promise<number> {
      let found = 0
      for await (const page of this.list(prefix)) {
        const removed = page.filter(({ key }) => !kept.has(key))
        await inLanes(REMOVED_AT_ONCE, removed, (object) => this.remove(object))
        found += removed.length
      }
      return found
    },
  })
  return objectsOf({})

  /** One call of one answer, behind the breaker, counted towards the request's `storage` part. */
  function control<T>(caller: StorageCaller, what: string, work: () => Promise<T>): Promise<T> {
    const ask = (guarded: AbortSignal) => askInTime(what, work, guarded, { host, limits: limits.controlMs })
    return timePart('storage', async () => {
      const answer = await breaker.execute(ask, caller.signal)
      caller.onProgress?.()
      return answer
    })
  }

  /** What needs a signature that only Google can make asks for it; storage itself is not asked, nor its breaker. */
  async function sign(
    { signal = NEVER }: StorageCaller,
    signed: File,
    options: Omit<GetSignedUrlConfig, 'version'>,
  ): Promise<string> {
    try {
      const signing = async () => {
        await ignoreOwnClock(signed)
        return signed.getSignedUrl({ version: 'v4', ...options })
      }
      const [url] = await askInTime('sign', signing, signal, { host, limits: limits.controlMs })
      return url
    } catch (error) {
      throw explain('sign', error, signal)
    }
  }

  async function listPage(caller: StorageCaller, prefix: string, pageToken: string | undefined) {
    const listed = await opened()
    const query = { prefix, maxResults: pageSize, autoPaginate: false, ...(pageToken !== undefined && { pageToken }) }
    try {
      const [files, next] = await control(caller, 'list', () => listed.getFiles(query))
      const objects = files.map(({ name, metadata }) => ({
        key: name,
        generation: String(metadata.generation),
        sizeBytes: Number(metadata.size),
        createdAtMs: Date.parse(String(metadata.timeCreated)),
      }))
      return { objects, nextPageToken: (next as { pageToken?: string } | null | undefined)?.pageToken }
    } catch (error) {
      throw explain('list', error, caller.signal)
    }
  }
}

/** The client refuses to sign what is past by this machine's clock, which may be hours fast: here the store's counts. */
async function ignoreOwnClock(signed: File): Promise<void> {
  // A file gets its signer with the first link that is asked of it: here with one that cannot be signed.
  await signed.getSignedUrl({ version: 'v4', action: 'read', expires: 0 }).catch(() => undefined)
  if (signed.signer) signed.signer.parseExpires = (expires) => Math.floor(new Date(expires).getTime() / 1000)
}

/** Signatures know no less. */
function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000
}

/** A caller within another: either ends its calls, and both hear of progress. */
function both(outer: StorageCaller, inner: StorageCaller): StorageCaller {
  const signals = [outer.signal, inner.signal].filter((signal) => signal !== undefined)
  const listeners = [outer.onProgress, inner.onProgress].filter((listener) => listener !== undefined)
  return {
    ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
    ...(listeners.length > 0 && { onProgress: () => listeners.forEach((listener) => listener()) }),
  }
}

/** Fetches one byte, as whoever has the link would. @throws for an answer that says that storage cannot do it just now */
async function lookAt(link: string): Promise<void> {
  const { status, body } = await fetch(link, { headers: { Range: 'bytes=0-0' }, signal: AbortSignal.timeout(LOOK_MS) })
  await body?.cancel()
  const refusal = new StatusError(status)
  if (status >= 400 && isFailureOfStorage(refusal)) throw refusal
}

function statOf(metadata: FileMetadata): ObjectStat {
  return {
    generation: String(metadata.generation),
    sizeBytes: Number(metadata.size),
    contentType: metadata.contentType ?? 'application/octet-stream',
    ...(metadata.metadata && { labels: metadata.metadata as Record<string, string> }),
  }
}

/**
 * What storage itself could not do is told as such; errors of our own pass as they are, and so does the reason of a
 * caller's signal.
 */
function explain(what: string, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason
  return isFailureOfStorage(error) ? new ServiceUnavailable('gcs', `Storage did not answer (${what})`, error) : error
}
