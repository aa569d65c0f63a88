import type { Cost } from '../podcast/ports.ts'
import { jsonOf } from './parse-json.ts'

/**
 * What a provider's answer says of a recording, or what the answer lacks, in words for an operator. `cost`: what it was
 * charged all the same.
 */
export type ReadAnswer<Said extends object> = { readonly read: Said } | { readonly lacks: string; readonly cost?: Cost }

/** Reads the JSON of a provider's answer about a recording. */
export type HeardReader<Said extends object = object> = (answer: unknown) => ReadAnswer<Said>

/** What the bytes of such an answer say. */
export function readAnswer<Said extends object>(
  read: HeardReader<Said>,
  bytes: Buffer,
): ReadAnswer<Said> | { readonly isJson: false } {
  let value: unknown
  try {
    value = jsonOf(bytes)
  } catch {
    return { isJson: false }
  }
  return read(value)
}
