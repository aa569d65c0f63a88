import type { Limits } from './plans.ts'
import type { ReservationRequest, Usage } from './usage.ts'

/** Where people's usage is kept; implemented in shared/store. */
export type UsageStore = {
  read(userId: string): Promise<Usage>
  /**
   * Reserves what is asked for. @throws QuotaExceeded, or ServiceUnavailable when it cannot be looked up: without its
   * store a quota lets nobody through.
   */
  reserve(userId: string, request: ReservationRequest, limits: Limits): Promise<void>
  /** Gives a reservation back whose use came to nothing. */
  release(userId: string, id: string): Promise<void>
}
