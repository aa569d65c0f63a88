import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { ElevenLabsClient, ElevenLabsError } from '@elevenlabs/elevenlabs-js'
import type { ElevenLabs } from '@elevenlabs/elevenlabs-js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { elevenlabs } from '../../infra/local/providers/elevenlabs/stand-in.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { listeningFields } from '../../shared/providers/elevenlabs/scribe.ts'
import { speechBody } from '../../shared/providers/elevenlabs/speech.ts'

/** The stand-in, asked by the vendor's own SDK; and what we ask, held to the SDK's types. */
const KEY = 'key'
const faults = new Faults()
const { api } = elevenlabs.makeServers(
  { faults, journal: new Journal(), apiKey: KEY, pace: { factor: 0 } },
  new WorkLog(),
)
const RECORDING = readFileSync(fileURLToPath(new URL('../fixtures/speech.flac', import.meta.url)))
const VOICE = 'JBFqnCBsd6RMkjVDRZzb'

beforeAll(() => api.start())
afterAll(() => api.stop())
afterEach(() => faults.clear())

const client = () => new ElevenLabsClient({ apiKey: KEY, baseUrl: api.origin, maxRetries: 0 })

async function failureOf(call: PromiseLike<unknown>) {
  const error: unknown = await Promise.resolve(call).catch((thrown: unknown) => thrown)
  if (!(error instanceof ElevenLabsError)) throw new Error('expected an ElevenLabsError', { cause: error })
  return [error.statusCode, JSON.stringify(error.body)] as const
}

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name
type FieldsOf<Request> = SnakeCase<Extract<keyof Request, string>>

test('every field that we send is one that the SDK knows, by its name and its type', () => {
  const speech = speechBody('Hello.', 'eleven_multilingual_v2')
  const sdkSpeech: ElevenLabs.BodyTextToSpeechFull = { text: speech.text, modelId: speech.model_id }
  const spoken = Object.keys(speech) as (keyof typeof speech)[] satisfies FieldsOf<ElevenLabs.BodyTextToSpeechFull>[]
  const listening = listeningFields('en-GB', 'scribe_v2')
  type Listening = ElevenLabs.BodySpeechToTextV1SpeechToTextPost
  const granularity: Listening['timestampsGranularity'] = listening.timestamps_granularity
  const heard = Object.keys(listening) as (keyof typeof listening)[] satisfies FieldsOf<Listening>[]
  expect([sdkSpeech.text, spoken, granularity]).toEqual(['Hello.', ['text', 'model_id'], 'word'])
  expect(heard).toEqual(['model_id', 'timestamps_granularity', 'diarize', 'tag_audio_events', 'language_code'])
})

describe('speech to text', () => {
  test('gives the words with times and speakers', async () => {
    const file = new Blob([RECORDING], { type: 'audio/flac' })
    const heard = await client().speechToText.convert({
      file,
      modelId: 'scribe_v2',
      diarize: true,
      timestampsGranularity: 'word',
      languageCode: 'en',
    })
    expect(heard.audioDurationSecs).toBe(11)
    const words = heard.words.filter(({ type }) => type === 'word')
    expect(words).toHaveLength(22)
    expect(words[0]).toMatchObject({ text: 'And', start: 0.33, end: 0.54, speakerId: 'speaker_0' })
    expect(heard.words.some(({ type }) => type === 'spacing')).toBe(true)
  })

  test.each<[string, Record<string, string>, string]>([
    ['a model it does not have', { model_id: 'scribe_v9' }, 'model_id'],
    ['no model', {}, 'model_id'],
    ['a field it does not have', { model_id: 'scribe_v2', punctuate: 'true' }, 'punctuate'],
    [
      'a granularity it does not have',
      { model_id: 'scribe_v2', timestamps_granularity: 'letter' },
      'timestamps_granularity',
    ],
    ['what is no boolean', { model_id: 'scribe_v2', diarize: 'yes' }, 'diarize'],
    [
      'a language it does not have',
      { model_id: 'scribe_v2', language_code: 'en-GB', source_url: 'http://x' },
      'language_code',
    ],
    ['two recordings', { model_id: 'scribe_v2', source_url: 'http://x', cloud_storage_url: 'http://y' }, 'file'],
    ['no recording', { model_id: 'scribe_v2' }, 'file'],
  ])('refuses %s', async (_name, fields, named) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    const headers = { 'xi-api-key': KEY }
    const answer = await fetch(`${api.origin}/v1/speech-to-text`, { method: 'POST', headers, body: form })
    expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining(`"${named}"`)])
  })
})

describe('voices', () => {
  test('are listed, with those that cannot be used', async () => {
    const { voices } = await client().voices.search({})
    expect(voices.map(({ isLegacy, availableForTiers }) => [isLegacy, availableForTiers])).toEqual([
      [true, []],
      [false, ['pro']],
      [false, []],
      [false, []],
    ])
    expect((await client().voices.get(VOICE)).voiceId).toBe(VOICE)
  })

  test.each([
    ['a legacy one', '21m00Tcm4TlvDq8ikWAM', 404, 'voice_not_found'],
    ['one that is not there', 'nobody00000000000001', 404, 'voice_not_found'],
    ['one for paid plans', 'paidPlanVoice0000001', 402, 'paid_plan_required'],
    ['what is no id', 'x', 400, 'invalid_uid'],
  ])('cannot be spoken with: %s', async (_name, voice, status, code) => {
    const failure = await failureOf(client().textToSpeech.convert(voice, { text: 'Hello.' }))
    expect(failure).toEqual([status, expect.stringContaining(code)])
  })
})

test('text to speech refuses models and formats that it does not have', async () => {
  expect(await failureOf(client().textToSpeech.convert(VOICE, { text: 'Hi.', modelId: 'eleven_v9' }))).toEqual([
    404,
    expect.stringContaining('model_not_found'),
  ])
  // The SDK does not send a format that it does not know.
  const answer = await fetch(`${api.origin}/v1/text-to-speech/${VOICE}?output_format=ogg_44100`, {
    method: 'POST',
    headers: { 'xi-api-key': KEY, 'Content-Type': 'application/json' },
    body: JSON.stringify({ text: 'Hi.' }),
  })
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('invalid_output_format')])
})

test('an account can be asked for, and its models', async () => {
  expect((await client().user.get()).subscription.status).toBe('active')
  expect((await client().models.list()).map(({ modelId }) => modelId)).toContain('eleven_multilingual_v2')
})
