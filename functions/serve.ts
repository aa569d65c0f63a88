import type * as z from 'zod'

import { dependencies } from '../shared/dependencies/dependencies.ts'
import type { Dependencies } from '../shared/dependencies/dependencies.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/arrival.ts'
import type { FunctionName } from './functions.ts'
import { serveEdge } from './serve-edge.ts'

/** Google's clients, which take a while to load. */
type Client = keyof Pick<Dependencies, 'episodes' | 'objects' | 'queue'>

/**
 * A handler under its name in the table, with what handlers of episodes work with.
 * @param clients what every call of this function needs: begins to load with the instance, not with its first request
 */
export function serve<Schema extends z.ZodType>(
  name: FunctionName,
  clients: readonly Client[],
  spec: EndpointSpec<Schema, Dependencies>,
): Serve {
  for (const client of clients) dependencies()[client].preload()
  return serveEdge(name, spec, dependencies)
}
