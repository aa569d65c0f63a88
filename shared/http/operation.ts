import { randomBytes } from 'node:crypto'

/**
 * What a request's effect is known by. Tries with one Idempotency-Key share the id, which is stored with the effect, in
 * the same write: a try that comes after the effect finds it instead of having it again. `resumed`: an earlier try ended
 * without an answer to keep, and may have had its effect.
 */
export type Operation = { readonly id: string; readonly keyed: boolean; readonly resumed: boolean }

/** Fit to be the id of whatever the operation creates. */
export function newOperationId(): string {
  return randomBytes(12).toString('hex')
}
