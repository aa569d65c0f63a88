import { takeHint } from '../../shared/episodes/hints.ts'
import { HookInput } from '../../shared/episodes/inputs.ts'
import { HOOK_TOKEN_HEADER } from '../../shared/episodes/workers/transcribe.ts'
import { serve } from '../serve.ts'

export default serve('hooks-assemblyai', ['episodes', 'queue'], {
  input: HookInput,
  async handle({ input, header }, needs) {
    await takeHint(needs, 'transcribe', { episodeId: input.episodeId, token: header(HOOK_TOKEN_HEADER) })
    return { status: 200, json: {} }
  },
})
