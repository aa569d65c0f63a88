import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { ElevenLabsClient } from '@elevenlabs/elevenlabs-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'

/** ElevenLabs' stand-in takes what its SDK sends, and refuses what ElevenLabs does, as ElevenLabs does. */
const KEY = 'stand-in-key'
const SPEECH = readFileSync(fileURLToPath(new URL('../fixtures/speech.flac', import.meta.url)))
const LINK = `data:audio/flac;base64,${SPEECH.toString('base64')}`
const VOICE = 'JBFqnCBsd6RMkjVDRZzb'
const options = { faults: new Faults(), journal: new Journal(), apiKey: KEY, pace: { factor: 0 } }
const { api } = STAND_INS.elevenlabs.makeServers(options, new WorkLog())

beforeAll(async () => {
  await api.start()
})
afterAll(() => api.stop())

type Detail = { code?: string; message?: string } | { loc: string[]; msg: string }[] | string
type Refusal = { readonly status: number; readonly says: string }

async function send(method: string, path: string, body?: object, key = KEY): Promise<Response> {
  const json = body !== undefined && !(body instanceof FormData)
  return fetch(`${api.origin}${path}`, {
    method,
    headers: { 'xi-api-key': key, ...(json && { 'Content-Type': 'application/json' }) },
    ...(body !== undefined && { body: json ? JSON.stringify(body) : body }),
  })
}

/** The code of a refusal, the field that it names, or its sentence. */
async function refusalOf(answering: Promise<Response>): Promise<Refusal> {
  const response = await answering
  const { detail } = (await response.json()) as { detail: Detail }
  if (typeof detail === 'string') return { status: response.status, says: detail }
  return {
    status: response.status,
    says: Array.isArray(detail) ? (detail[0]?.loc.join('.') ?? '') : (detail.code ?? ''),
  }
}

describe('by its SDK', () => {
  const client = () => new ElevenLabsClient({ apiKey: KEY, baseUrl: api.origin, maxRetries: 0 })

  test('voices are listed by pages, and read', async () => {
    const first = await client().voices.search({ pageSize: 2 })
    const second = await client().voices.search({ pageSize: 2, nextPageToken: first.nextPageToken ?? '' })
    const ids = [...first.voices, ...second.voices].map(({ voiceId }) => voiceId)
    expect([ids.length, new Set(ids).size, first.hasMore]).toEqual([4, 4, true])
    expect((await client().voices.get(VOICE)).name).toContain('George')
  })

  test('models, the user and the plan are told', async () => {
    const models = await client().models.list()
    const user = await client().user.get()
    expect(models.map(({ modelId }) => modelId)).toContain('eleven_multilingual_v2')
    expect([user.subscription.tier, (await client().user.subscription.get()).tier]).toEqual(['creator', 'creator'])
  })

  test.each([
    ['a link', { sourceUrl: LINK }],
    ['a file', { file: new File([SPEECH], 'speech.flac', { type: 'audio/flac' }) }],
  ])('what is said in %s is heard, word by word', async (_name, source) => {
    const heard = await client().speechToText.convert({
      modelId: 'scribe_v2',
      diarize: true,
      languageCode: 'en',
      ...source,
    })
    if (!('words' in heard)) throw new Error('expected the words')
    const words = heard.words.filter(({ type }) => type === 'word')
    expect([words.length, words.at(-1)?.text, words[0]?.speakerId]).toEqual([22, 'country.', 'speaker_0'])
    expect(heard.words.filter(({ type }) => type === 'spacing')).toHaveLength(21)
    expect(heard.audioDurationSecs).toBeCloseTo(11, 1)
  })
})

