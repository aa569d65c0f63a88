import { once } from '../resilience/once.ts'

const FETCH_DISPATCHER = Symbol.for('undici.globalDispatcher.1')

type Dispatcher = NonNullable<RequestInit['dispatcher']>
type DispatcherClass = new (options: { headersTimeout: number; bodyTimeout: number }) => Dispatcher

/**
 * A dispatcher for calls that may be answered after more than the 300 s for which fetch waits of itself (undici's
 * `headersTimeout`); how long they may take is for their signal to say. Node does not export the class, whose instance
 * it publishes.
 */
export const slowAnswers = once((): Dispatcher => {
  // Naming any of fetch's classes loads it, and publishes the instance.
  void globalThis.Response
  const published = (globalThis as { [FETCH_DISPATCHER]?: Dispatcher })[FETCH_DISPATCHER]
  if (published === undefined) throw new Error('fetch has published no dispatcher')
  const Agent = published.constructor as DispatcherClass
  return new Agent({ headersTimeout: 0, bodyTimeout: 0 })
})
