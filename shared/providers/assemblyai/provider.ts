import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { languages } from './languages.ts'
import { explainRefusal } from './refusals.ts'

const MODELS_MAX = 5
const models = z
  .string()
  .transform((list) => list.split(',').map((model) => model.trim()))
  .pipe(
    z
      .array(z.string().regex(/^[\w.-]{1,64}$/, 'expected names of models, comma-separated'))
      .min(1)
      .max(MODELS_MAX),
  )

/** AssemblyAI, pre-recorded transcription: https://www.assemblyai.com/docs/api-reference */
export const assemblyai = defineProvider({
  name: 'assemblyai',
  title: 'AssemblyAI',
  settings: {
    ASSEMBLYAI_BASE_URL: baseUrl.default('https://api.assemblyai.com').describe('another region, or a proxy'),
    // Always said: the default has changed under AssemblyAI's users. The second takes the languages the first has not.
    ASSEMBLYAI_SPEECH_MODELS: models
      .default(['assemblyai-stt-3-7', 'universal-2'])
      .describe('models that transcribe, comma-separated, the first that takes the language first'),
  },
  secrets: { ASSEMBLYAI_API_KEY: text.optional().describe("AssemblyAI's key") },
  make: { transcribers: async (account) => (await import('./client.ts')).makeTranscriber(account) },
  explain: explainRefusal,
  hook: { tokenIn: 'header', name: 'X-Steadycast-Hook-Token' },
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { audioSeconds: { meaning: 'seconds of audio that AssemblyAI charges', unit: 's', scale: 60 } },
  readHeard: async () => (await import('./job.ts')).readJob,
  languages,
  trial: { cents: 0.1, why: '11 s of audio' },
})
