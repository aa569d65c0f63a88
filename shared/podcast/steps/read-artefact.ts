import type * as z from 'zod'

import { log } from '../../telemetry/log.ts'
import { parseArtefact } from '../parse-artefact.ts'
import type { Damaged } from '../parse-artefact.ts'

/**
 * A stored artefact as its schema reads it.
 * @returns undefined when it cannot be read, which the log tells: the caller has it made again, or says so
 */
export function readArtefact<Schema extends z.ZodType>(
  schema: Schema,
  key: string,
  text: string,
): z.infer<Schema> | undefined {
  const parsed = parseArtefact(schema, text)
  if ('data' in parsed) return parsed.data
  logDamage(key, parsed)
  return undefined
}

/** Tells operators of an artefact that cannot be read. */
export function logDamage(key: string, { damaged: issues }: Damaged): void {
  log('ERROR', 'artefact.unreadable', { key, issues })
}
