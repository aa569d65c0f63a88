import * as z from 'zod'

import { edgeDependencies } from '../../shared/dependencies/edge.ts'
import { serveEdge } from '../serve-edge.ts'

export default serveEdge(
  'ops-live',
  { input: z.unknown(), handle: async () => ({ status: 200, json: { status: 'live' } }) },
  edgeDependencies,
)
