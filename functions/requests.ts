import * as z from 'zod'

import { Language, Title } from '../shared/podcast/content.ts'
import { TITLE_DEFAULT } from '../shared/podcast/defaults.ts'
import { EpisodeStatus } from '../shared/podcast/episode.ts'
import { EpisodeId, EpisodeReference } from '../shared/podcast/inputs.ts'
import { Options } from '../shared/podcast/options.ts'
import { STEP_NAMES } from '../shared/podcast/pipeline.ts'

/** Largest recording the pipeline takes: what the default transcriber fetches by link (5 GB). */
const RECORDING_BYTES_MAX = 5_000_000_000
const PAGE_SIZE_DEFAULT = 20
const PAGE_SIZE_MAX = 100

/**
 * What requests may contain, by function: in the query, or in the JSON body where the table of functions says so. Nothing
 * else is let through. README.md's table of fields is made from it; shared/operations/breakers.ts has that of ops-breakers.
 */
export const REQUESTS = {
  'episodes-create': z.strictObject({
    title: Title.default(TITLE_DEFAULT).describe(
      'what the episode is called; the show notes have a title of their own',
    ),
    language: Language.default('en').describe('what is spoken: a tag of BCP 47, such as `pt-BR`, or `auto`'),
    options: Options.default({}).describe('how it is made'),
  }),
  'episodes-upload': EpisodeReference,
  'episodes-upload-url': EpisodeReference.extend({
    contentType: z.string().max(255).describe('the type of an audio or video container, such as `audio/mpeg`'),
    sizeBytes: z.int().min(1).max(RECORDING_BYTES_MAX).describe('the most that will be sent through the link'),
  }),
  'episodes-transcript': EpisodeReference,
  'episodes-process': EpisodeReference,
  'episodes-get': z.strictObject({
    episodeId: EpisodeId,
    history: z.enum(['0', '1']).default('0').describe('`1` adds the latest changes'),
  }),
  'episodes-list': z.strictObject({
    pageSize: z.coerce.number().int().min(1).max(PAGE_SIZE_MAX).default(PAGE_SIZE_DEFAULT).describe('episodes at most'),
    pageToken: z.string().max(200).optional().describe('`nextPageToken` of the page before'),
    status: EpisodeStatus.optional().describe('only these'),
  }),
  'episodes-retry': z.strictObject({
    episodeId: EpisodeId,
    options: Options.optional().describe('in place of all that it had'),
    from: z.enum(STEP_NAMES).optional().describe('a step to be done anew, with all that build on it'),
  }),
  'episodes-cancel': EpisodeReference,
  'episodes-delete': EpisodeReference,
  'usage-get': z.strictObject({}),
  'ops-sweep': z.strictObject({
    dryRun: z.boolean().default(false).describe('says what it would do, and does nothing'),
  }),
} as const satisfies Record<string, z.ZodObject>
