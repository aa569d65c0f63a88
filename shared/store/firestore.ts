import type { Firestore } from '@google-cloud/firestore'

import type { CircuitBreaker, FailureMeaning } from '../breaker/breaker.ts'
import type { Config } from '../config.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { DeadlineError, withDeadline } from '../resilience/deadline.ts'
import { grpcCode } from '../errors/grpc-code.ts'
import { once } from '../resilience/once.ts'
import { countCalls } from '../telemetry/pools.ts'
import { timePart } from '../telemetry/scope.ts'

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
}

/** The client, imported at the first call: a function that never touches the store does not pay for it. */
export function firestoreAccess(
  config: Config,
  breaker: CircuitBreaker,
  callTimeoutMs = CALL_TIMEOUT_MS,
): FirestoreAccess {
  const access = once(async () => {
    const { Firestore: Client } = await import('./firestore-client.ts')
    return new Client({ projectId: config.projectId, databaseId: config.databaseId })
  })
  return {
    preload: () => void access().catch(() => undefined),
    async call(what, work) {
      try {
        const call = async () =>
          withDeadline(
            `Firestore ${what}`,
            callTimeoutMs,
            countCalls('firestore', async () => work(await access())),
          )
        return await timePart('firestore', () => breaker.execute(call))
      } catch (error) {
        if (isUnavailable(error)) throw new ServiceUnavailable('firestore', `The store did not answer (${what})`, error)
        throw error
      }
    },
  }
}

/** What a failed call says about Firestore, to its breaker. */
export function failureOfFirestore(error: unknown): FailureMeaning {
  return isUnavailable(error) ? 'failure' : 'ignored'
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DeadlineError || UNAVAILABLE_CODES.has(grpcCode(error) ?? -1)
}
