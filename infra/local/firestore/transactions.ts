import { randomBytes } from 'node:crypto'

import { GrpcError, STATUS } from '../grpc-service.ts'
import type { Database } from './database.ts'
import { toMicros } from './values.ts'
import type { Micros, Timestamp } from './values.ts'

export type TransactionOptions = { readOnly?: { readTime?: Timestamp } | null; readWrite?: unknown }

/** What was read, as a question that can be asked again at commit. */
type Reading = { print: (at: Micros) => string; seen: string }
type Transaction = { snapshot: Micros; readOnly: boolean; readings: Reading[]; startedAtMs: number }

/** Longest life of a transaction, and how many may be open (https://docs.cloud.google.com/firestore/quotas). */
const LIFE_MS = 270_000
const OPEN_MAX = 10_000

/**
 * Optimistic transactions: reads see one moment, and a commit succeeds only when everything read would be read the same
 * now, queries included. No lock is held, so nobody waits; who loses is told ABORTED and its client tries again.
 */
export class Transactions {
  readonly #database: Database
  readonly #open = new Map<string, Transaction>()

  constructor(database: Database) {
    this.#database = database
  }

  begin(options: TransactionOptions | null | undefined): Uint8Array {
    this.#forgetOld()
    const id = randomBytes(12)
    const readTime = options?.readOnly?.readTime
    this.#open.set(id.toString('hex'), {
      snapshot: readTime ? toMicros(readTime) : this.#database.now(),
      readOnly: options?.readOnly != null,
      readings: [],
      startedAtMs: Date.now(),
    })
    return id
  }

  /** The moment a transaction reads at. */
  snapshot(id: Uint8Array): Micros {
    return this.#get(id).snapshot
  }

  /** Remembers what a transaction has read: `print` must tell two different results apart. */
  noteReading(id: Uint8Array, print: (at: Micros) => string): void {
    const transaction = this.#get(id)
    if (!transaction.readOnly) transaction.readings.push({ print, seen: print(transaction.snapshot) })
  }

  /** Ends a transaction. @throws GrpcError ABORTED when something it read has changed */
  end(id: Uint8Array): void {
    const transaction = this.#get(id)
    this.#open.delete(Buffer.from(id).toString('hex'))
    const now = this.#database.now()
    if (transaction.readings.some(({ print, seen }) => print(now) !== seen))
      throw new GrpcError(STATUS.aborted, 'Something this transaction has read was changed by another')
  }

  rollback(id: Uint8Array): void {
    this.#open.delete(Buffer.from(id).toString('hex'))
  }

  #get(id: Uint8Array): Transaction {
    const transaction = this.#open.get(Buffer.from(id).toString('hex'))
    if (transaction === undefined) throw new GrpcError(STATUS.invalidArgument, 'The transaction is unknown or over')
    return transaction
  }

  #forgetOld(): void {
    for (const [id, { startedAtMs }] of this.#open)
      if (Date.now() - startedAtMs > LIFE_MS || this.#open.size > OPEN_MAX) this.#open.delete(id)
      else break
  }
}
