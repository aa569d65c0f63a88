import { buffer } from 'node:stream/consumers'

import { giveTranscript } from '../../shared/podcast/owner/transcript.ts'
import { readTranscriptByHand } from '../../shared/podcast/words/long-texts.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-transcript', ['episodes', 'objects', 'queue'], {
  input: REQUESTS['episodes-transcript'],
  async handle({ userId, limits, input, header, body, signal }, dependencies) {
    const sent = { contentType: header('content-type') ?? '', body: await buffer(body()) }
    const transcript = await readTranscriptByHand(sent, userId, signal)
    const episode = await giveTranscript(dependencies, { userId, limits }, input.episodeId, transcript)
    return { status: 200, json: { episode: viewOf(episode) } }
  },
})
