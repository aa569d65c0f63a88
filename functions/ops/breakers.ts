import { breakerOperations } from '../../shared/dependencies/breaker-operations.ts'
import { SHARED_BREAKERS } from '../../shared/dependencies/config.ts'
import { overrideRequest, listBreakers, overrideBreaker } from '../../shared/operations/breakers.ts'
import { serveEdge } from '../serve-edge.ts'

breakerOperations().firestore.preload()

/** Lists the breakers of the fleet, and takes an operator's override. */
export default serveEdge(
  'ops-breakers',
  {
    input: overrideRequest(SHARED_BREAKERS),
    async handle({ method, input, userId }, { control }) {
      if (method === 'POST') await overrideBreaker(control, input, userId)
      return { status: 200, json: { breakers: await listBreakers(control, SHARED_BREAKERS) } }
    },
  },
  breakerOperations,
)
