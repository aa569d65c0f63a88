import type * as z from 'zod'

import { log } from '../telemetry/log.ts'
import { UnreadableWrite } from './errors.ts'

const ISSUES_MAX = 5

/**
 * What is about to be written, if its own reader can read it: no document lands that nobody could open again.
 * @param what names the document in the log, as `episode 0123…`
 * @throws UnreadableWrite, which fails this one write
 */
export function requireReadable<T>(schema: z.ZodType, value: T, what: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return value
  const issues = parsed.error.issues
    .slice(0, ISSUES_MAX)
    .map(({ path, message }) => ({ path: path.join('.'), message }))
  log('ERROR', 'store.unreadable_write', { what, issues })
  throw new UnreadableWrite(what, parsed.error)
}
