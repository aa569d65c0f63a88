import { randomUUID } from 'node:crypto'

import * as z from 'zod'

import { toMp3 } from '../../audio/mastering.ts'
import { remember } from '../../audio/remember.ts'
import { speak } from '../../audio/speak.ts'
import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { transcribe } from './scribe.ts'
import { findVoice, listVoices, refusalOfVoice } from './voices.ts'

/** The fields that text to speech takes, as its SDK has them; one that is not among them is refused. */
const Speak = z.strictObject({
  text: z.string().min(1),
  model_id: z.string().optional(),
  language_code: z.string().nullish(),
  voice_settings: z.looseObject({}).nullish(),
  pronunciation_dictionary_locators: z.array(z.looseObject({})).nullish(),
  seed: z.number().int().nullish(),
  previous_text: z.string().nullish(),
  next_text: z.string().nullish(),
  previous_request_ids: z.array(z.string()).nullish(),
  next_request_ids: z.array(z.string()).nullish(),
  use_pvc_as_ivc: z.boolean().nullish(),
  apply_text_normalization: z.enum(['auto', 'on', 'off']).nullish(),
  apply_language_text_normalization: z.boolean().nullish(),
})
const FORMAT = /^(?:mp3_(?:22050_32|24000_48|44100_(?:32|64|96|128|192))|wav_\d+)$/
const CHARACTERS = { limit: 100_000, perRequestMax: 10_000 }
const CONCURRENCY = 5
const LATENCY_MS = { base: 300, perCharacter: 5 }
const MODEL_IDS = ['eleven_multilingual_v2', 'eleven_v3', 'eleven_flash_v2_5', 'eleven_turbo_v2_5']

/** ElevenLabs: real, audible speech by eSpeak NG with a character ledger and a concurrency limit, and speech to text. */
export const elevenlabs: StandIn = {
  basePath: '',
  makeServers: (options, work) => ({ api: makeApi(options, work), behind: [] }),
}

function makeApi(options: StandInOptions, work: WorkLog): HttpService {
  let charactersUsed = 0
  let speaking = 0

  const textToSpeech = async (request: LocalRequest): Promise<Reply> => {
    requireKey(request, options.apiKey)
    const [voiceId = ''] = request.params
    const parsed = Speak.safeParse(await request.json())
    if (!parsed.success) return invalidFields(parsed.error)
    const { text, model_id: model = MODEL_IDS[0] ?? '' } = parsed.data
    if (!MODEL_IDS.includes(model)) return refuse(404, 'model_not_found', `A model with ID '${model}' does not exist`)
    const refused = refusalOfVoice(voiceId)
    if (refused !== undefined) return refuse(refused.status, refused.code, refused.message)
    const format = request.url.searchParams.get('output_format') ?? 'mp3_44100_128'
    if (!FORMAT.test(format)) return refuse(400, 'invalid_output_format', `${format} is not an output format`)
    if (text.length > CHARACTERS.perRequestMax)
      return refuse(400, 'text_too_long', 'The text is too long for this model.')
    if (request.fault?.mode === 'blocked') return refuse(400, 'content_policy_violation', 'The text was declined.')
    if (charactersUsed + text.length > CHARACTERS.limit)
      return refuse(402, 'insufficient_credits', 'Not enough credits.')
    if (speaking >= CONCURRENCY) return refuse(429, 'concurrent_limit_exceeded', 'Too many concurrent requests.')
    const startedAtMs = Date.now()
    speaking++
    try {
      charactersUsed += text.length
      const [wav] = await Promise.all([
        synthesise(text),
        wait((LATENCY_MS.base + text.length * LATENCY_MS.perCharacter) * options.pace.factor),
      ])
      const audio = format.startsWith('wav_') ? wav : await toMp3(wav)
      work.record('elevenlabs', String(request.headers['x-correlation-id'] ?? ''), startedAtMs)
      return answerWithSound(request, Buffer.from(audio), format, text, {
        'current-concurrent-requests': String(speaking),
      })
    } finally {
      speaking--
    }
  }

  const get = (path: RegExp, answer: () => unknown): Route => ({
    method: 'GET',
    path,
    handle: (request) => {
      requireKey(request, options.apiKey)
      return { status: 200, json: answer() }
    },
  })
  const subscription = () => ({
    tier: 'creator',
    character_count: charactersUsed,
    character_limit: CHARACTERS.limit,
    max_character_limit_extension: null,
    max_credit_limit_extension: 0,
    can_extend_character_limit: false,
    allowed_to_extend_character_limit: false,
    next_character_count_reset_unix: Math.floor(Date.now() / 1000) + 30 * 86_400,
    voice_slots_used: 1,
    professional_voice_slots_used: 0,
    professional_voice_slots_used_in_workspace: 0,
    voice_limit: 30,
    professional_voice_limit: 1,
    voice_add_edit_counter: 0,
    can_extend_voice_limit: false,
    can_use_instant_voice_cloning: true,
    can_use_professional_voice_cloning: true,
    currency: 'usd',
    current_overage: { amount: '0', currency: 'usd' },
    status: 'active',
    billing_period: 'monthly_period',
    character_refresh_period: 'monthly_period',
    next_invoice: null,
    open_invoices: [],
    has_open_invoices: false,
  })

  const routes: Route[] = [
    { method: 'POST', path: /^\/v1\/text-to-speech\/([^/]+)(?:\/(stream|with-timestamps))?$/, handle: textToSpeech },
    get(/^\/v1\/user\/subscription$/, subscription),
    {
      method: 'POST',
      path: /^\/v1\/speech-to-text$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        if (request.fault?.mode === 'blocked') return refuse(400, 'content_policy_violation', 'The audio was declined.')
        return transcribe(request, refuse, options, work)
      },
    },
    get(/^\/v2\/voices$/, () => {
      const voices = listVoices()
      return { voices, has_more: false, total_count: voices.length, next_page_token: null }
    }),
    {
      method: 'GET',
      path: /^\/v1\/voices\/([^/]+)$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [id = ''] = request.params
        const found = findVoice(id)
        if (found === undefined) return refuse(400, 'voice_not_found', `A voice with the voice_id ${id} was not found.`)
        return { status: 200, json: found }
      },
    },
    get(/^\/v1\/user$/, () => ({
      user_id: 'stand-in',
      workspace_id: 'stand-in',
      subscription: subscription(),
      is_new_user: false,
      can_use_delayed_payment_methods: false,
      is_onboarding_completed: true,
      is_onboarding_checklist_completed: true,
      created_at: 1_700_000_000,
      seat_type: 'workspace_admin',
    })),
    get(/^\/v1\/models$/, () => MODEL_IDS.map(modelOf)),
  ]
  return new HttpService({
    ...options,
    target: 'elevenlabs',
    routes,
    refuse: (status, headers) => ({ ...refuse(status, codeFor(status), wordsFor(status)), headers }),
  })
}

