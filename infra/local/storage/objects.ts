import { createHash } from 'node:crypto'

import { CRC32C } from '@google-cloud/storage'

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
  data: Buffer
  bucket: string
  name: string
  generation: string
  metageneration: string
  crc32c: string
  md5: string
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

/** Buckets and their objects, in memory: nothing is left behind. */
export class Buckets {
  readonly #buckets = new Map<string, Map<string, StoredObject>>()
  #lastGeneration = Date.now() * 1000

  create(bucket: string): boolean {
    if (this.#buckets.has(bucket)) return false
    this.#buckets.set(bucket, new Map())
    return true
  }

  has(bucket: string): boolean {
    return this.#buckets.has(bucket)
  }

  delete(bucket: string): void {
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
    return objects.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  }

  put(bucket: string, name: string, data: Buffer, settings: ObjectSettings): StoredObject {
    const crc = new CRC32C()
    crc.update(data)
    const now = new Date().toISOString()
    const stored: StoredObject = {
      data,
      bucket,
      name,
      generation: String((this.#lastGeneration = Math.max(this.#lastGeneration + 1, Date.now() * 1000))),
      metageneration: '1',
      crc32c: crc.toString(),
      md5: createHash('md5').update(data).digest('base64'),
      timeCreated: now,
      updated: now,
      settings: { contentType: 'application/octet-stream', ...pickSettings(settings) },
    }
    this.#buckets.get(bucket)?.set(name, stored)
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
    this.#buckets.get(object.bucket)?.set(object.name, patched)
    return patched
  }

  remove(object: StoredObject): void {
    this.#buckets.get(object.bucket)?.delete(object.name)
  }
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
