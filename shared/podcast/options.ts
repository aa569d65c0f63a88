import * as z from 'zod'

import { introFields, optionFields } from './content.ts'
import { FALLBACKS } from './pipeline.ts'

/** The options of an episode, as a request may have them. */
export const Options = z.strictObject({
  ...optionFields,
  intro: z.strictObject(introFields).optional(),
  fallbacks: z.array(z.enum(FALLBACKS)).max(FALLBACKS.length).optional(),
})
export type Options = z.infer<typeof Options>
