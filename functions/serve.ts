import type * as z from 'zod'

import { dependencies } from '../shared/dependencies.ts'
import type { Dependencies } from '../shared/dependencies.ts'
import { createEndpoint } from '../shared/http/endpoint.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/server.ts'
import { FUNCTIONS } from './functions.ts'
import type { FunctionName } from './functions.ts'

/** Google's clients, which take a while to load. */
type Client = keyof Pick<Dependencies, 'episodes' | 'objects' | 'queue'>

/**
 * A handler under its name in the table, with this instance's dependencies.
 * @param clients what every call of this function needs: begins to load with the instance, not with its first request, as do the keys of its callers
 */
export function serve<Schema extends z.ZodType>(
  name: FunctionName,
  clients: readonly Client[],
  spec: EndpointSpec<Schema, Dependencies>,
): Serve {
  const { caller } = FUNCTIONS[name]
  if (caller === 'user' || caller === 'tasks') dependencies().tokens.preload(caller === 'user' ? 'user' : 'service')
  for (const client of clients) dependencies()[client].preload()
  return createEndpoint(FUNCTIONS[name], spec, dependencies)
}
