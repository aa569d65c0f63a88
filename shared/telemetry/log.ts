import { LineWriter } from './line-writer.ts'
import { redact } from './redact.ts'
import { currentScope } from './scope.ts'

export type Severity = 'DEBUG' | 'INFO' | 'NOTICE' | 'WARNING' | 'ERROR' | 'CRITICAL'
export type LogFields = Record<string, unknown>

const LINE_CHARS_MAX = 60_000
const writer = new LineWriter()
process.once('exit', () => writer.flushAndWait())

/**
 * One named event, one JSON line on stdout, in the fields Cloud Logging reads
 * (https://docs.cloud.google.com/logging/docs/structured-logging). Inside a request it carries the request's trace and
 * labels. What cannot be put into JSON is left out, and no secret gets through.
 */
export function log(severity: Severity, event: string, fields: LogFields = {}): void {
  const time = new Date().toISOString()
  const shared = currentScope()?.logFields
  const line = toJson({ severity, message: event, event, time, ...shared, ...fields })
  const bounded =
    line.length <= LINE_CHARS_MAX
      ? line
      : toJson({
          severity,
          message: event,
          event,
          time,
          ...shared,
          cut: true,
          start: line.slice(0, LINE_CHARS_MAX / 2),
        })
  writer.add(redact(bounded))
  // An error may be the last thing this process says.
  if (severity === 'ERROR' || severity === 'CRITICAL') writer.flush()
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value, plain)
  } catch {
    return JSON.stringify(value, cycleFree())
  }
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return errorFields(value)
  return typeof value === 'bigint' ? value.toString() : value
}

/** A replacer that leaves out what refers back to itself. */
function cycleFree(): (key: string, value: unknown) => unknown {
  const seen = new WeakSet<object>()
  return (key, raw) => {
    const value = plain(key, raw)
    if (typeof value !== 'object' || value === null) return value
    if (seen.has(value)) return '[circular]'
    seen.add(value)
    return value
  }
}

const STACK_CHARS_MAX = 4000
const CAUSES_MAX = 5

/** Whatever was thrown, as plain fields; causes are followed, a bounded number of times, because chains can be circular. */
export function errorFields(thrown: unknown, depth = 0): LogFields {
  if (!isError(thrown)) return { name: 'NotAnError', message: readText(() => thrown) }
  const cause = readSafely(() => thrown.cause)
  return {
    name: readText(() => thrown.name),
    message: readText(() => thrown.message),
    stack: readText(() => thrown.stack),
    ...(cause !== undefined && depth < CAUSES_MAX && { cause: errorFields(cause, depth + 1) }),
  }
}

function isError(thrown: unknown): thrown is Error {
  return readSafely(() => thrown instanceof Error) === true
}

function readText(read: () => unknown): string {
  return readSafely(() => String(read()).slice(0, STACK_CHARS_MAX)) ?? '[unspeakable]'
}

/** Anything can be thrown, and anything can throw when it is looked at. */
function readSafely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
