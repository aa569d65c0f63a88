import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'

import { once } from '../resilience/once.ts'

/* Google's storage client takes no AbortSignal: what a call has sent is found by the call that it was sent in. */

type Scope = { readonly host: string; readonly signal: AbortSignal }

const scopes = new AsyncLocalStorage<Scope>()

/** Node tells of each request that its http modules make, within the call that makes it. */
const listen = once(() => {
  subscribe('http.client.request.created', (message) => {
    const { request } = message as { request: ClientRequest }
    const scope = scopes.getStore()
    // A token that is fetched on the way is everybody's.
    if (scope !== undefined && request.host === scope.host) endWith(request, scope.signal)
  })
})

/**
 * Does something whose requests to a host end with a signal, their connections with them.
 * @param host name without a port
 */
export function endingRequests<T>(host: string, signal: AbortSignal, work: () => T): T {
  listen()
  return scopes.run({ host, signal }, work)
}

function endWith(request: ClientRequest, signal: AbortSignal): void {
  const end = () => void request.destroy(new Error('the call was given up', { cause: signal.reason }))
  if (signal.aborted) return end()
  signal.addEventListener('abort', end, { once: true })
  request.once('close', () => signal.removeEventListener('abort', end))
}
