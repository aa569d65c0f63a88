import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { algorithms, DEFAULT_ALGORITHMS } from './algorithms.ts'
import { explainRefusal } from './refusals.ts'

/** Of an mp3, as podcasts are published (GET /info/output_files.json has more). */
const BITRATES_KBPS = ['64', '96', '128', '160', '192'] as const

/** Auphonic, audio mastering: https://auphonic.com/help/api/ */
export const auphonic = defineProvider({
  name: 'auphonic',
  title: 'Auphonic',
  settings: {
    AUPHONIC_BASE_URL: baseUrl.default('https://auphonic.com/api').describe('another region, or a proxy'),
    AUPHONIC_ALGORITHMS: z
      .string()
      .prefault(DEFAULT_ALGORITHMS)
      .pipe(algorithms)
      .describe(
        `what recordings are mastered with, as names or as JSON with values; by default \`${DEFAULT_ALGORITHMS}\``,
      ),
    AUPHONIC_BITRATE_KBPS: z
      .string()
      .trim()
      .pipe(z.enum(BITRATES_KBPS, `expected one of ${BITRATES_KBPS.join(', ')}`))
      .default('128')
      .describe(`kbit/s of the mastered mp3: ${BITRATES_KBPS.join(', ')}`),
  },
  secrets: { AUPHONIC_API_KEY: text.optional().describe("Auphonic's key") },
  make: { masterings: async (account) => (await import('./client.ts')).makeMastering(account) },
  explain: explainRefusal,
  /** It signs nothing and sends no header of ours. */
  hook: { tokenIn: 'query', name: 'token' },
  check: async (account, signal) => (await import('./health.ts')).checkAccount(account, signal),
  costs: { creditHours: { meaning: 'hours of credit that Auphonic charges', unit: 'h', scale: 0.01 } },
  trial: { cents: 8, why: 'credits for 3 minutes, the least that a production takes' },
})
