import * as z from 'zod'

import { sweepDependencies } from '../../shared/dependencies/sweep.ts'
import { sweep } from '../../shared/episodes/sweep/sweep.ts'
import { serveEdge } from '../serve-edge.ts'

sweepDependencies().firestore.preload()

/** Finds episodes that nobody looks after, and cures or ends them. */
export default serveEdge(
  'ops-sweep',
  {
    input: z.strictObject({ dryRun: z.boolean().default(false) }),
    async handle({ input, signal }, needs) {
      return { status: 200, json: await sweep(needs, input, signal) }
    },
  },
  sweepDependencies,
)
