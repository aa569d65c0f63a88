import { errorFields, log } from '../../telemetry/log.ts'
import { currentScope } from '../../telemetry/scope.ts'
import { failOwnRequest, processEnd } from '../process-end.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
const EVENTS = [...SIGNALS, 'uncaughtException', 'unhandledRejection'] as const

/**
 * Takes signals and unhandled errors over from the framework, whose listeners end the process with requests in flight.
 * @returns `begin`, to be called when the framework has added its listeners: those newer than this call are removed
 */
export function takeProcess(): { begin: () => void } {
  // From now on: a signal may come before the framework has begun to listen for it.
  for (const signal of SIGNALS) process.on(signal, () => processEnd.drain(signal, 0))
  const older = new Map(EVENTS.map((event) => [event, new Set(process.rawListeners(event))]))
  const begin = () => {
    for (const event of EVENTS)
      for (const listener of process.rawListeners(event))
        if (older.get(event)?.has(listener) === false) process.off(event, listener as () => void)
    process.on('unhandledRejection', failOwnRequest)
    process.on('uncaughtException', (error) => {
      log('CRITICAL', 'process.uncaught_exception', { error: errorFields(error) })
      currentScope()?.abort(error)
      // What an exception left half-done cannot be known: others in flight finish, and a fresh instance takes over.
      processEnd.drain('uncaughtException', 1)
    })
  }
  return { begin }
}
