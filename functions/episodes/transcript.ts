import { buffer } from 'node:stream/consumers'

import { giveTranscript } from '../../shared/podcast/owner/transcript.ts'
import { readHandTranscript } from '../../shared/podcast/words/hand-transcript.ts'
import { EpisodeReference } from '../../shared/podcast/inputs.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-transcript', ['episodes', 'objects', 'queue'], {
  input: EpisodeReference,
  async handle({ userId, limits, input, header, body }, dependencies) {
    const transcript = await readHandTranscript(header('content-type') ?? '', await buffer(body()))
    const episode = await giveTranscript(dependencies, { userId, limits }, input.episodeId, transcript)
    return { status: 200, json: { episode: viewOf(episode) } }
  },
})
