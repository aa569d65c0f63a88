import { GrpcError, STATUS } from '../grpc-service.ts'
import type { KeptTable } from '../kept/table.ts'
import { applyTransforms } from './transforms.ts'
import type { Transform } from './transforms.ts'
import { getField, parsePath, toMicros, toTimestamp, withField } from './values.ts'
import type { Fields, Micros, Timestamp, Value } from './values.ts'

/** One version of a document; `fields` is undefined once it is deleted. */
export type Version = { updateTime: Micros; createTime: Micros; fields: Fields | undefined }
export type Document = { name: string; fields: Fields; createTime: Timestamp; updateTime: Timestamp }

export type Write = {
  update?: { name: string; fields?: Fields }
  delete?: string
  verify?: string
  transform?: { document: string; fieldTransforms?: Transform[] }
  updateMask?: { fieldPaths?: string[] } | null
  updateTransforms?: Transform[]
  currentDocument?: { exists?: boolean; updateTime?: Timestamp } | null
}
export type WriteResult = { updateTime: Timestamp; transformResults: Value[] }

/** How long reads at a past time stay possible; older versions are forgotten. */
const HISTORY_MICROS = 60 * 1e6
const DOCUMENT_BYTES_MAX = 1_048_576

/**
 * The documents of one database, with their recent versions. Commits happen one after another, each at a time of its
 * own, so that every compare-and-set on an update time is exact.
 */
export class Database {
  readonly #collections = new Map<string, Map<string, Version[]>>()
  readonly #kept: KeptTable<Version> | undefined
  readonly #nowMs: () => number
  #lastMoment: Micros = 0

  /**
   * @param kept takes what is written, for a later process
   * @param nowMs its own clock, which need not be this machine's
   */
  constructor(kept?: KeptTable<Version>, nowMs: () => number = () => Date.now()) {
    this.#kept = kept
    this.#nowMs = nowMs
  }

  /** Takes in a document that was kept. */
  restore(name: string, version: Version): void {
    this.#lastMoment = Math.max(this.#lastMoment, version.updateTime)
    this.#append(name, version)
  }

