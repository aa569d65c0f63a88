import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, linkSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

import { Crc32c } from './crc32c.ts'

/** Bytes that are complete and never change, with their checksums in base64. */
export type StoredFile = {
  readonly name: string
  readonly sizeBytes: number
  readonly crc32c: string
  readonly md5: string
}

/** A folder of files, each the bytes of one object or of what is on its way: memory holds none of them. */
export class FileStore {
  readonly #folder: string

  /** @param folder made when it is not there */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#folder = folder
  }

  /** One that is nobody else's, for as long as this process lives. */
  static temporary(): FileStore {
    return new FileStore(mkdtempSync(join(tmpdir(), `steadycast-${process.pid}-objects-`)))
  }

  create(): FileWriter {
    const name = randomUUID()
    return new FileWriter(join(this.#folder, name), name)
  }

  /**
   * Opened before this returns, so that whoever removes the file meanwhile takes nothing from the reader.
   * @param end the last byte that is read, like `start` counted from 0
   */
  read({ name, sizeBytes }: StoredFile, start = 0, end = sizeBytes - 1): Readable {
    const fd = openSync(join(this.#folder, name), 'r')
    return createReadStream('', end < start ? { fd, start: sizeBytes } : { fd, start, end })
  }

  /** The same bytes under a name of their own: each of the two is removed without the other. */
  copy(file: StoredFile): StoredFile {
    const name = randomUUID()
    linkSync(join(this.#folder, file.name), join(this.#folder, name))
    return { ...file, name }
  }

  remove({ name }: { readonly name: string }): void {
    rmSync(join(this.#folder, name), { force: true })
  }

  /** Whether the file is there, and whole. */
  has({ name, sizeBytes }: StoredFile): boolean {
    return statSync(join(this.#folder, name), { throwIfNoEntry: false })?.size === sizeBytes
  }

  /** Removes every file but these. */
  removeOthers(files: readonly StoredFile[]): void {
    const names = new Set(files.map(({ name }) => name))
    for (const name of readdirSync(this.#folder)) if (!names.has(name)) this.remove({ name })
  }

  removeAll(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A file as it comes in. No descriptor is held between `pause` and the next `write`. */
export class FileWriter {
  readonly #path: string
  readonly #name: string
  readonly #crc32c = new Crc32c()
  readonly #md5 = createHash('md5')
  #sizeBytes = 0
  #handle: FileHandle | undefined
  #isDiscarded = false

  constructor(path: string, name: string) {
    this.#path = path
    this.#name = name
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** @throws Error once it is discarded */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isDiscarded) throw new Error('what is written to was discarded')
    this.#handle ??= await open(this.#path, 'a', 0o600)
    await this.#handle.appendFile(bytes)
    this.#crc32c.update(bytes)
    this.#md5.update(bytes)
    this.#sizeBytes += bytes.length
  }

  async pause(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  async finish(): Promise<StoredFile> {
    // An object of no bytes has a file as well.
    await this.write(Buffer.alloc(0))
    await this.pause()
    const [crc32c, md5] = [this.#crc32c.digest(), this.#md5.digest('base64')]
    return { name: this.#name, sizeBytes: this.#sizeBytes, crc32c, md5 }
  }

  async discard(): Promise<void> {
    this.#isDiscarded = true
    await this.pause()
    rmSync(this.#path, { force: true })
  }
}
