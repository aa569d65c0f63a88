import * as z from 'zod'

import { Notes } from './notes.ts'
import { FALLBACKS } from '../config.ts'
import { STEPS } from './steps.ts'
import type { StepName } from './steps.ts'
import { cleanLine } from './text.ts'

/**
 * The episode as Firestore keeps it. One document, so that one compare-and-set moves all of it. Objects are loose:
 * during a rollout two versions write the same documents, and neither may drop the other's fields.
 */
export const SCHEMA_VERSION = 1

const TITLE_CHARS_MAX = 200
/** What an episode is called whose owner gave it no title. */
export const TITLE_DEFAULT = 'Untitled episode'
const INTRO_CHARS_MAX = 1000

export const Title = z
  .string()
  .max(4 * TITLE_CHARS_MAX)
  .transform(cleanLine)
  .pipe(z.string().min(1).max(TITLE_CHARS_MAX))
export const Language = z.string().regex(/^[a-z]{2,3}([-_][A-Za-z]{2,4})?$/, 'expected a language such as en or en-US')

export const Options = z.strictObject({
  intro: z
    .strictObject({
      text: z
        .string()
        .max(4 * INTRO_CHARS_MAX)
        .transform(cleanLine)
        .pipe(z.string().min(1).max(INTRO_CHARS_MAX)),
      voiceId: z
        .string()
        .regex(/^[A-Za-z0-9]{8,40}$/, 'expected the id of a voice')
        .optional(),
    })
    .optional(),
  /** LUFS, within what mastering services take. */
  loudnessTarget: z.number().min(-31).max(-13).optional(),
  /** What may be done without its provider; all that the configuration allows when absent. */
  fallbacks: z.array(z.enum(FALLBACKS)).max(FALLBACKS.length).optional(),
  /** Whether a fallback's result is replaced by its provider's later; true when absent. */
  upgrade: z.boolean().optional(),
})

export const EpisodeStatus = z.enum(['draft', 'processing', 'ready', 'error', 'cancelled'])

export const EpisodeFault = z.looseObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  error_id: z.string(),
  /** For the developer, as in an error envelope. */
  technical_message: z.string().optional(),
})
export type EpisodeFault = {
  code: string
  message: string
  retryable: boolean
  error_id: string
  technical_message?: string | undefined
}

const Step = z.looseObject({
  state: z.enum(['pending', 'running', 'waiting', 'done', 'skipped', 'error']),
  /** Tries of the work itself: waiting and asking for a job's state are none. */
  attempt: z.number().int(),
  /** Counts the orders to work on this step within a generation; only the newest is obeyed. */
  dispatch: z.number().int(),
  startedAtMs: z.number().optional(),
  finishedAtMs: z.number().optional(),
  lease: z.looseObject({ token: z.string(), untilMs: z.number() }).optional(),
  /** When the newest order is due; the next event of a step nobody holds. */
  nextCheckAtMs: z.number().optional(),
  /** The provider could not be used; since when, and how often we have come back. */
  unavailable: z
    .looseObject({ provider: z.string(), sinceMs: z.number(), waits: z.number(), untilMs: z.number() })
    .optional(),
  /** The job at the provider: intended (key), then uploaded to, then known by the provider's id. */
  job: z
    .looseObject({
      key: z.string(),
      hookToken: z.string(),
      providerJobId: z.string().optional(),
      inputUrl: z.string().optional(),
      polls: z.number().int(),
      /** The provider called while the step was held: look again as soon as it is free. */
      hinted: z.boolean().optional(),
      /** Until then an attempt that has lost the step may still be sending what makes the job. */
      openUntilMs: z.number().optional(),
    })
    .optional(),
  /** Calls the provider charges: begun, how many of them repeated one whose end nobody saw, and whether one is open. */
  paid: z.looseObject({ calls: z.number().int(), repeats: z.number().int(), open: z.boolean() }).optional(),
  /** When the step last went forward. */
  progressAtMs: z.number().optional(),
  /** What it is at, in words for its owner. */
  activity: z.looseObject({ atMs: z.number(), what: z.string() }).optional(),
  /** How often a sweep has given it to another attempt, and since when nobody had looked after it. */
  redriven: z.looseObject({ count: z.number().int(), sinceMs: z.number(), atMs: z.number() }).optional(),
  /** In words for its owner: the result is not its provider's, and what it is instead. */
  degraded: z.string().optional(),
  /**
   * The result is a fallback's; how often its provider has been asked for a better one since, how long it was waited for
   * the first time, and when it is asked next.
   */
  fallback: z
    .looseObject({
      atMs: z.number(),
      tries: z.number().int(),
      pauseMs: z.number().optional(),
      nextTryAtMs: z.number().optional(),
    })
    .optional(),
  /** Its owner wants another result than there was. */
  anew: z.boolean().optional(),
  /** Why there is no fallback for this recording; it is not tried again. */
  noFallback: z.string().optional(),
  error: EpisodeFault.optional(),
})
export type Step = z.infer<typeof Step>

