import { randomUUID } from 'node:crypto'

import * as z from 'zod'

import { toMp3 } from '../../audio/mastering.ts'
import { remember } from '../../audio/remember.ts'
import { speak } from '../../audio/speak.ts'
import { ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply } from '../../http-service.ts'
import { STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandInOptions, WorkLog } from '../stand-in.ts'
import { hasTier } from './accounts.ts'
import type { Account } from './accounts.ts'
import { findModel, MODEL_DEFAULT } from './models.ts'
import { refuse, refuseField, refuseUnplayed } from './refusals.ts'
import { requireVoice } from './voices.ts'

/** The fields that text to speech takes (SDK 2.73.0); one that is not among them is refused. */
export const SpeechBody = z.strictObject({
  text: z.string().min(1),
  model_id: z.string().nullish(),
  language_code: z.string().nullish(),
  voice_settings: z
    .strictObject({
      stability: z.number().min(0).max(1).nullish(),
      use_speaker_boost: z.boolean().nullish(),
      similarity_boost: z.number().min(0).max(1).nullish(),
      style: z.number().min(0).max(1).nullish(),
      speed: z.number().min(0.7).max(1.2).nullish(),
    })
    .nullish(),
  pronunciation_dictionary_locators: z.array(z.looseObject({})).max(3).nullish(),
  seed: z.int().min(0).max(4_294_967_295).nullish(),
  previous_text: z.string().nullish(),
  next_text: z.string().nullish(),
  previous_request_ids: z.array(z.string()).max(3).nullish(),
  next_request_ids: z.array(z.string()).max(3).nullish(),
  use_pvc_as_ivc: z.boolean().nullish(),
  apply_text_normalization: z.enum(['auto', 'on', 'off']).nullish(),
  apply_language_text_normalization: z.boolean().nullish(),
  audio_effects: z.looseObject({}).nullish(),
})
const QUERY: ReadonlySet<string> = new Set(['output_format', 'enable_logging', 'optimize_streaming_latency'])

/** By SDK 2.73.0. */
export const FORMATS = [
  'alaw_8000',
  'mp3_22050_32',
  'mp3_24000_48',
  'mp3_44100_32',
  'mp3_44100_64',
  'mp3_44100_96',
  'mp3_44100_128',
  'mp3_44100_192',
  'opus_48000_32',
  'opus_48000_64',
  'opus_48000_96',
  'opus_48000_128',
  'opus_48000_192',
  'pcm_8000',
  'pcm_16000',
  'pcm_22050',
  'pcm_24000',
  'pcm_32000',
  'pcm_44100',
  'pcm_48000',
  'ulaw_8000',
  'wav_8000',
  'wav_16000',
  'wav_22050',
  'wav_24000',
  'wav_32000',
  'wav_44100',
  'wav_48000',
] as const
type Format = (typeof FORMATS)[number]
const CREATORS_FORMAT: Format = 'mp3_44100_192'
const PROS_FORMATS: ReadonlySet<Format> = new Set(['pcm_44100', 'pcm_48000', 'wav_44100', 'wav_48000'])

export const SPEAKING_AT_ONCE = 5
const LATENCY_MS = { base: 300, perCharacter: 5 }

type Spoken = { readonly text: string; readonly format: Format; readonly characters: number }

/** What is to be spoken, and as what; whatever the vendor would not take is refused, and nothing is charged for it. */
export async function readSpeech(request: LocalRequest, account: Account): Promise<Spoken> {
  const [voiceId = ''] = request.params
  const { text, model_id: modelId } = readBody(await request.json())
  const format = readQuery(request.url)
  const model = findModel(modelId ?? MODEL_DEFAULT)
  if (model === undefined) refuse(404, 'model_not_found', `A model with ID '${modelId}' does not exist`, 'model_id')
  requireVoice(voiceId, account)
  requireFormat(format, account)
  if (text.length > model.charactersMax)
    refuse(400, 'text_too_long', `A text for ${model.id} has at most ${model.charactersMax} characters.`, 'text')
  const characters = Math.ceil(text.length * model.costFactor)
  if (account.charactersUsed + characters > account.characterLimit)
    refuse(402, 'insufficient_credits', 'This request exceeds what is left of your credits.')
  return { text, format, characters }
}

