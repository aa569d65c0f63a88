import * as z from 'zod'

import { STAND_IN_NOTICE } from '../stand-in.ts'

/** `TranscriptLanguageCode` of the SDK. */
// prettier-ignore
export const LANGUAGE_CODES = [
  'en', 'en_au', 'en_uk', 'en_us', 'es', 'fr', 'de', 'de_ch', 'it', 'pt', 'nl', 'af', 'sq', 'am', 'ar', 'hy', 'as', 'az',
  'ba', 'eu', 'be', 'bn', 'bs', 'br', 'bg', 'my', 'ca', 'zh', 'hr', 'cs', 'da', 'et', 'fo', 'fi', 'gl', 'ka', 'el', 'gu',
  'ht', 'ha', 'haw', 'he', 'hi', 'hu', 'is', 'id', 'ja', 'jw', 'kn', 'kk', 'km', 'ko', 'lo', 'la', 'lv', 'ln', 'lt', 'lb',
  'mk', 'mg', 'ms', 'ml', 'mt', 'mi', 'mr', 'mn', 'ne', 'no', 'nn', 'oc', 'pa', 'ps', 'fa', 'pl', 'ro', 'ru', 'sa', 'sr',
  'sn', 'sd', 'si', 'sk', 'sl', 'so', 'su', 'sw', 'sv', 'tl', 'tg', 'ta', 'tt', 'te', 'th', 'bo', 'tr', 'tk', 'uk', 'ur',
  'uz', 'vi', 'cy', 'yi', 'yo',
] as const
/** `assemblyai-stt-3-7` and what the migration guide of November 2026 names beside it. */
const MODELS = ['assemblyai-stt-3-7', 'universal-3-5-pro', 'universal-2'] as const

const flag = z.boolean().nullish()
const share = z.number().min(0).max(1).nullish()
const webUrl = z.url({ protocol: /^https?$/ })

/** What the stand-in acts out, or can leave alone without anybody noticing. */
const FIELDS = {
  audio_url: webUrl,
  language_code: z.enum(LANGUAGE_CODES).nullish(),
  language_detection: flag,
  language_confidence_threshold: share,
  speech_models: z.array(z.enum(MODELS)).nonempty().nullish(),
  speaker_labels: flag,
  speakers_expected: z.int().min(1).nullish(),
  speaker_options: z
    .strictObject({
      min_speakers_expected: z.int().min(1).nullish(),
      max_speakers_expected: z.int().min(1).nullish(),
    })
    .nullish(),
  punctuate: flag,
  format_text: flag,
  disfluencies: flag,
  filter_profanity: flag,
  keyterms_prompt: z.array(z.string()).max(1000).nullish(),
  prompt: z.string().nullish(),
  temperature: share,
  speech_threshold: share,
  webhook_url: webUrl.nullish(),
  webhook_auth_header_name: z.string().min(1).nullish(),
  webhook_auth_header_value: z.string().nullish(),
}
/** What AssemblyAI takes as well. */
const NOT_HERE = [
  'audio_end_at',
  'audio_start_from',
  'auto_chapters',
  'auto_highlights',
  'boost_param',
  'content_safety',
  'content_safety_confidence',
  'custom_spelling',
  'custom_topics',
  'domain',
  'dual_channel',
  'entity_detection',
  'iab_categories',
  'keyterms_prompt_options',
  'language_detection_options',
  'multichannel',
  'redact_pii',
  'redact_pii_audio',
  'redact_pii_audio_quality',
  'redact_pii_policies',
  'redact_pii_return_unredacted',
  'redact_pii_sub',
  'remove_audio_tags',
  'sentiment_analysis',
  'speech_understanding',
  'summarization',
  'summary_model',
  'summary_type',
  'topics',
  'word_boost',
] as const
const off = z.union([z.null(), z.literal(false)]).optional()

const Submission = z.strictObject({
  ...FIELDS,
  ...(Object.fromEntries(NOT_HERE.map((name) => [name, off])) as Record<(typeof NOT_HERE)[number], typeof off>),
})
export type Submission = z.infer<typeof Submission>

const SCHEMA = 'Invalid endpoint schema, please refer to documentation for examples.'

/** @returns what is asked for, or the sentence with which AssemblyAI refuses it */
export function readSubmission(body: unknown): Submission | string {
  const parsed = Submission.safeParse(body)
  if (!parsed.success) return sentenceOf(parsed.error.issues)
  const { data } = parsed
  if (data.language_code != null && data.language_detection === true)
    return 'language_code cannot be given together with language_detection'
  if ((data.webhook_auth_header_name == null) !== (data.webhook_auth_header_value == null))
    return 'webhook_auth_header_name and webhook_auth_header_value must be given together'
  if (data.speakers_expected != null && data.speaker_labels !== true)
    return 'speakers_expected requires speaker_labels to be true'
  return data
}

function sentenceOf(issues: readonly { path: readonly PropertyKey[] }[]): string {
  const fields = issues.map(({ path }) => String(path[0] ?? ''))
  if (fields.includes('audio_url')) return 'audio_url must be a publicly accessible URL'
  if (fields.includes('language_code')) return `language_code must be one of: ${LANGUAGE_CODES.join(', ')}`
  // Word for word what users have been told.
  if (fields.includes('speech_models'))
    return `"speech_models" must be a non-empty list containing one or more of: ${MODELS.map((model) => `"${model}"`).join(', ')}`
  const missing = fields.find((field) => (NOT_HERE as readonly string[]).includes(field))
  return missing === undefined ? SCHEMA : `${missing} is not to be had here: ${STAND_IN_NOTICE}`
}
