import type { z } from 'zod'

import { dependencies } from '../shared/dependencies.ts'
import { createEndpoint } from '../shared/http/endpoint.ts'
import type { EndpointSpec, HttpFunction } from '../shared/http/endpoint.ts'
import { FUNCTIONS } from './functions.ts'
import type { FunctionName } from './functions.ts'

/** A handler under its name in the table, with this instance's dependencies. */
export function serve<Schema extends z.ZodType>(name: FunctionName, spec: EndpointSpec<Schema>): HttpFunction {
  return createEndpoint(FUNCTIONS[name], spec, dependencies)
}
