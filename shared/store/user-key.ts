import { createHash } from 'node:crypto'

/** A name for what belongs to a person that may stand in a path, whatever their id is made of. */
export function userKey(userId: string): string {
  return createHash('sha256').update(userId).digest('hex').slice(0, 40)
}
