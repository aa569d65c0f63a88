import { uploadAudio } from '../../shared/podcast/owner/upload.ts'
import { recordingType } from '../../shared/podcast/sound/recording-types.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'
import { UPLOAD_BYTES_MAX } from '../functions.ts'

export default serve('episodes-upload', ['episodes', 'objects'], {
  input: REQUESTS['episodes-upload'],
  async handle({ userId, limits, input, signal, header, body }, dependencies) {
    const contentType = recordingType(header('content-type'))
    const declared = Number(header('content-length') ?? Infinity)
    const audio = { stream: body, contentType, bytesMax: Math.min(declared, UPLOAD_BYTES_MAX) }
    const episode = await uploadAudio(dependencies, { userId, limits }, { ...input, audio }, signal)
    return { status: 200, json: { episode: viewOf(episode) } }
  },
})
