import type { Firestore, Timestamp } from '@google-cloud/firestore'

import type { CircuitBreaker, FailureMeaning } from '../breaker/breaker.ts'
import type { Config } from '../config.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { DeadlineError, withDeadline } from '../resilience/deadline.ts'
import { grpcCode } from '../errors/grpc-code.ts'
import { once } from '../resilience/once.ts'
import { countCalls } from '../telemetry/pools.ts'
import { timePart } from '../telemetry/scope.ts'
import { StoreClock } from './store-clock.ts'

/** One call of a user's request or a worker's transition; the client itself would hang for over 100 s. */
const CALL_TIMEOUT_MS = 5000

const UNAVAILABLE_CODES: ReadonlySet<number> = new Set([1, 2, 4, 8, 13, 14])

export type FirestoreAccess = {
  /** Begins to load the client; call it when the function is sure to need it. */
  preload: () => void
  /**
   * Runs one call under our own deadline.
   * @throws ServiceUnavailable when Firestore cannot be used; BreakerOpenError when it is not even asked
   */
  call: <T>(what: string, work: (client: Firestore) => Promise<T>) => Promise<T>
  /** The store's time, as the answers to `call` tell it. */
  clock: Pick<StoreClock, 'now' | 'isFresh' | 'offMs'>
  /**
   * The store's time, for what is decided without a read: costs one where no answer has told it lately.
   * @throws ServiceUnavailable, BreakerOpenError
   */
  time: () => Promise<number>
}

/** The client, imported at the first call: a function that never touches the store does not pay for it. */
export function firestoreAccess(
  config: Config,
  breaker: CircuitBreaker,
  { callTimeoutMs = CALL_TIMEOUT_MS, clock = new StoreClock() }: { callTimeoutMs?: number; clock?: StoreClock } = {},
): FirestoreAccess {
  const access = once(async () => {
    const { Firestore: Client } = await import('./firestore-client.ts')
    return new Client({ projectId: config.projectId, databaseId: config.databaseId })
  })
  const askClient = async <T>(work: (client: Firestore) => Promise<T>): Promise<T> => {
    const client = await access()
    const asked = clock.ask()
    const answer = await work(client)
    const answered = timeOf(answer)
    if (answered !== undefined) clock.learn(asked, answered)
    return answer
  }
  return {
    clock,
    preload: () => void access().catch(() => undefined),
    async time() {
      // No document: an answer says what time it is whether it finds anything or not.
      if (!clock.isFresh()) await call('read the time', (db) => db.collection('clock').doc('now').get())
      return clock.now()
    },
    call,
  }

  async function call<T>(what: string, work: (client: Firestore) => Promise<T>): Promise<T> {
    try {
      const askInTime = async () =>
        withDeadline(
          `Firestore ${what}`,
          callTimeoutMs,
          countCalls('firestore', () => askClient(work)),
        )
      return await timePart('firestore', () => breaker.execute(askInTime))
    } catch (error) {
      if (isUnavailable(error)) throw new ServiceUnavailable('firestore', `The store did not answer (${what})`, error)
      throw error
    }
  }
}

/** The time that an answer of the client carries, if it does: snapshots say when they were read, commits when they landed. */
function timeOf(answer: unknown): Parameters<StoreClock['learn']>[1] | undefined {
  const first: unknown = Array.isArray(answer) ? answer[0] : answer
  if (typeof first !== 'object' || first === null) return undefined
  const { readTime, writeTime } = first as { readTime?: Timestamp; writeTime?: Timestamp }
  if (readTime !== undefined) return { storeMs: toMs(readTime), by: 'read' }
  return writeTime === undefined ? undefined : { storeMs: toMs(writeTime), by: 'write' }
}

function toMs({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1000 + nanoseconds / 1e6
}

/** What a failed call says about Firestore, to its breaker. */
export function failureOfFirestore(error: unknown): FailureMeaning {
  return isUnavailable(error) ? 'failure' : 'ignored'
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DeadlineError || UNAVAILABLE_CODES.has(grpcCode(error) ?? -1)
}
