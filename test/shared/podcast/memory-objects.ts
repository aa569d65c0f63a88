import { Readable } from 'node:stream'

import { SourceFailed } from '../../../shared/podcast/errors.ts'
import type { Objects, ObjectStat } from '../../../shared/podcast/storage.ts'

type Stored = {
  content: Buffer
  contentType: string
  generation?: string
  labels?: Readonly<Record<string, string>> | undefined
}

/** Artefacts in memory: every write is create-once. */
export class MemoryObjects implements Objects {
  readonly bucket: string = 'memory'
  readonly stored = new Map<string, Stored>()
  #generations = 0

  preload(): void {}

  within(): this {
    return this
  }

  async requireReachable(): Promise<void> {}

  async create(
    key: string,
    content: Readable | Buffer | string,
    contentType: string,
    _signal?: AbortSignal,
    labels?: Readonly<Record<string, string>>,
  ): Promise<ObjectStat> {
    const bytes = content instanceof Readable ? await readAll(content) : Buffer.from(content)
    if (!this.stored.has(key))
      this.stored.set(key, { content: bytes, contentType, generation: String(++this.#generations), labels })
    return this.#statOf(key)
  }

  async stat(key: string): Promise<ObjectStat | undefined> {
    return this.stored.has(key) ? this.#statOf(key) : undefined
  }

  async readText(key: string): Promise<string | undefined> {
    return this.stored.get(key)?.content.toString()
  }

  async readStream(key: string): Promise<Readable> {
    return Readable.from([this.stored.get(key)?.content ?? Buffer.alloc(0)])
  }

  async signedRead(key: string, { query = {} }: { query?: Record<string, string> }): Promise<string> {
    return `https://storage.example/${key}?${new URLSearchParams(query).toString()}`
  }

  signedUpload(): Promise<never> {
    return Promise.reject(new Error('nothing is uploaded here'))
  }

  async *list(prefix: string) {
    const keys = [...this.stored.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    yield keys.map((key) => ({ key, ...this.#statOf(key), createdAtMs: 0 }))
  }

  async remove({ key, generation }: { key: string; generation?: string }): Promise<void> {
    if (generation === undefined || generation === this.stored.get(key)?.generation) this.stored.delete(key)
  }

  async removeAll(prefix: string, kept: ReadonlySet<string> = new Set()): Promise<number> {
    const removed = [...this.stored.keys()].filter((key) => key.startsWith(prefix) && !kept.has(key))
    for (const key of removed) this.stored.delete(key)
    return removed.length
  }

  #statOf(key: string): ObjectStat {
    const { content = Buffer.alloc(0), contentType = '', generation = '0', labels } = this.stored.get(key) ?? {}
    return { generation, sizeBytes: content.length, contentType, ...(labels && { labels }) }
  }
}

async function readAll(content: Readable): Promise<Buffer> {
  try {
    return Buffer.concat(await content.toArray())
  } catch (error) {
    throw new SourceFailed(error)
  }
}
