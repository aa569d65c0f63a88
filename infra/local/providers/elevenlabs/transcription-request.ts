import type { LocalRequest } from '../../http-service.ts'
import { refuseField, refuseUnplayed } from './refusals.ts'

const MODEL_IDS = ['scribe_v1', 'scribe_v2']
const GRANULARITIES = ['none', 'word', 'character']
/** Of speech to text (SDK 2.73.0); one that is not among them is refused. */
export const FIELDS = [
  'model_id',
  'file',
  'source_url',
  'cloud_storage_url',
  'language_code',
  'tag_audio_events',
  'num_speakers',
  'timestamps_granularity',
  'diarize',
  'diarization_threshold',
  'file_format',
  'temperature',
  'seed',
  'no_verbatim',
  'keyterms',
  'webhook',
  'webhook_id',
  'webhook_metadata',
  'additional_formats',
  'transcript_edit',
  'use_multi_channel',
  'multichannel_output_style',
  'entity_detection',
  'entity_redaction',
  'entity_redaction_mode',
  'use_speaker_library',
  'detect_speaker_roles',
] as const
type Field = (typeof FIELDS)[number]
const SOURCES = ['file', 'source_url', 'cloud_storage_url'] as const satisfies readonly Field[]
const SWITCHES = [
  'tag_audio_events',
  'diarize',
  'no_verbatim',
  'webhook',
  'use_multi_channel',
  'use_speaker_library',
  'detect_speaker_roles',
] as const satisfies readonly Field[]
/** What is not played here when it is asked for. */
const UNPLAYED_SWITCHES = ['webhook', 'use_multi_channel', 'use_speaker_library', 'detect_speaker_roles'] as const
const UNPLAYED_FIELDS = ['additional_formats', 'transcript_edit', 'entity_detection', 'entity_redaction'] as const
const NUMBERS: { readonly [Name in Field]?: readonly [min: number, max: number] } = {
  num_speakers: [1, 32],
  diarization_threshold: [0, 1],
  temperature: [0, 2],
  seed: [0, 2_147_483_647],
}
const KEYTERMS_MAX = 1000
const KEYTERM = /^[^<>{}[\]\\]{1,49}$/
const LANGUAGES = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' })

export type TranscriptionRequest = {
  /** An address, or a file. */
  readonly source: string | Blob
  /** Whether each word has its times. */
  readonly timed: boolean
  readonly diarize: boolean
}

/** What is to be transcribed, and how; whatever the vendor would not take is refused. */
export async function readTranscription(request: LocalRequest): Promise<TranscriptionRequest> {
  const form = await readForm(request)
  const text = (name: Field) => {
    const value = form.get(name)
    return typeof value === 'string' ? value : undefined
  }
  const unknown = [...form.keys()].find((name) => !FIELDS.some((known) => known === name))
  if (unknown !== undefined) refuseField('body', unknown, 'Extra inputs are not permitted')
  requireModel(text('model_id'))
  for (const name of SWITCHES)
    if (form.has(name) && !['true', 'false'].includes(text(name) ?? ''))
      refuseField('body', name, 'Input should be a valid boolean')
  for (const [name, [min, max]] of Object.entries(NUMBERS)) requireWithin(name, text(name as Field), min, max)
  const granularity = text('timestamps_granularity') ?? 'word'
  if (!GRANULARITIES.includes(granularity))
    refuseField('body', 'timestamps_granularity', `Input should be one of ${GRANULARITIES.join(', ')}`)
  requireLanguage(text('language_code'))
  requireConsistency(form, text)
  requirePlayed(form, text, granularity)
  return { source: sourceIn(form), timed: granularity === 'word', diarize: text('diarize') === 'true' }
}

async function readForm(request: LocalRequest): Promise<FormData> {
  const type = request.headers['content-type'] ?? ''
  try {
    return await new Response(new Uint8Array(await request.bytes()), { headers: { 'Content-Type': type } }).formData()
  } catch {
    return refuseField('body', 'model_id', 'Field required')
  }
}

function requireModel(model: string | undefined): void {
  if (model === undefined) refuseField('body', 'model_id', 'Field required')
  if (!MODEL_IDS.includes(model))
    refuseField('body', 'model_id', `'${model}' is not a valid model_id. Only ${MODEL_IDS.join(', ')} are.`)
}

function requireWithin(name: string, value: string | undefined, min: number, max: number): void {
  if (value === undefined) return
  const number = Number(value)
  if (value.trim() === '' || !(number >= min && number <= max))
    refuseField('body', name, `Input should be from ${min} to ${max}`)
}

/** ISO 639-1 or 639-3. */
function requireLanguage(code: string | undefined): void {
  if (code === undefined || (/^[a-z]{2,3}$/.test(code) && LANGUAGES.of(code) !== undefined)) return
  refuseField('body', 'language_code', `'${code}' is not supported`)
}

function requireConsistency(form: FormData, text: (name: Field) => string | undefined): void {
  if (SOURCES.filter((name) => form.has(name)).length !== 1)
    refuseField('body', 'file', `Exactly one of ${SOURCES.join(', ')} must be provided`)
  if (form.has('diarization_threshold') && (text('diarize') !== 'true' || form.has('num_speakers')))
    refuseField('body', 'diarization_threshold', 'Can only be set when diarize=True and num_speakers=None')
  if (text('no_verbatim') === 'true' && text('model_id') !== 'scribe_v2')
    refuseField('body', 'no_verbatim', 'Only supported with scribe_v2')
  if (form.has('file_format') && !['pcm_s16le_16', 'other'].includes(text('file_format') ?? ''))
    refuseField('body', 'file_format', "Input should be 'pcm_s16le_16' or 'other'")
  const terms = form.getAll('keyterms')
  const areGood = terms.every((term) => typeof term === 'string' && KEYTERM.test(term))
  if (terms.length > KEYTERMS_MAX || !areGood)
    refuseField('body', 'keyterms', `At most ${KEYTERMS_MAX} of less than 50 characters`)
}

function requirePlayed(form: FormData, text: (name: Field) => string | undefined, granularity: string): void {
  const asked =
    UNPLAYED_SWITCHES.find((name) => text(name) === 'true') ?? UNPLAYED_FIELDS.find((name) => form.has(name))
  if (asked !== undefined) refuseUnplayed(`Speech to text with ${asked}`)
  if (granularity === 'character') refuseUnplayed('Speech to text with times of characters')
  if (text('file_format') === 'pcm_s16le_16') refuseUnplayed('Speech to text of raw samples')
}

function sourceIn(form: FormData): string | Blob {
  const source = form.get('file') ?? form.get('source_url') ?? form.get('cloud_storage_url')
  if (form.has('file') ? source instanceof Blob : typeof source === 'string') return source as string | Blob
  return refuseField('body', 'file', 'Expected a file, or a URL')
}
