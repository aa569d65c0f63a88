import * as z from 'zod'

import { prepareUpload } from '../../shared/podcast/owner/upload.ts'
import { EpisodeReference } from '../../shared/podcast/inputs.ts'
import { recordingType } from '../../shared/podcast/sound/recording-types.ts'
import { serve } from '../serve.ts'

/** Largest recording the pipeline takes: what the default transcriber fetches by link (5 GB). */
const RECORDING_BYTES_MAX = 5_000_000_000

export default serve('episodes-upload-url', ['episodes', 'objects'], {
  input: EpisodeReference.extend({
    contentType: z.string().max(255),
    sizeBytes: z.int().min(1).max(RECORDING_BYTES_MAX),
  }),
  async handle({ userId, limits, input }, dependencies) {
    const request = { ...input, contentType: recordingType(input.contentType) }
    return { status: 200, json: await prepareUpload(dependencies, { userId, limits }, request) }
  },
})
