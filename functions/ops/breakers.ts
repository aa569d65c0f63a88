import { breakerOperations } from '../../shared/dependencies/breaker-operations.ts'
import { BreakerOrder, listBreakers, orderBreaker } from '../../shared/operations/breakers.ts'
import { serveEdge } from '../serve-edge.ts'

breakerOperations().firestore.preload()

/** What the breakers of the fleet are like, and an operator's word over theirs. */
export default serveEdge(
  'ops-breakers',
  {
    input: BreakerOrder,
    async handle({ method, input, userId }, { control }) {
      if (method === 'POST') await orderBreaker(control, input, userId)
      return { status: 200, json: { breakers: await listBreakers(control) } }
    },
  },
  breakerOperations,
)
