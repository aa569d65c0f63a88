import * as z from 'zod'

import { loadSweepDependencies, sweepEpisodes } from '../../shared/dependencies/sweep.ts'
import { serveEdge } from '../serve-edge.ts'

const built = await loadSweepDependencies()
built.firestore.preload()

/** Finds episodes that nobody looks after, and cures or ends them. */
export default serveEdge(
  'ops-sweep',
  {
    input: z.strictObject({ dryRun: z.boolean().default(false) }),
    async handle({ input, signal }, dependencies) {
      return { status: 200, json: await sweepEpisodes(dependencies, input, signal) }
    },
  },
  () => built,
)
