import { randomUUID } from 'node:crypto'

import { readContentRange } from './content-range.ts'
import type { ContentRange } from './content-range.ts'
import type { FileStore, FileWriter, StoredFile } from './files.ts'
import type { Conditions, ObjectSettings, StoredObject } from './objects.ts'

/** What an upload is to become. */
export type UploadTarget = {
  bucket: string
  name: string
  settings: ObjectSettings
  conditions: Conditions
  lengthRange: { min: number; max: number } | undefined
  /** What `X-Upload-Content-Length` announced. */
  totalBytes: number | undefined
  /** What the client says they are. */
  checksums?: { md5Hash?: string; crc32c?: string }
}

export type ChunkResult =
  | { kind: 'incomplete'; bytes: number }
  | { kind: 'complete'; object: StoredObject }
  | { kind: 'gap'; start: number; bytes: number }
  | { kind: 'too-large' | 'bad' | 'gone' | 'superseded' }

/** Makes an object of what was received. @throws when it may not be one */
type Store = (file: StoredFile, target: UploadTarget) => StoredObject

/** What is not the end of an upload is kept in multiples of this. */
const QUANTUM_BYTES = 256 * 1024
/** https://docs.cloud.google.com/storage/docs/resumable-uploads: a session's URI expires after a week. */
const LIFE_MS = 7 * 24 * 3_600_000
/** The real service has no such limit; whoever starts more loses those that were started first. */
const OPEN_MAX = 10_000

/** Resumable uploads in progress. The session id is the only secret: whoever has it may send. */
export class Sessions {
  readonly #files: FileStore
  /** In the order in which they were started. */
  readonly #open = new Map<string, { session: Session; startedAtMs: number }>()

  constructor(files: FileStore) {
    this.#files = files
  }

  start(target: UploadTarget): string {
    const nowMs = Date.now()
    for (const [id, { startedAtMs }] of this.#open)
      if (nowMs - startedAtMs >= LIFE_MS || this.#open.size >= OPEN_MAX) this.end(id)
      else break
    const id = randomUUID()
    this.#open.set(id, { session: new Session(target, this.#files), startedAtMs: nowMs })
    return id
  }

  get(id: string): Session | undefined {
    const found = this.#open.get(id)
    if (found === undefined || Date.now() - found.startedAtMs < LIFE_MS) return found?.session
    this.end(id)
    return undefined
  }

  /** Forgets a session and what it has received. @returns whether there was one */
  end(id: string): boolean {
    const found = this.#open.get(id)
    void found?.session.discard()
    return this.#open.delete(id)
  }
}

type SessionState =
  | { readonly kind: 'open' | 'gone' }
  | { readonly kind: 'complete'; readonly object: StoredObject; readonly totalBytes: number }

/** One resumable upload. What was received of it once is not received again. */
export class Session {
  readonly target: UploadTarget
  readonly #writer: FileWriter
  #state: SessionState = { kind: 'open' }
  /** Which request's bytes count: a client that sends again has given up the request before. */
  #turn = 0
  #writing: Promise<void> = Promise.resolve()
  #finishing: Promise<StoredFile> | undefined

  constructor(target: UploadTarget, files: FileStore) {
    this.target = target
    this.#writer = files.create()
  }

  async discard(): Promise<void> {
    if (this.#state.kind !== 'open') return
    this.#state = { kind: 'gone' }
    await this.#writing.catch(() => undefined)
    await this.#writer.discard()
  }

  /**
   * Takes in what one request brings. A repetition of the last one is answered with the object that came of it.
   * @throws when its client goes in the middle (what arrived until then counts), and what `store` throws
   */
  async receive(header: string | undefined, body: AsyncIterable<Buffer>, store: Store): Promise<ChunkResult> {
    const range = readContentRange(header)
    if (range.kind === 'bad') return range
    if (this.#state.kind === 'gone') return { kind: 'gone' }
    if (this.#state.kind === 'complete') {
      const { object, totalBytes } = this.#state
      return typeof range.total !== 'number' || range.total === totalBytes
        ? { kind: 'complete', object }
        : { kind: 'gone' }
    }
    if (typeof range.total === 'number') {
      if (range.total !== (this.target.totalBytes ?? range.total)) return { kind: 'bad' }
      if (range.total > this.#bytesMax) return { kind: 'too-large' }
    }
    if (range.kind === 'bytes') return this.#append(range, body, store)
    const bytes = this.#writer.sizeBytes
    return range.total === bytes ? this.#complete(++this.#turn, store) : { kind: 'incomplete', bytes }
  }

  get #bytesMax(): number {
    return this.target.lengthRange?.max ?? Infinity
  }

  async #append(
    { start, end, total }: Extract<ContentRange, { kind: 'bytes' }>,
    body: AsyncIterable<Buffer>,
    store: Store,
  ): Promise<ChunkResult> {
    const turn = ++this.#turn
    await this.#writing.catch(() => undefined)
    const knownBytes = this.#writer.sizeBytes
    if (start > knownBytes) return { kind: 'gap', start, bytes: knownBytes }
    const endMax = end ?? (typeof total === 'number' ? total : Infinity)
    let at = start
    let held: Buffer[] = []
    let heldBytes = 0
    try {
      for await (const chunk of body) {
        const fresh = chunk.subarray(Math.max(0, knownBytes - at))
        at += chunk.length
        if (at > endMax) return { kind: 'bad' }
        if (at > this.#bytesMax) return { kind: 'too-large' }
        held.push(fresh)
        heldBytes += fresh.length
        if (heldBytes < QUANTUM_BYTES) continue
        const bytes = Buffer.concat(held)
        heldBytes = bytes.length % QUANTUM_BYTES
        if (!(await this.#write(turn, bytes.subarray(0, bytes.length - heldBytes)))) return { kind: 'superseded' }
        held = [bytes.subarray(bytes.length - heldBytes)]
      }
      if (total !== 'all' && at !== total) return { kind: 'incomplete', bytes: this.#writer.sizeBytes }
      if (!(await this.#write(turn, Buffer.concat(held)))) return { kind: 'superseded' }
      return await this.#complete(turn, store)
    } finally {
      if (this.#counts(turn)) await this.#writer.pause()
    }
  }

  #counts(turn: number): boolean {
    return turn === this.#turn && this.#state.kind === 'open'
  }

  /** @returns false when another request took the upload over */
  async #write(turn: number, bytes: Buffer): Promise<boolean> {
    if (!this.#counts(turn)) return false
    this.#writing = this.#writer.write(bytes)
    await this.#writing
    return true
  }

  async #complete(turn: number, store: Store): Promise<ChunkResult> {
    const file = await (this.#finishing ??= this.#writer.finish())
    if (!this.#counts(turn)) return { kind: 'superseded' }
    // Whatever comes of it, the file is no longer the session's.
    this.#state = { kind: 'gone' }
    const object = store(file, this.target)
    this.#state = { kind: 'complete', object, totalBytes: file.sizeBytes }
    return { kind: 'complete', object }
  }
}
