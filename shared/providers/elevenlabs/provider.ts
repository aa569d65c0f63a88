import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { MP3_FORMATS } from './account.ts'
import { explain } from './errors.ts'
import { languages } from './languages.ts'

/** ElevenLabs, speech from text and text from speech: https://elevenlabs.io/docs/api-reference */
export const elevenlabs = defineProvider({
  name: 'elevenlabs',
  title: 'ElevenLabs',
  settings: {
    ELEVENLABS_BASE_URL: baseUrl.default('https://api.elevenlabs.io').describe('another region, or a proxy'),
    ELEVENLABS_MODEL: text.default('eleven_multilingual_v2').describe('the model that speaks'),
    ELEVENLABS_VOICE_ID: text
      .regex(/^[A-Za-z0-9]{8,40}$/, 'expected the id of a voice')
      .optional()
      .describe("who speaks for those who choose no voice; without one the account's first usable voice"),
    ELEVENLABS_OUTPUT_FORMAT: text
      .pipe(z.enum(MP3_FORMATS))
      .default('mp3_44100_128')
      .describe('sample rate and bitrate of what is spoken; 192 kbit/s takes the Creator plan'),
    ELEVENLABS_STT_MODEL: text.default('scribe_v2').describe('the model that listens'),
  },
  secrets: { ELEVENLABS_API_KEY: text.optional().describe("ElevenLabs' key") },
  make: {
    speakers: async (account) => (await import('./speech.ts')).makeSpeaker(account),
    transcribers: async (account) => (await import('./scribe.ts')).makeTranscriber(account),
  },
  answersAtOnce: ['transcribers'],
  breakers: { transcribers: 'elevenlabs-stt' },
  explain,
  readHeard: async () => (await import('./heard.ts')).readHeard,
  languages,
  check: async (account, signal) => (await import('./health.ts')).checkAccount(account, signal),
  costs: {
    characters: { meaning: 'characters that ElevenLabs charges', unit: '{character}', scale: 10 },
    audioSeconds: { meaning: 'seconds of audio that ElevenLabs charges', unit: 's', scale: 60 },
  },
  trial: { cents: 1, why: '6 characters spoken, 11 s of audio heard' },
})
