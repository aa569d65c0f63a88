import * as z from 'zod'

import { introFields, optionFields } from './content.ts'
import { FALLBACKS } from './pipeline.ts'

/** The options of an episode, as a request may have them. */
export const Options = z.strictObject({
  ...optionFields,
  intro: z.strictObject(introFields).optional().describe('spoken before the recording; none when absent'),
  fallbacks: z
    .array(z.enum(FALLBACKS))
    .max(FALLBACKS.length)
    .optional()
    .describe('what may be done without its provider; all that `FALLBACKS` allows when absent'),
})
export type Options = z.infer<typeof Options>