/** Speech as a WAV file. The text reaches eSpeak as one argument after `--`, never as an option. */
async function synthesise(text: string): Promise<Uint8Array> {
  const args = ['-w', 'out.wav', '-v', 'en-us', '-s', '150', '--', text]
  const wav = await remember(args, () => speak({ args, output: 'out.wav' }))
  if (wav.length < 100) throw new Error('eSpeak made no audio')
  return wav
}

function answerWithSound(
  request: LocalRequest,
  audio: Buffer,
  format: string,
  text: string,
  extra: Record<string, string>,
): Reply {
  const headers = {
    'request-id': randomUUID(),
    'character-cost': String(text.length),
    'maximum-concurrent-requests': String(CONCURRENCY),
    'x-stand-in': STAND_IN_NOTICE,
    ...extra,
  }
  if (request.params[1] !== 'with-timestamps')
    return {
      status: 200,
      headers: { ...headers, 'Content-Type': format.startsWith('wav_') ? 'audio/wav' : 'audio/mpeg' },
      body: audio,
    }
  const characters = Array.from(text)
  const seconds = audio.length / 16_000 / characters.length
  const alignment = {
    characters,
    character_start_times_seconds: characters.map((_character, index) => index * seconds),
    character_end_times_seconds: characters.map((_character, index) => (index + 1) * seconds),
  }
  return {
    status: 200,
    headers,
    json: { audio_base64: audio.toString('base64'), alignment, normalized_alignment: alignment },
  }
}

function modelOf(id: string): Record<string, unknown> {
  return {
    model_id: id,
    name: id,
    can_do_text_to_speech: true,
    can_do_voice_conversion: false,
    can_be_finetuned: false,
    can_use_style: true,
    can_use_speaker_boost: true,
    serves_pro_voices: false,
    token_cost_factor: 1,
    description: STAND_IN_NOTICE,
    requires_alpha_access: false,
    max_characters_request_free_user: 2500,
    max_characters_request_subscribed_user: CHARACTERS.perRequestMax,
    maximum_text_length_per_request: CHARACTERS.perRequestMax,
    languages: [{ language_id: 'en', name: 'English' }],
    model_rates: { character_cost_multiplier: 1 },
    concurrency_group: 'standard',
  }
}

function invalidFields({ issues }: z.ZodError): Reply {
  const detail = issues.map(({ path, message, ...issue }) => ({
    loc: ['body', ...path.map(String), ...('keys' in issue ? issue.keys : [])],
    msg: message,
    type: 'value_error',
  }))
  return { status: 422, json: { detail } }
}

function requireKey(request: LocalRequest, apiKey: string): void {
  if (request.headers['xi-api-key'] !== apiKey) throw new ReplyError(refuse(401, 'invalid_api_key', 'Invalid API key'))
}

function refuse(status: number, code: string, message: string): Reply {
  const type = status === 401 ? 'authentication_error' : status === 429 ? 'rate_limit_error' : 'api_error'
  return { status, json: { detail: { type, code, message, status: code, request_id: randomUUID() } } }
}

function codeFor(status: number): string {
  return (
    {
      401: 'invalid_api_key',
      402: 'insufficient_credits',
      404: 'not_found',
      429: 'system_busy',
      503: 'service_unavailable',
    }[status] ?? 'internal_error'
  )
}

function wordsFor(status: number): string {
  return (
    { 401: 'Invalid API key', 402: 'Not enough credits.', 429: 'Our service is busy. Please try again.' }[status] ??
    'Something went wrong.'
  )
}
