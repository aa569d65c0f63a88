import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { parseJson } from '../parse-json.ts'

const ErrorBody = z.object({ error: z.string() })

/** AssemblyAI, pre-recorded transcription: https://www.assemblyai.com/docs/api-reference */
export const assemblyai = defineProvider({
  name: 'assemblyai',
  title: 'AssemblyAI',
  settings: {
    ASSEMBLYAI_BASE_URL: baseUrl.default('https://api.assemblyai.com').describe('another region, or a proxy'),
  },
  secrets: { ASSEMBLYAI_API_KEY: text.optional().describe("AssemblyAI's key") },
  make: { transcribers: async (account) => (await import('./client.ts')).makeTranscriber(account) },
  explain(status, body) {
    const message = parseJson(ErrorBody, body)?.error
    if (message === undefined) return {}
    return { message, ...(status === 400 && /balance/i.test(message) && { kind: 'billing' as const }) }
  },
  hook: { tokenIn: 'header', name: 'X-Steadycast-Hook-Token' },
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { audioSeconds: { meaning: 'seconds of audio that AssemblyAI charges', unit: 's', scale: 60 } },
})
