import * as z from 'zod'

import { usageView } from '../../shared/quotas/view.ts'
import { serve } from '../serve.ts'

export default serve('usage-get', ['episodes'], {
  input: z.strictObject({}),
  async handle({ userId, limits }, needs) {
    return { status: 200, json: usageView(await needs.usage.read(userId), limits, needs.now()) }
  },
})
