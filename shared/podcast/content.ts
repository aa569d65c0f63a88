import * as z from 'zod'

import type { Workflow } from '../engine/workflow.ts'
import { LOUDNESS_TARGET_DEFAULT } from './defaults.ts'
import { canonicalLanguage, LANGUAGE_CHARS_MAX } from './words/language.ts'
import { cleanLine } from './words/text.ts'

/* What an episode's owner gave it, as its document keeps it beside what the engine does. */

const TITLE_CHARS_MAX = 200
const INTRO_CHARS_MAX = 1000

export const Title = z
  .string()
  .max(4 * TITLE_CHARS_MAX)
  .transform(cleanLine)
  .pipe(z.string().min(1).max(TITLE_CHARS_MAX))
/** A tag of BCP 47 in its canonical spelling, or `auto`. */
export const Language = z
  .string()
  .max(LANGUAGE_CHARS_MAX)
  .transform((tag, context) => {
    const canonical = canonicalLanguage(tag)
    if (canonical === undefined) context.addIssue('expected a tag of BCP 47, such as en or pt-BR, or auto')
    return canonical ?? z.NEVER
  })

export const introFields = {
  text: z
    .string()
    .max(4 * INTRO_CHARS_MAX)
    .transform(cleanLine)
    .pipe(z.string().min(1).max(INTRO_CHARS_MAX))
    .describe('what is spoken'),
  voiceId: z
    .string()
    .regex(/^[A-Za-z0-9]{8,40}$/, 'expected the id of a voice')
    .optional()
    .describe('whose voice, by its id at the service that speaks; its own choice when absent'),
}

/** What an owner can ask for beside an intro; `options.ts` has what a request may say. */
export const optionFields = {
  /** LUFS, within what mastering services take. */
  loudnessTarget: z.number().min(-31).max(-13).optional().describe(`LUFS; ${LOUDNESS_TARGET_DEFAULT} when absent`),
  /** What may be done without its provider; all that the configuration allows when absent. */
  fallbacks: z.array(z.string()).optional(),
  /** Whether a fallback's result is replaced by its provider's later; true when absent. */
  upgrade: z
    .boolean()
    .optional()
    .describe('whether what a step made without its provider is replaced later; true when absent'),
}
/** As a document keeps them: a later release may have written more. */
const StoredOptions = z.looseObject({ ...optionFields, intro: z.looseObject(introFields).optional() })
export type StoredOptions = z.infer<typeof StoredOptions>

/** Fields of the document. */
export const contentFields = {
  schemaVersion: z.number().int(),
  userId: z.string(),
  title: z.string(),
  language: z.string(),
  options: StoredOptions,
  /** It was ready before its owner wanted it otherwise, and has counted for its month. */
  wasReady: z.boolean().optional(),
  audio: z
    .looseObject({
      key: z.string(),
      contentType: z.string(),
      /** Set once the bytes are known to be there; processing pins the object's generation. */
      sizeBytes: z.number().optional(),
      objectGeneration: z.string().optional(),
      declaredBytes: z.number().optional(),
      /** Until then something may arrive through the link that was given for it. */
      linkUntilMs: z.number().optional(),
      /** Its owner's reservation of room, in documents of the first release, until it is known what has arrived. */
      reservation: z.string().optional(),
    })
    .optional(),
  /** What its owner has said is said in it; stays, and is used in place of a transcription. */
  handTranscript: z.looseObject({ key: z.string(), timed: z.boolean(), sizeBytes: z.number().optional() }).optional(),
  /**
   * Objects that its owner's requests bring, or have brought, and that are not its recording or its transcript. They
   * count until they are removed.
   */
  strays: z
    .array(
      z.looseObject({
        key: z.string(),
        /** The most that may be there. */
        bytes: z.number(),
        /** Until then something may arrive under this key. */
        untilMs: z.number(),
        /** Nothing will ever refer to it: it was replaced, or its request failed. */
        ended: z.boolean().optional(),
      }),
    )
    .optional(),
  /**
   * Whether it counts among its owner's drafts, and until its files are removed. Documents of the first release count as
   * no draft, and as nothing from the moment of their deletion.
   */
  isCounted: z.boolean().optional(),
  /** The latest operations that were asked for with an Idempotency-Key: each takes effect once. */
  recentOperations: z.array(z.string()).optional(),
  /** Its owner has nothing left to delete; what providers keep is still to be removed. */
  filesRemovedAtMs: z.number().optional(),
}
const Fields = z.object(contentFields)

/** An episode as its steps see it: what its owner gave, and where the work stands. */
export type EpisodeContent = Workflow & z.infer<typeof Fields>
