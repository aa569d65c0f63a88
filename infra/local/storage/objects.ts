import type { KeptTable } from '../kept/table.ts'
import type { FileStore, StoredFile } from './files.ts'

/** What a client may set on an object. */
export type ObjectSettings = {
  contentType?: string
  cacheControl?: string
  contentDisposition?: string
  contentEncoding?: string
  contentLanguage?: string
  customTime?: string
  metadata?: Record<string, string | null>
}

export type StoredObject = {
  file: StoredFile
  bucket: string
  name: string
  generation: string
  metageneration: string
  timeCreated: string
  updated: string
  settings: ObjectSettings
}

export type Conditions = {
  ifGenerationMatch?: string | null
  ifGenerationNotMatch?: string | null
  ifMetagenerationMatch?: string | null
}

export type ConditionResult = 'holds' | 'failed' | 'notModified'

/** Buckets and what is known of their objects, whose bytes are in files. */
export class Buckets {
  /** Where the bytes are. A file is the bucket's once it is `put`; until then it is whoever's wrote it. */
  readonly files: FileStore
  readonly #buckets = new Map<string, Map<string, StoredObject>>()
  #lastGeneration = Date.now() * 1000

  readonly #kept: KeptTable<StoredObject> | undefined

  /**
   * @param kept objects of an earlier process, whose files are in `files`, and where those of this one go; without it,
   *   the files are nobody else's
   */
  constructor(files: FileStore, kept?: KeptTable<StoredObject>) {
    this.files = files
    this.#kept = kept
    if (kept === undefined) return
    const found = kept.entries().map(([, object]) => object)
    const whole = found.filter(({ file }) => files.has(file))
    kept.write(found.filter((object) => !whole.includes(object)).map((object) => [keyOf(object), undefined]))
    for (const object of whole) {
      this.create(object.bucket)
      this.#buckets.get(object.bucket)?.set(object.name, object)
      this.#lastGeneration = Math.max(this.#lastGeneration, Number(object.generation))
    }
    files.removeOthers(whole.map(({ file }) => file))
  }

  create(bucket: string): boolean {
    if (this.#buckets.has(bucket)) return false
    this.#buckets.set(bucket, new Map())
    return true
  }

  has(bucket: string): boolean {
    return this.#buckets.has(bucket)
  }

  delete(bucket: string): void {
    for (const object of this.#buckets.get(bucket)?.values() ?? []) this.remove(object)
    this.#buckets.delete(bucket)
  }

  names(): string[] {
    return [...this.#buckets.keys()].toSorted()
  }

  get(bucket: string, name: string, generation?: string | null): StoredObject | undefined {
    const found = this.#buckets.get(bucket)?.get(name)
    return generation == null || generation === found?.generation ? found : undefined
  }

  list(bucket: string, prefix: string): StoredObject[] {
    const objects = [...(this.#buckets.get(bucket)?.values() ?? [])].filter(({ name }) => name.startsWith(prefix))
    return objects.toSorted((a, b) => compareBytes(a.name, b.name))
  }

  /** @param file what was written to `files`; what the name stood for before is removed */
  put(bucket: string, name: string, file: StoredFile, settings: ObjectSettings): StoredObject {
    const now = new Date().toISOString()
    const stored: StoredObject = {
      file,
      bucket,
      name,
      generation: String((this.#lastGeneration = Math.max(this.#lastGeneration + 1, Date.now() * 1000))),
      metageneration: '1',
      timeCreated: now,
      updated: now,
      settings: { contentType: 'application/octet-stream', ...pickSettings(settings) },
    }
    const before = this.get(bucket, name)
    this.#kept?.write([[keyOf(stored), stored]])
    this.#buckets.get(bucket)?.set(name, stored)
    if (before) this.files.remove(before.file)
    return stored
  }

  patch(object: StoredObject, settings: ObjectSettings): StoredObject {
    const merged = { ...object.settings.metadata, ...settings.metadata }
    const metadata = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
    const patched = {
      ...object,
      metageneration: String(Number(object.metageneration) + 1),
      updated: new Date().toISOString(),
      settings: { ...object.settings, ...pickSettings(settings), ...(settings.metadata && { metadata }) },
    }
    this.#kept?.write([[keyOf(patched), patched]])
    this.#buckets.get(object.bucket)?.set(object.name, patched)
    return patched
  }

  remove(object: StoredObject): void {
    this.#kept?.write([[keyOf(object), undefined]])
    this.#buckets.get(object.bucket)?.delete(object.name)
    this.files.remove(object.file)
  }
}

/** The order of names in a listing: by their bytes in UTF-8. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** No bucket has a slash in its name. */
function keyOf({ bucket, name }: StoredObject): string {
  return `${bucket}/${name}`
}

/** Generation 0 stands for "there is none". */
export function checkConditions(conditions: Conditions, object: StoredObject | undefined): ConditionResult {
  const { ifGenerationMatch, ifGenerationNotMatch, ifMetagenerationMatch } = conditions
  const generation = object?.generation ?? '0'
  if (ifGenerationMatch != null && ifGenerationMatch !== generation) return 'failed'
  if (ifMetagenerationMatch != null && ifMetagenerationMatch !== (object?.metageneration ?? '0')) return 'failed'
  if (ifGenerationNotMatch != null && ifGenerationNotMatch === generation) return 'notModified'
  return 'holds'
}

function pickSettings(settings: ObjectSettings): ObjectSettings {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage, customTime, metadata } =
    settings
  const picked = {
    contentType,
    cacheControl,
    contentDisposition,
    contentEncoding,
    contentLanguage,
    customTime,
    metadata,
  }
  return Object.fromEntries(Object.entries(picked).filter(([, value]) => value !== undefined))
}
