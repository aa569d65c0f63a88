import type * as z from 'zod'

import { edgeDependencies } from '../shared/dependencies/edge.ts'
import type { EdgeDependencies } from '../shared/dependencies/edge.ts'
import { createEndpoint } from '../shared/http/endpoint.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { FUNCTIONS } from './functions.ts'
import type { FunctionName } from './functions.ts'

/**
 * A handler under its name in the table. The keys its callers' tokens are signed with begin to load with the instance.
 * @param build makes, or returns again, what the handler works with beyond what the edge itself needs
 */
export function serveEdge<Schema extends z.ZodType, Dependencies extends EdgeDependencies>(
  name: FunctionName,
  spec: EndpointSpec<Schema, Dependencies>,
  build: () => Dependencies,
): Serve {
  const { caller } = FUNCTIONS[name]
  if (caller === 'user' || caller === 'admin') edgeDependencies().tokens.preload('user')
  if (caller === 'tasks' || caller === 'scheduler') edgeDependencies().tokens.preload('service')
  return createEndpoint(FUNCTIONS[name], spec, build)
}
