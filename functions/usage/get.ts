import { usageView } from '../../shared/quotas/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('usage-get', ['episodes'], {
  input: REQUESTS['usage-get'],
  async handle({ userId, limits }, dependencies) {
    return { status: 200, json: usageView(await dependencies.usage.read(userId), limits, dependencies.now()) }
  },
})