/** One change of an episode or of one of its steps. */
const HistoryEntry = z.looseObject({
  atMs: z.number(),
  what: z.string(),
  from: z.string().optional(),
  to: z.string(),
  attempt: z.number().optional(),
  by: z.string(),
  why: z.string().optional(),
  /** What the entry said of its step, to be compared with. */
  sign: z.string().optional(),
})
export type HistoryEntry = z.infer<typeof HistoryEntry>

const Steps = z.object(Object.fromEntries(STEPS.map((name) => [name, Step])) as Record<StepName, typeof Step>)
const AllResults = z.looseObject({
  transcribe: z
    .looseObject({ transcriptKey: z.string(), durationSeconds: z.number(), wordCount: z.number() })
    .optional(),
  /** `cacheKey`: under what the same is kept for its owner's other episodes. */
  write: z.looseObject({ notesKey: z.string(), notes: Notes, cacheKey: z.string().optional() }).optional(),
  voice: z.looseObject({ audioKey: z.string(), characters: z.number(), cacheKey: z.string().optional() }).optional(),
  master: z.looseObject({ audioKey: z.string(), durationSeconds: z.number(), introSeconds: z.number() }).optional(),
  finish: z
    .looseObject({ audioKey: z.string(), transcriptKey: z.string(), vttKey: z.string(), srtKey: z.string() })
    .optional(),
})

export const Episode = z.looseObject({
  schemaVersion: z.number().int(),
  id: z.string(),
  userId: z.string(),
  title: z.string(),
  language: z.string(),
  options: z.looseObject(Options.shape),
  status: EpisodeStatus,
  generation: z.number().int(),
  audio: z
    .looseObject({
      key: z.string(),
      contentType: z.string(),
      /** Set once the bytes are known to be there; processing pins the object's generation. */
      sizeBytes: z.number().optional(),
      objectGeneration: z.string().optional(),
      declaredBytes: z.number().optional(),
      /** Its owner's reservation of room, until it is known what has arrived. */
      reservation: z.string().optional(),
    })
    .optional(),
  steps: Steps,
  results: AllResults,
  /** What its owner has said is said in it; stays, and is used in place of a transcription. */
  handTranscript: z.looseObject({ key: z.string(), timed: z.boolean() }).optional(),
  /** One step of a ready episode that is done again by its provider, with what builds on it, beside what there is. */
  upgrade: z
    .looseObject({
      step: z.enum(STEPS),
      generation: z.number().int(),
      startedAtMs: z.number(),
      steps: Steps,
      results: AllResults,
    })
    .optional(),
  /** The highest generation an upgrade has had. */
  lastGeneration: z.number().int().optional(),
  error: EpisodeFault.optional(),
  /** The latest operations that were asked for with an Idempotency-Key: each takes effect once. */
  recentOperations: z.array(z.string()).optional(),
  /** The latest changes, oldest first. */
  history: z.array(HistoryEntry).optional(),
  /** What it has cost: provider to unit to amount, as providers measure it. */
  costs: z.record(z.string(), z.record(z.string(), z.number())).optional(),
  /** Jobs at providers that were ever made for it. */
  jobs: z.array(z.looseObject({ step: z.enum(STEPS), id: z.string() })).optional(),
  /** When the sweep must look at it should nothing else happen; absent: never. Derived, and kept to be queried. */
  sweepAtMs: z.number().optional(),
  /** When what it does not refer to was last removed. */
  tidiedAtMs: z.number().optional(),
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  processingSinceMs: z.number().optional(),
  /** Set by delete; from then on nobody sees the episode, and deleting it can be resumed. */
  deletedAtMs: z.number().optional(),
  /** Its owner has nothing left to delete; what providers keep is still to be removed. */
  filesRemovedAtMs: z.number().optional(),
})
export type Episode = z.infer<typeof Episode>
export type EpisodeStatus = z.infer<typeof EpisodeStatus>
export type Options = z.infer<typeof Options>
export type Results = Episode['results']
