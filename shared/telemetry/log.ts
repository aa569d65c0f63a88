import { writeSync } from 'node:fs'

export type Severity = 'DEBUG' | 'INFO' | 'NOTICE' | 'WARNING' | 'ERROR' | 'CRITICAL'
export type LogFields = Record<string, unknown>

/**
 * One named event, one JSON line on stdout, as Cloud Logging reads it. The write is synchronous: a line handed to a
 * stream is lost when the instance is ended right after.
 */
export function log(severity: Severity, event: string, fields: LogFields = {}): void {
  const line = JSON.stringify(
    { severity, message: event, event, time: new Date().toISOString(), ...fields },
    plainErrors,
  )
  writeAll(Buffer.from(`${line}\n`))
}

const WRITE_ATTEMPTS_MAX = 1000

function writeAll(bytes: Buffer): void {
  let offset = 0
  for (let attempt = 0; offset < bytes.length && attempt < WRITE_ATTEMPTS_MAX; attempt++) {
    try {
      offset += writeSync(1, bytes, offset)
    } catch (error) {
      // The reader of our pipe is behind (EAGAIN: try again) or gone (EPIPE: nobody is left to tell).
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}

const STACK_CHARS_MAX = 4000
const CAUSES_MAX = 5

/** An error as plain fields; causes are followed, a bounded number of times, because chains can be circular. */
export function errorFields(thrown: unknown, depth = 0): LogFields {
  if (!(thrown instanceof Error)) return { name: 'NotAnError', message: String(thrown) }
  return {
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack?.slice(0, STACK_CHARS_MAX),
    ...(thrown.cause !== undefined && depth < CAUSES_MAX && { cause: errorFields(thrown.cause, depth + 1) }),
  }
}

function plainErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? errorFields(value) : value
}
