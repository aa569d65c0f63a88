import type { Mp3Format } from './account.ts'
import { codeOf } from './languages.ts'

/* What is sent to ElevenLabs, beside sound. */

/** Text to speech: what stands in the address, and in the body. */
export function speechRequest(text: string, model: string, format: Mp3Format) {
  return { query: { output_format: format }, body: { text, model_id: model } }
}

/**
 * Fields of speech to text. Sounds that are no words are not asked for, because the text would name them.
 * @param language BCP 47, or `auto`, with which none is sent
 */
export function transcriptionFields(language: string, model: string) {
  const code = codeOf(language)
  return {
    model_id: model,
    timestamps_granularity: 'word',
    diarize: 'true',
    tag_audio_events: 'false',
    ...(code !== undefined && { language_code: code }),
  } as const
}
