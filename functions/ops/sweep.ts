import { loadSweepDependencies, sweepEpisodes } from '../../shared/dependencies/sweep.ts'
import { REQUESTS } from '../requests.ts'
import { serveEdge } from '../serve-edge.ts'

const built = await loadSweepDependencies()
built.firestore.preload()

/** Finds episodes that nobody looks after, and cures or ends them. */
export default serveEdge(
  'ops-sweep',
  {
    input: REQUESTS['ops-sweep'],
    async handle({ input, signal }, dependencies) {
      return { status: 200, json: await sweepEpisodes(dependencies, input, signal) }
    },
  },
  () => built,
)
