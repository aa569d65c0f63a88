import { randomUUID } from 'node:crypto'

import { durationSeconds } from '../../audio/mastering.ts'
import type { LocalRequest, Reply } from '../../http-service.ts'
import { transcribeAudio } from '../../audio/heard-words.ts'
import { fetchAudio, wait } from '../stand-in.ts'
import type { StandInOptions, WorkLog } from '../stand-in.ts'

const MODEL_IDS = new Set(['scribe_v1', 'scribe_v2'])
const GRANULARITIES = ['none', 'word', 'character']
/** Of speech-to-text as its SDK has them; one that is not among them is refused. */
const FIELDS = new Set([
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
  'additional_formats',
  'file_format',
  'webhook',
  'webhook_id',
  'webhook_metadata',
  'temperature',
  'seed',
  'use_multi_channel',
  'multichannel_output_style',
  'entity_detection',
  'no_verbatim',
  'keyterms',
])
const LATENCY_MS = { base: 600, shareOfAudio: 0.02 }
const LANGUAGES = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' })

type Refuse = (status: number, code: string, message: string) => Reply

/** Speech to text: the words of the clip that ships, filler for any other, as the AssemblyAI stand-in has them. */
export async function transcribe(
  request: LocalRequest,
  refuse: Refuse,
  { pace }: StandInOptions,
  work: WorkLog,
): Promise<Reply> {
  const startedAtMs = Date.now()
  const form = await formOf(request)
  if (form === undefined) return invalid('body', 'Expected multipart/form-data')
  const problem = problemOf(form)
  if (problem !== undefined) return problem
  const url = form.get('source_url') ?? form.get('cloud_storage_url')
  if (typeof url === 'string') request.concerns(/episodes\/([0-9a-f]{24})\//.exec(url)?.[1] ?? '')
  const audio = typeof url === 'string' ? await fetchAudio(url) : await bytesOf(form.get('file'))
  if (audio === undefined) return refuse(400, 'invalid_source_url', 'The file could not be fetched from the URL.')
  const seconds = await durationSeconds(audio).catch(() => undefined)
  if (seconds === undefined) return refuse(400, 'invalid_audio', 'The file is not audio that can be read.')
  await wait((LATENCY_MS.base + seconds * 1000 * LATENCY_MS.shareOfAudio) * pace.factor)
  work.record('elevenlabs', String(request.headers['x-correlation-id'] ?? ''), startedAtMs)
  return { status: 200, json: answerOf(audio, seconds) }
}

function problemOf(form: FormData): Reply | undefined {
  const unknown = [...form.keys()].find((name) => !FIELDS.has(name))
  if (unknown !== undefined) return invalid(unknown, 'Extra inputs are not permitted')
  const model = form.get('model_id')
  if (typeof model !== 'string') return invalid('model_id', 'Field required')
  if (!MODEL_IDS.has(model)) return invalid('model_id', `'${model}' is not a valid model_id`)
  const granularity = textIn(form, 'timestamps_granularity')
  if (granularity !== undefined && !GRANULARITIES.includes(granularity))
    return invalid('timestamps_granularity', `Input should be one of ${GRANULARITIES.join(', ')}`)
  for (const name of ['diarize', 'tag_audio_events', 'webhook'])
    if (form.has(name) && !['true', 'false'].includes(textIn(form, name) ?? ''))
      return invalid(name, 'Input should be a boolean')
  const sources = ['file', 'source_url', 'cloud_storage_url'].filter((name) => form.has(name))
  if (sources.length !== 1) return invalid('file', 'Exactly one of file, source_url and cloud_storage_url is required')
  const language = textIn(form, 'language_code')
  if (language !== undefined && !isLanguage(language)) return invalid('language_code', `'${language}' is not supported`)
  return undefined
}

/** A field that is a text and no file. */
function textIn(form: FormData, name: string): string | undefined {
  const value = form.get(name)
  return typeof value === 'string' ? value : undefined
}

/** ISO 639-1 or 639-3. */
function isLanguage(code: string): boolean {
  return /^[a-z]{2,3}$/.test(code) && LANGUAGES.of(code) !== undefined
}

async function formOf(request: LocalRequest): Promise<FormData | undefined> {
  try {
    const type = request.headers['content-type'] ?? ''
    return await new Response(new Uint8Array(await request.bytes()), { headers: { 'Content-Type': type } }).formData()
  } catch {
    return undefined
  }
}

async function bytesOf(file: ReturnType<FormData['get']>): Promise<Buffer | undefined> {
  return file instanceof Blob ? Buffer.from(await file.arrayBuffer()) : undefined
}

function answerOf(audio: Buffer, seconds: number): Record<string, unknown> {
  const spoken = transcribeAudio(audio, seconds, true)
  const words = spoken.flatMap(({ text, start, end, speaker }, index) => {
    const next = spoken[index + 1]
    const word = {
      text,
      start: start / 1000,
      end: end / 1000,
      type: 'word',
      speaker_id: speakerOf(speaker),
      logprob: -0.03,
    }
    const space = {
      text: ' ',
      start: end / 1000,
      end: (next?.start ?? end) / 1000,
      type: 'spacing',
      speaker_id: speakerOf(speaker),
      logprob: 0,
    }
    return next === undefined ? [word] : [word, space]
  })
  return {
    language_code: 'eng',
    language_probability: 0.98,
    text: spoken.map(({ text }) => text).join(' '),
    words,
    transcription_id: randomUUID(),
    audio_duration_secs: seconds,
  }
}

function invalid(field: string, msg: string): Reply {
  return { status: 422, json: { detail: [{ loc: ['body', field], msg, type: 'value_error' }] } }
}

/** `A` is `speaker_0`. */
function speakerOf(letter: string | null): string {
  return `speaker_${Math.max(0, (letter ?? 'A').charCodeAt(0) - 'A'.charCodeAt(0))}`
}
