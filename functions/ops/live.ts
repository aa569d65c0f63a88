import * as z from 'zod'

import { serve } from '../serve.ts'

export default serve('ops-live', [], {
  input: z.unknown(),
  handle: async () => ({ status: 200, json: { status: 'live' } }),
})
