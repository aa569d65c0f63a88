import * as z from 'zod'

/** Everything that was tried under one Idempotency-Key of one user at one function. */
export const IdempotencyRecord = z.looseObject({
  schemaVersion: z.literal(1),
  /** `free`: the last try failed in a way that a repeat can cure. */
  state: z.enum(['running', 'free', 'done']),
  /** Hash of the body the key was first used with. */
  fingerprint: z.string(),
  /** What the effect is known by; tries with the same body share it, so that the effect happens once. */
  operationId: z.string(),
  /** The try that may settle this record. */
  holder: z.string(),
  /** A try that has not settled by then has ended without a trace. */
  leaseUntilMs: z.number(),
  answer: z.object({ status: z.number().int(), body: z.string().optional() }).optional(),
  expireAtMs: z.number(),
})
export type IdempotencyRecord = z.infer<typeof IdempotencyRecord>
export type StoredAnswer = NonNullable<IdempotencyRecord['answer']>

/** How long a key is remembered from its last use on. */
const KEEP_MS = 24 * 3_600_000

/** One try: who makes it, with what body, and the ids it may use should it be the first. */
export type NewTry = {
  fingerprint: string
  holder: string
  newOperationId: string
  /** By the clock of where the records are kept. */
  nowMs: number
  leaseMs: number
}

export type BegunTry =
  | { kind: 'run'; operationId: string; resumed: boolean; record: IdempotencyRecord }
  | { kind: 'replay'; answer: StoredAnswer }
  | { kind: 'mismatch' }
  | { kind: 'inFlight'; untilMs: number }

/** A try that runs, under the record it holds. */
export type RunningTry = Extract<BegunTry, { kind: 'run' }>

/**
 * What a try with a key may do, given what is known of the key. A `run` is the caller's only once its record is
 * written in place of the one that was looked at.
 */
export function beginTry(record: IdempotencyRecord | undefined, newTry: NewTry): BegunTry {
  const { nowMs, holder, fingerprint } = newTry
  if (record === undefined || record.expireAtMs <= nowMs) return run(newTry, newTry.newOperationId, false)
  if (record.fingerprint !== fingerprint)
    return record.state === 'free' ? run(newTry, newTry.newOperationId, false) : { kind: 'mismatch' }
  if (record.state === 'done' && record.answer !== undefined) return { kind: 'replay', answer: record.answer }
  // The client library repeats a write by itself, and then finds that it has landed.
  if (record.state === 'running' && record.holder === holder)
    return { kind: 'run', operationId: record.operationId, resumed: false, record }
  if (record.state === 'running' && record.leaseUntilMs > nowMs)
    return { kind: 'inFlight', untilMs: record.leaseUntilMs }
  return run(newTry, record.operationId, true)
}

function run({ fingerprint, holder, nowMs, leaseMs }: NewTry, operationId: string, resumed: boolean): BegunTry {
  const record: IdempotencyRecord = {
    schemaVersion: 1,
    state: 'running',
    fingerprint,
    operationId,
    holder,
    leaseUntilMs: nowMs + leaseMs,
    expireAtMs: nowMs + KEEP_MS,
  }
  return { kind: 'run', operationId, resumed, record }
}

/** The record once its holder's try has ended: with an answer to keep, or free for the next try. */
export function settleTry(
  record: IdempotencyRecord,
  answer: StoredAnswer | undefined,
  nowMs: number,
): IdempotencyRecord {
  const expireAtMs = nowMs + KEEP_MS
  return answer === undefined
    ? { ...record, state: 'free', expireAtMs }
    : { ...record, state: 'done', answer, expireAtMs }
}

/** Where the records are kept. Both throw service_unavailable when they cannot tell. */
export type IdempotencyRecords = {
  begin: (id: string, newTry: Omit<NewTry, 'nowMs'>) => Promise<BegunTry>
  /** @returns false when the record is somebody else's by now */
  settle: (id: string, held: RunningTry, answer: StoredAnswer | undefined) => Promise<boolean>
}
