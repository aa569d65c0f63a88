import type * as z from 'zod'

import { log } from '../../telemetry/log.ts'

const ISSUES_MAX = 5

/**
 * A stored artefact as its schema reads it.
 * @returns undefined when it cannot be read, which the log tells: the caller has it made again, or says so
 */
export function readArtefact<Schema extends z.ZodType>(
  schema: Schema,
  key: string,
  text: string,
): z.infer<Schema> | undefined {
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
    .slice(0, ISSUES_MAX)
    .map(({ path, message }) => ({ path: path.join('.'), message }))
  log('ERROR', 'artefact.unreadable', { key, issues })
  return undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
