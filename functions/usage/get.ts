import * as z from 'zod'

import { usageView } from '../../shared/quotas/view.ts'
import { serve } from '../serve.ts'

export default serve('usage-get', ['episodes'], {
  input: z.strictObject({}),
  async handle({ userId, limits }, dependencies) {
    return { status: 200, json: usageView(await dependencies.usage.read(userId), limits, dependencies.now()) }
  },
})
