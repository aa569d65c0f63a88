import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { explainRefusal } from './refusals.ts'

/** Gemini, texts by generateContent: https://ai.google.dev/api/generate-content */
export const gemini = defineProvider({
  name: 'gemini',
  title: 'Gemini',
  settings: {
    GEMINI_BASE_URL: baseUrl
      .default('https://generativelanguage.googleapis.com')
      .describe('another region, or a proxy'),
    GEMINI_MODEL: text
      .regex(/^[a-z0-9][a-z0-9.-]*$/, 'expected the name of a model, such as gemini-3.8-flash')
      .default('gemini-3.8-flash')
      .describe('the model that writes show notes; models are retired about a year after they are released'),
    // Every report of a refused `systemInstruction` or response schema is about v1, and names v1beta as the remedy.
    GEMINI_API_VERSION: text
      .regex(/^v\d+(?:(?:alpha|beta)\d*)?$/, 'expected a version such as v1beta')
      .default('v1beta')
      .describe('the version of its API; `v1` has refused system instructions and response schemas'),
    GEMINI_THINKING: text
      .pipe(z.enum(['default', 'minimal', 'low', 'medium', 'high']))
      .default('low')
      .describe('how much it thinks, charged as output: `minimal` (few models), `low`, `medium`, `high` or `default`'),
  },
  secrets: { GEMINI_API_KEY: text.optional().describe("Gemini's key") },
  make: { writers: async (account) => (await import('./client.ts')).makeWriter(account) },
  explain: explainRefusal,
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { outputTokens: { meaning: 'tokens that Gemini answers with', unit: '{token}', scale: 10 } },
  trial: { cents: 0.2, why: 'about 400 tokens in, at most 1,000 out' },
})
