import { prepareUpload } from '../../shared/podcast/owner/upload.ts'
import { recordingType } from '../../shared/podcast/sound/recording-types.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-upload-url', ['episodes', 'objects'], {
  input: REQUESTS['episodes-upload-url'],
  async handle({ userId, limits, input }, dependencies) {
    const request = { ...input, contentType: recordingType(input.contentType) }
    return { status: 200, json: await prepareUpload(dependencies, { userId, limits }, request) }
  },
})
