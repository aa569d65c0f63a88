import { breakerOperations } from '../../shared/dependencies/breaker-operations.ts'
import { SHARED_BREAKERS } from '../../shared/dependencies/config.ts'
import { breakerOrder, listBreakers, orderBreaker } from '../../shared/operations/breakers.ts'
import { serveEdge } from '../serve-edge.ts'

breakerOperations().firestore.preload()

/** What the breakers of the fleet are like, and an operator's word over theirs. */
export default serveEdge(
  'ops-breakers',
  {
    input: breakerOrder(SHARED_BREAKERS),
    async handle({ method, input, userId }, { control }) {
      if (method === 'POST') await orderBreaker(control, input, userId)
      return { status: 200, json: { breakers: await listBreakers(control, SHARED_BREAKERS) } }
    },
  },
  breakerOperations,
)
