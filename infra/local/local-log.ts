import type { LogFields, Severity } from '../../shared/telemetry/log.ts'
import { errorFields } from '../../shared/telemetry/log.ts'
import { redact } from '../../shared/telemetry/redact.ts'

/** Writes one named event of the local cloud's own. */
export type LocalLog = (severity: Severity, event: string, fields: LogFields) => void

/** The local cloud's own events as lines among those of the functions, and like them. */
export function localLog(onLine: (line: string) => void): LocalLog {
  return (severity, event, fields) => {
    const line = { severity, message: event, event, time: new Date().toISOString(), ...fields }
    onLine(
      redact(JSON.stringify(line, (_key, value: unknown) => (value instanceof Error ? errorFields(value) : value))),
    )
  }
}
