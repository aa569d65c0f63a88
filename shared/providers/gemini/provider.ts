import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { parseJson } from '../parse-json.ts'

const ErrorBody = z.object({
  error: z.object({
    message: z.string(),
    status: z.string().optional(),
    details: z.array(z.looseObject({ '@type': z.string().optional() })).optional(),
  }),
})

/** Gemini, texts by generateContent: https://ai.google.dev/api/generate-content */
export const gemini = defineProvider({
  name: 'gemini',
  title: 'Gemini',
  settings: {
    GEMINI_BASE_URL: baseUrl
      .default('https://generativelanguage.googleapis.com')
      .describe('another region, or a proxy'),
  },
  secrets: { GEMINI_API_KEY: text.optional().describe("Gemini's key") },
  make: { writers: async (account) => (await import('./client.ts')).makeWriter(account) },
  explain(status, body) {
    const error = parseJson(ErrorBody, body)?.error
    if (error === undefined) return {}
    const details = JSON.stringify(error.details ?? [])
    const delaySeconds = /"retryDelay":"(\d+(?:\.\d+)?)s"/.exec(details)?.[1]
    return {
      message: error.message,
      ...(delaySeconds !== undefined && { retryAfterMs: Number(delaySeconds) * 1000 }),
      ...(details.includes('API_KEY_INVALID') && { kind: 'auth' as const }),
      ...(status === 400 && error.status === 'FAILED_PRECONDITION' && { kind: 'billing' as const }),
    }
  },
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { outputTokens: { meaning: 'tokens that Gemini answers with', unit: '{token}', scale: 10 } },
})
