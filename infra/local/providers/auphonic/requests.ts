import * as z from 'zod'

/*
 * What Auphonic takes, as strictly as can be read out of its documentation (https://auphonic.com/help/api/): a field, an
 * algorithm or a format that it does not have is refused.
 */

const amount = z.number().min(-1).max(100)

/** GET /info/algorithms.json: what each algorithm of one track may be set to. */
const ALGORITHMS = {
  leveler: z.boolean(),
  levelerstrength: z.number().min(0).max(120),
  compressor: z.enum(['auto', 'off', 'soft', 'medium', 'hard']),
  musicgain: z.number().min(-6).max(6),
  broadcastmode: z.boolean(),
  normloudness: z.boolean(),
  loudnesstarget: z.number().min(-31).max(-13),
  maxpeak: z.number().min(-9).max(0),
  maxlra: z.number().min(0).max(20),
  dualmono: z.boolean(),
  loudnessmethod: z.enum(['program', 'dialog', 'rms']),
  filtering: z.boolean(),
  filtermethod: z.enum(['hipfilter', 'autoeq', 'bwe', 'studiovoice']),
  denoise: z.boolean(),
  denoisemethod: z.enum(['classic', 'static', 'dynamic', 'speech_isolation']),
  denoiseamount: amount,
  deverbamount: amount,
  debreathamount: amount,
  silence_cutter: z.boolean(),
  filler_cutter: z.boolean(),
  cough_cutter: z.boolean(),
  music_cutter: z.boolean(),
  cut_mode: z.enum(['apply_cuts', 'set_cuts_to_silence', 'export_uncut_audio']),
} as const

const BITRATES_MP3 = [
  '32',
  '40',
  '48',
  '56',
  '64',
  '80',
  '96',
  '112',
  '128',
  '160',
  '192',
  '224',
  '256',
  '320',
] as const
const LOSSLESS = ['flac', 'alac', 'wav', 'wav-24bit'] as const
const OTHER_FORMATS = ['mp3-vbr', 'aac', 'opus', 'vorbis', 'video', 'audiogram'] as const
const bitrate = z.union([z.string(), z.number()]).transform(String)
const more = {
  ending: z.string().max(10).optional(),
  filename: z.string().max(255).optional(),
  suffix: z.string().max(50).optional(),
  mono_mixdown: z.boolean().optional(),
  split_on_chapters: z.boolean().optional(),
}
const OutputFile = z.union([
  z.strictObject({ format: z.literal('mp3'), bitrate: bitrate.pipe(z.enum(BITRATES_MP3)).optional(), ...more }),
  z.strictObject({ format: z.enum(LOSSLESS), ...more }),
  z.strictObject({ format: z.enum(OTHER_FORMATS), bitrate: bitrate.optional(), ...more }),
])

const url = z.url({ protocol: /^https?$/ })
const OtherInputFile = z
  .strictObject({
    type: z.enum(['intro', 'outro', 'insert', 'multitrack']),
    id: z.string().min(1).max(100).optional(),
    input_file: url.optional(),
    service: z.string().optional(),
    offset: z.number().optional(),
  })
  .refine(({ id, input_file: file }) => id !== undefined || file !== undefined, 'expected an id or an input_file')

const tag = z.string().max(4000)
const Metadata = z.strictObject({
  ...Object.fromEntries(
    ['title', 'artist', 'album', 'track', 'subtitle', 'summary', 'genre', 'year', 'publisher', 'url', 'license'].map(
      (name) => [name, tag.optional()],
    ),
  ),
  title: tag.optional(),
  license_url: tag.optional(),
  tags: z.array(tag).optional(),
  append_chapters: z.boolean().optional(),
})
const Chapter = z.strictObject({
  start: z.string(),
  title: z.string(),
  url: z.string().optional(),
  image: z.string().optional(),
})

/** POST /productions.json, and POST /production/{uuid}.json for what is to be changed. */
export const Details = z.strictObject({
  preset: z.string().optional(),
  input_file: url.optional(),
  output_basename: z.string().max(255).optional(),
  metadata: Metadata.optional(),
  output_files: z.array(OutputFile).max(20).optional(),
  algorithms: z.strictObject(ALGORITHMS).partial().optional(),
  multi_input_files: z.array(OtherInputFile).max(20).optional(),
  chapters: z.array(Chapter).optional(),
  speech_recognition: z.strictObject({ type: z.enum(['whisper']), language: z.string().optional() }).optional(),
  webhook: z.union([url, z.literal('')]).nullish(),
  action: z.enum(['start', 'save']).optional(),
  reset_data: z.boolean().optional(),
})
export type Details = z.infer<typeof Details>

/** What is wrong with a request, as `form_errors` lists it: field to complaints. */
export function formErrors({ issues }: z.ZodError): Record<string, string[]> {
  return Object.fromEntries(
    issues.flatMap((issue) => {
      const at = issue.path.map(String)
      if (issue.code !== 'unrecognized_keys') return [[at.join('.') || 'request', [issue.message]]]
      return issue.keys.map((key) => [[...at, key].join('.'), [`Unknown field ${key}`]])
    }),
  )
}

/** GET /info/algorithms.json */
export const ALGORITHMS_INFO = Object.fromEntries(
  Object.entries(ALGORITHMS).map(([name, schema]) => [
    name,
    { display_name: name, type: schema instanceof z.ZodBoolean ? 'checkbox' : 'select' },
  ]),
)

/** GET /info/output_files.json */
export const OUTPUT_FILES_INFO = {
  mp3: { display_name: 'MP3', type: 'lossy', bitrates: BITRATES_MP3, endings: ['mp3'] },
  ...Object.fromEntries(
    [...LOSSLESS, ...OTHER_FORMATS].map((name) => [name, { display_name: name, bitrates: [], endings: [name] }]),
  ),
}
