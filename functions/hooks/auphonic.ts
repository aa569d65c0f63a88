import { takeHint } from '../../shared/episodes/hints.ts'
import { HookInput } from '../../shared/episodes/inputs.ts'
import { serve } from '../serve.ts'

/** Auphonic signs nothing and sends no header of ours: the token is in the URL, and good for this one job. */
export default serve('hooks-auphonic', ['episodes', 'queue'], {
  input: HookInput,
  async handle({ input }, needs) {
    await takeHint(needs, 'master', { episodeId: input.episodeId, token: input.token })
    return { status: 200, json: {} }
  },
})