describe('speech is refused', () => {
  const speak = (body: object, { voice = VOICE, query = '', key = KEY } = {}) =>
    refusalOf(send('POST', `/v1/text-to-speech/${voice}${query}`, body, key))
  const text = 'Hello.'

  test.each([
    ['without a text', {}, [422, 'body.text']],
    ['with an empty text', { text: '' }, [422, 'body.text']],
    ['with a field that there is not', { text, model: 'x' }, [422, 'body.model']],
    ['with a field of the wrong kind', { text, seed: 'x' }, [422, 'body.seed']],
    ['with a setting out of its bounds', { text, voice_settings: { speed: 9 } }, [422, 'body.voice_settings.speed']],
    ['by a model that there is not', { text, model_id: 'eleven_monolingual_v1' }, [404, 'model_not_found']],
    ['of a text too long', { text: 'x'.repeat(10_001) }, [400, 'text_too_long']],
    ['of a text too long for this model', { text: 'x'.repeat(5_001), model_id: 'eleven_v3' }, [400, 'text_too_long']],
  ] as const)('%s', async (_name, body, [status, says]) => {
    expect(await speak(body)).toEqual({ status, says })
  })

  test.each([
    ['in a voice that was retired', { voice: '21m00Tcm4TlvDq8ikWAM' }, [404, 'voice_not_found']],
    ['in a voice that there is not', { voice: 'nobodysVoice00000001' }, [404, 'voice_not_found']],
    ['in what is no voice', { voice: 'x' }, [400, 'invalid_uid']],
    ['in a voice of a greater plan', { voice: 'paidPlanVoice0000001' }, [402, 'paid_plan_required']],
    [
      'in a voice of the library, on a free plan',
      { voice: 'libraryVoice00000001', key: `${KEY}-free` },
      [402, 'paid_plan_required'],
    ],
    ['in a format that there is not', { query: '?output_format=mp3_1' }, [400, 'invalid_output_format']],
    ['in a format of a greater plan', { query: '?output_format=wav_44100' }, [403, 'output_format_not_allowed']],
    [
      'in the best mp3, on a free plan',
      { query: '?output_format=mp3_44100_192', key: `${KEY}-free` },
      [403, 'output_format_not_allowed'],
    ],
    ['in a format that is not played here', { query: '?output_format=opus_48000_32' }, [501, 'not_in_stand_in']],
    ['with a parameter that there is not', { query: '?format=mp3' }, [422, 'query.format']],
    ['to a key that is wrong', { key: 'wrong' }, [401, 'invalid_api_key']],
    ['to a key that may only listen', { key: `${KEY}-ears` }, [401, 'missing_permissions']],
    ['when nothing is left', { key: `${KEY}-spent` }, [402, 'insufficient_credits']],
  ] as const)('%s', async (_name, how, [status, says]) => {
    expect(await speak({ text }, how)).toEqual({ status, says })
  })
})

describe('listening is refused', () => {
  const good = { model_id: 'scribe_v2', source_url: LINK }
  const hear = (fields: Record<string, string | Blob>, key = KEY) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    return refusalOf(send('POST', '/v1/speech-to-text', form, key))
  }

  test.each([
    ['without a model', { source_url: LINK }, [422, 'body.model_id']],
    ['by a model that there is not', { ...good, model_id: 'scribe_v0' }, [422, 'body.model_id']],
    ['with a field that there is not', { ...good, speaker_labels: 'true' }, [422, 'body.speaker_labels']],
    ['without a recording', { model_id: 'scribe_v2' }, [422, 'body.file']],
    ['with two recordings', { ...good, cloud_storage_url: LINK }, [422, 'body.file']],
    ['with a language that there is not', { ...good, language_code: 'en-GB' }, [422, 'body.language_code']],
    ['with what is no switch', { ...good, diarize: 'yes' }, [422, 'body.diarize']],
    ['with too many speakers', { ...good, num_speakers: '33' }, [422, 'body.num_speakers']],
    ['with other times', { ...good, timestamps_granularity: 'words' }, [422, 'body.timestamps_granularity']],
    [
      'with a threshold and no speakers',
      { ...good, diarization_threshold: '0.2' },
      [422, 'body.diarization_threshold'],
    ],
    ['of a link that leads nowhere', { ...good, source_url: 'http://127.0.0.1:1/a' }, [400, 'invalid_source_url']],
    ['of what is no audio', { model_id: 'scribe_v2', file: new Blob(['words']) }, [400, 'invalid_content']],
    ['by webhook, which is not played here', { ...good, webhook: 'true' }, [501, 'not_in_stand_in']],
    ['by channels, which are not played here', { ...good, use_multi_channel: 'true' }, [501, 'not_in_stand_in']],
  ] as const)('%s', async (_name, fields, [status, says]) => {
    expect(await hear(fields)).toEqual({ status, says })
  })

  test('to a key that may only speak', async () => {
    expect(await hear(good, `${KEY}-speech`)).toEqual({ status: 401, says: 'missing_permissions' })
  })
})

describe('whatever else', () => {
  test('there may be says that it is not played here', async () => {
    const { status, says } = await refusalOf(send('POST', '/v1/sound-generation', {}))
    expect([status, says]).toEqual([404, expect.stringMatching(/^Not Found .*stand-in/)])
  })

  test.each([
    ['/v1/user', `${KEY}-speech`, [401, 'missing_permissions']],
    ['/v1/models', `${KEY}-speech`, [401, 'missing_permissions']],
    ['/v2/voices', `${KEY}-ears`, [401, 'missing_permissions']],
    ['/v2/voices?page_size=101', KEY, [422, 'query.page_size']],
    ['/v2/voices?size=1', KEY, [422, 'query.size']],
    ['/v2/voices?gender=male', KEY, [501, 'not_in_stand_in']],
    ['/v1/voices/21m00Tcm4TlvDq8ikWAM', KEY, [404, 'voice_not_found']],
  ] as const)('%s with a key ending in …%s is refused', async (path, key, [status, says]) => {
    expect(await refusalOf(send('GET', path, undefined, key))).toEqual({ status, says })
  })
})
