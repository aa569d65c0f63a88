import type { Account } from '../definition.ts'
import { requestsOf } from '../http.ts'

/** What configuration says about voices, models and sound. */
export type ElevenLabsSettings = {
  readonly ELEVENLABS_MODEL: string
  readonly ELEVENLABS_VOICE_ID: string | undefined
  readonly ELEVENLABS_OUTPUT_FORMAT: Mp3Format
  readonly ELEVENLABS_STT_MODEL: string
}

/** The mp3 formats of text to speech: sample rate in Hz, bitrate in kbit/s (SDK 2.73.0). */
export const MP3_FORMATS = [
  'mp3_22050_32',
  'mp3_24000_48',
  'mp3_44100_32',
  'mp3_44100_64',
  'mp3_44100_96',
  'mp3_44100_128',
  'mp3_44100_192',
] as const
export type Mp3Format = (typeof MP3_FORMATS)[number]

export function requestBuilder(account: Account) {
  return requestsOf(account, { 'xi-api-key': account.config.apiKey })
}

/** What the service says to a key that may do its work, and not ask about it; in an answer or an error's message. */
export function isMissingPermission(text: string): boolean {
  return /(?:missing|insufficient)_permissions/.test(text)
}
