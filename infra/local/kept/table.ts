import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import { crc32 } from 'node:zlib'

/** A key's new value; undefined removes it. */
export type Change<Value> = readonly [key: string, value: Value | undefined]

/** Length of a record's bytes and their CRC-32, in four bytes each. */
const HEAD_BYTES = 8
/** A log is written anew when it has grown by so much, and to twice of what it was. */
const GROWTH_BYTES_MIN = 32 * 1024 * 1024
/** How much is written at a time when it is. */
const CHANGES_PER_RECORD = 100

/**
 * Values by their keys, in memory and in a log that a later process finds them in. Every write is with the system before
 * `write` returns, so that a killed process loses none; what was being written when it was killed is ignored at the next
 * start, as a whole. One process at a time may have it open.
 */
export class KeptTable<Value> {
  readonly #path: string
  readonly #values: Map<string, Value>
  #log: Log | undefined
  #compactAtBytes = 0

  /** @param path of the log; there need be none */
  constructor(path: string) {
    this.#path = path
    this.#values = readLog<Value>(path)
    this.#log = this.#compact()
  }

  get size(): number {
    return this.#values.size
  }

  entries(): [string, Value][] {
    return [...this.#values]
  }

  /**
   * All changes or none.
   * @throws when the disk takes no more, or the table is closed; then nothing has changed
   */
  write(changes: readonly Change<Value>[]): void {
    if (changes.length === 0) return
    const log = this.#log
    if (log === undefined) throw new Error(`${this.#path} is closed`)
    append(log, changes)
    apply(this.#values, changes)
    if (log.bytes < this.#compactAtBytes) return
    try {
      this.#log = this.#compact()
      closeSync(log.fd)
    } catch {
      // There is no room for a second one: the old one goes on.
      this.#compactAtBytes = log.bytes + GROWTH_BYTES_MIN
    }
  }

  close(): void {
    if (this.#log) closeSync(this.#log.fd)
    this.#log = undefined
  }

  /** Writes what there is to a new file, which takes the place of the old one only when it is whole. */
  #compact(): Log {
    const log = { fd: openSync(`${this.#path}.new`, 'w', 0o600), bytes: 0 }
    try {
      const values = this.entries()
      for (let at = 0; at < values.length; at += CHANGES_PER_RECORD)
        append(log, values.slice(at, at + CHANGES_PER_RECORD))
      fsyncSync(log.fd)
      renameSync(`${this.#path}.new`, this.#path)
    } catch (error) {
      closeSync(log.fd)
      throw error
    }
    this.#compactAtBytes = Math.max(log.bytes + GROWTH_BYTES_MIN, log.bytes * 2)
    return log
  }
}

/** A file, and how much of it is whole records. */
type Log = { readonly fd: number; bytes: number }

/** @throws when it could not be written as a whole; then the log is as before */
function append(log: Log, changes: readonly Change<unknown>[]): void {
  const bytes = serialize(changes)
  const record = Buffer.alloc(HEAD_BYTES + bytes.length)
  record.writeUInt32LE(bytes.length, 0)
  record.writeUInt32LE(crc32(bytes), 4)
  bytes.copy(record, HEAD_BYTES)
  try {
    for (let at = 0; at < record.length;) at += writeSync(log.fd, record, at, record.length - at, log.bytes + at)
  } catch (error) {
    ftruncateSync(log.fd, log.bytes)
    throw error
  }
  log.bytes += record.length
}

/** What the whole records of a log say; the first that is not whole, and everything after it, was never written. */
function readLog<Value>(path: string): Map<string, Value> {
  const values = new Map<string, Value>()
  if (!existsSync(path)) return values
  const log = readFileSync(path)
  for (let at = 0; at + HEAD_BYTES <= log.length;) {
    const bytes = log.subarray(at + HEAD_BYTES, at + HEAD_BYTES + log.readUInt32LE(at))
    const isWhole =
      bytes.length > 0 && bytes.length === log.readUInt32LE(at) && crc32(bytes) === log.readUInt32LE(at + 4)
    if (!isWhole) break
    apply(values, deserialize(bytes) as Change<Value>[])
    at += HEAD_BYTES + bytes.length
  }
  return values
}

function apply<Value>(values: Map<string, Value>, changes: readonly Change<Value>[]): void {
  for (const [key, value] of changes)
    if (value === undefined) values.delete(key)
    else values.set(key, value)
}
