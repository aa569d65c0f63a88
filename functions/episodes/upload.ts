import { uploadAudio } from '../../shared/episodes/actions.ts'
import { AudioContentType, EpisodeReference } from '../../shared/episodes/inputs.ts'
import { viewOf } from '../../shared/episodes/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-upload', ['episodes', 'objects'], {
  input: EpisodeReference,
  async handle({ userId, input, signal, header, body }, needs) {
    const contentType = AudioContentType.catch('application/octet-stream').parse(header('content-type'))
    const audio = { stream: body, contentType }
    const episode = await uploadAudio(needs, userId, input.episodeId, audio, signal)
    return { status: 200, json: { episode: viewOf(episode) } }
  },
})