  /** This moment: every commit before it is seen by a read at it, and every later one is not. */
  now(): Micros {
    return (this.#lastMoment = Math.max(this.#lastMoment, this.#nowMs() * 1000))
  }

  read(name: string, at: Micros): Version | undefined {
    const versions = this.#collections.get(parentOf(name))?.get(name)
    return liveAt(versions, at)
  }

  /** Every live document of one collection. */
  *collection(path: string, at: Micros): Generator<[string, Version]> {
    for (const [name, versions] of this.#collections.get(path) ?? []) {
      const version = liveAt(versions, at)
      if (version) yield [name, version]
    }
  }

  /** Paths of all collections at or below a document or the root. */
  collectionsBelow(root: string): string[] {
    return [...this.#collections.keys()].filter((path) => path.startsWith(`${root}/`))
  }

  /** All writes or none. @throws GrpcError when a precondition does not hold */
  commit(writes: readonly Write[]): { results: WriteResult[]; commitTime: Timestamp } {
    const commitTime = Math.max(this.#lastMoment + 1, this.#nowMs() * 1000)
    const pending = new Map<string, Version>()
    const results = writes.map((write) => this.#stage(write, pending, commitTime))
    this.#kept?.write([...pending].map(([name, version]) => [name, version.fields && version]))
    this.#lastMoment = commitTime
    for (const [name, version] of pending) this.#append(name, version)
    return { results, commitTime: toTimestamp(commitTime) }
  }

  #stage(write: Write, pending: Map<string, Version>, commitTime: Micros): WriteResult {
    const name = write.update?.name ?? write.delete ?? write.transform?.document ?? write.verify ?? ''
    checkName(name)
    const current = pending.get(name) ?? this.read(name, this.#lastMoment)
    const live = current?.fields === undefined ? undefined : current
    checkPrecondition(write, name, live)
    if (write.verify !== undefined)
      return { updateTime: toTimestamp(live?.updateTime ?? commitTime), transformResults: [] }
    if (write.delete !== undefined) {
      pending.set(name, { createTime: commitTime, updateTime: commitTime, fields: undefined })
      return { updateTime: toTimestamp(commitTime), transformResults: [] }
    }
    const merged = write.update ? mergeFields(live?.fields, write) : (live?.fields ?? {})
    const transforms = [...(write.updateTransforms ?? []), ...(write.transform?.fieldTransforms ?? [])]
    const { fields, results } = applyTransforms(merged, transforms, commitTime)
    checkSize(fields, name)
    // A write that changes nothing keeps the update time, as in the cloud.
    const unchanged = live !== undefined && JSON.stringify(live.fields) === JSON.stringify(fields)
    const updateTime = unchanged ? live.updateTime : commitTime
    pending.set(name, { createTime: live?.createTime ?? commitTime, updateTime, fields })
    return { updateTime: toTimestamp(updateTime), transformResults: results }
  }

  #append(name: string, version: Version): void {
    const path = parentOf(name)
    const collection = this.#collections.get(path) ?? new Map<string, Version[]>()
    this.#collections.set(path, collection)
    const versions = collection.get(name) ?? []
    const horizon = version.updateTime - HISTORY_MICROS
    const firstNeeded = Math.max(
      0,
      versions.findLastIndex(({ updateTime }) => updateTime <= horizon),
    )
    collection.set(name, [...versions.slice(firstNeeded), version])
  }
}

export function asDocument(name: string, version: Version): Document {
  return {
    name,
    fields: version.fields ?? {},
    createTime: toTimestamp(version.createTime),
    updateTime: toTimestamp(version.updateTime),
  }
}

export function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'))
}

function liveAt(versions: readonly Version[] | undefined, at: Micros): Version | undefined {
  const version = versions?.findLast(({ updateTime }) => updateTime <= at)
  return version?.fields === undefined ? undefined : version
}

function mergeFields(current: Fields | undefined, { update, updateMask }: Write): Fields {
  const given = update?.fields ?? {}
  if (updateMask == null) return given
  let fields = current ?? {}
  for (const path of (updateMask.fieldPaths ?? []).map(parsePath))
    fields = withField(fields, path, getField(given, path))
  return fields
}

function checkPrecondition({ currentDocument }: Write, name: string, live: Version | undefined): void {
  if (currentDocument == null) return
  const { exists, updateTime } = currentDocument
  if (exists === true && live === undefined) throw new GrpcError(STATUS.notFound, `No document to update: ${name}`)
  if (exists === false && live !== undefined)
    throw new GrpcError(STATUS.alreadyExists, `Document already exists: ${name}`)
  if (updateTime == null) return
  if (live === undefined) throw new GrpcError(STATUS.notFound, `No document to update: ${name}`)
  if (live.updateTime !== toMicros(updateTime))
    throw new GrpcError(STATUS.failedPrecondition, 'The stored version does not match the required base version')
}

function checkName(name: string): void {
  const segments = name.split('/').slice(5)
  if (segments.length === 0 || segments.length % 2 !== 0 || segments.some((segment) => segment === ''))
    throw new GrpcError(STATUS.invalidArgument, `Not a document name: ${name}`)
  if (segments.some((segment) => /^__.*__$/.test(segment)))
    throw new GrpcError(STATUS.invalidArgument, `Resource id is reserved: ${name}`)
}

function checkSize(fields: Fields, name: string): void {
  const bytes = name.length + sizeOf({ mapValue: { fields } })
  if (bytes > DOCUMENT_BYTES_MAX)
    throw new GrpcError(STATUS.invalidArgument, `Document is ${bytes} bytes; at most ${DOCUMENT_BYTES_MAX} are allowed`)
}

/** https://firebase.google.com/docs/firestore/storage-size */
function sizeOf(value: Value): number {
  if (value.stringValue !== undefined) return Buffer.byteLength(value.stringValue) + 1
  if (value.bytesValue !== undefined) return value.bytesValue.length
  if (value.referenceValue !== undefined) return value.referenceValue.length + 16
  if (value.arrayValue) return (value.arrayValue.values ?? []).reduce((sum, item) => sum + sizeOf(item), 0)
  if (value.mapValue)
    return Object.entries(value.mapValue.fields ?? {}).reduce(
      (sum, [key, item]) => sum + Buffer.byteLength(key) + 1 + sizeOf(item),
      0,
    )
  return 8
}