/** Speaks it, as long as it takes, and charges for it. */
export async function answerSpeech(
  request: LocalRequest,
  { text, format, characters }: Spoken,
  { account, options, work, speaking }: { account: Account; options: StandInOptions; work: WorkLog; speaking: number },
): Promise<Reply> {
  const startedAtMs = Date.now()
  account.charactersUsed += characters
  const [wav] = await Promise.all([
    synthesise(text),
    wait((LATENCY_MS.base + text.length * LATENCY_MS.perCharacter) * options.pace.factor),
  ])
  const audio = Buffer.from(format.startsWith('wav_') ? wav : await toMp3(wav))
  work.record('elevenlabs', String(request.headers['x-correlation-id'] ?? ''), startedAtMs, { calls: 1, characters })
  const headers = {
    'request-id': randomUUID(),
    'character-cost': String(characters),
    'current-concurrent-requests': String(speaking),
    'maximum-concurrent-requests': String(SPEAKING_AT_ONCE),
    'x-stand-in': STAND_IN_NOTICE,
  }
  if (request.params[1] === 'with-timestamps') return { status: 200, headers, json: alignCharacters(text, audio) }
  const type = format.startsWith('wav_') ? 'audio/wav' : 'audio/mpeg'
  return { status: 200, headers: { ...headers, 'Content-Type': type }, body: audio }
}

function readBody(body: unknown): z.infer<typeof SpeechBody> {
  const parsed = SpeechBody.safeParse(body)
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues.flatMap(({ path, message, ...issue }) => {
    const names = 'keys' in issue ? issue.keys : [undefined]
    return names.map((name) => ({
      loc: ['body', ...path.map(String), ...(name === undefined ? [] : [name])],
      msg: message,
      type: 'value_error',
    }))
  })
  throw new ReplyError({ status: 422, json: { detail } })
}

function readQuery({ searchParams }: URL): Format {
  const unknown = [...searchParams.keys()].find((name) => !QUERY.has(name))
  if (unknown !== undefined) refuseField('query', unknown, 'Extra inputs are not permitted')
  const asked = searchParams.get('output_format') ?? 'mp3_44100_128'
  const format = FORMATS.find((known) => known === asked)
  if (format === undefined) refuse(400, 'invalid_output_format', `${asked} is not an output format`, 'output_format')
  return format
}

function requireFormat(format: Format, account: Account): void {
  const needed = format === CREATORS_FORMAT ? 'creator' : PROS_FORMATS.has(format) ? 'pro' : 'free'
  if (!hasTier(account, needed))
    refuse(403, 'output_format_not_allowed', `The output format ${format} takes the plan ${needed}.`, 'output_format')
  if (!/^(?:mp3|wav)_/.test(format)) refuseUnplayed(`The output format ${format}`)
}

/** Speech as a WAV file. The text reaches eSpeak as one argument after `--`, never as an option. */
async function synthesise(text: string): Promise<Uint8Array> {
  const args = ['-w', 'out.wav', '-v', 'en-us', '-s', '150', '--', text]
  const wav = await remember(args, () => speak({ args, output: 'out.wav' }))
  if (wav.length < 100) throw new Error('eSpeak made no audio')
  return wav
}

function alignCharacters(text: string, audio: Buffer) {
  const characters = Array.from(text)
  const seconds = audio.length / 16_000 / characters.length
  const alignment = {
    characters,
    character_start_times_seconds: characters.map((_character, index) => index * seconds),
    character_end_times_seconds: characters.map((_character, index) => (index + 1) * seconds),
  }
  return { audio_base64: audio.toString('base64'), alignment, normalized_alignment: alignment }
}
