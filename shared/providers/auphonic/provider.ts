import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { parseJson } from '../parse-json.ts'

const ErrorBody = z.object({ error_message: z.string().nullish() })

/** Auphonic, audio mastering: https://auphonic.com/help/api/ */
export const auphonic = defineProvider({
  name: 'auphonic',
  title: 'Auphonic',
  settings: { AUPHONIC_BASE_URL: baseUrl.default('https://auphonic.com/api').describe('another region, or a proxy') },
  secrets: { AUPHONIC_API_KEY: text.optional().describe("Auphonic's key") },
  make: { masterings: async (account) => (await import('./client.ts')).makeMastering(account) },
  explain(_status, body) {
    const message = parseJson(ErrorBody, body)?.error_message
    if (message == null) return {}
    return { message, ...(/credit/i.test(message) && { kind: 'billing' as const }) }
  },
  /** It signs nothing and sends no header of ours. */
  hook: { tokenIn: 'query', name: 'token' },
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { creditHours: { meaning: 'hours of credit that Auphonic charges', unit: 'h', scale: 0.01 } },
  trial: { cents: 8, why: 'credits for 3 minutes, the least that a production takes' },
})
