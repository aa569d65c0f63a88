import { beforeEach, describe, expect, test } from 'vitest'

import { RecordingUnfetched } from '../../../shared/podcast/errors.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { ELEVENLABS_ANSWERS } from './answers/elevenlabs.ts'
import type { ElevenLabsAnswer } from './answers/elevenlabs.ts'
import { accountAt, CALL, makePort } from './provider-fixtures.ts'
import { serviceOfTest } from './service-of-test.ts'

/** Every kind of answer through the real clients, from a service that gives what the row says. */
const VOICES = [
  { voice_id: 'legacyVoice000000001', is_legacy: true },
  { voice_id: 'paidVoice0000000001', available_for_tiers: ['pro'] },
  { voice_id: 'usableVoice00000001' },
  { voice_id: 'anotherVoice0000001' },
]
let answer: Pick<ElevenLabsAnswer, 'status' | 'headers' | 'body'> = { status: 500, headers: {}, body: '' }
let asked: string[] = []
const service = serviceOfTest((request, response) => {
  asked.push(`${request.method} ${request.url?.split('?')[0]}`)
  request.resume().on('end', () => {
    if (request.url?.startsWith('/v2/voices') === true)
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ voices: VOICES }))
    else if (answer.status === 0) response.socket?.resetAndDestroy()
    else response.writeHead(answer.status, answer.headers).end(answer.body)
  })
})

beforeEach(() => {
  asked = []
})

const OURS = { ELEVENLABS_VOICE_ID: 'configuredVoice00001' }
const recording = {
  contentType: 'audio/flac',
  link: async () => 'https://s.example/a',
  bytes: () => Promise.reject(new Error()),
}

async function ask({ to, own }: Pick<ElevenLabsAnswer, 'to' | 'own'>) {
  const account = accountAt('elevenlabs', service.url, OURS)
  if (to === 'speak')
    return (await makePort('speakers', account)).speak(
      { text: 'Hello.', voiceId: own ? 'ownVoice00000000001' : undefined },
      CALL,
    )
  const transcriber = await makePort('transcribers', account)
  if (transcriber.kind !== 'call') throw new Error('expected a transcriber that answers at once')
  return transcriber.transcribe({ language: 'en-GB', recording }, CALL)
}

describe.each(['speak', 'hear'] as const)('to %s', (to) => {
  const rows = ELEVENLABS_ANSWERS.filter((row) => row.to === to)
  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (_name, row) => {
    answer = row
    const { kind, canPass, charged, lost, breaker } = row
    expect(await seen(row)).toEqual({ kind, canPass, charged, ambiguous: lost !== 'no', breaker })
    expect(asked).toHaveLength(1)
  })
})

async function seen(row: ElevenLabsAnswer) {
  try {
    const { cost } = await ask(row)
    return { kind: 'used', canPass: false, charged: (cost['calls'] ?? 0) === 1, ambiguous: false, breaker: 'success' }
  } catch (thrown) {
    const error = thrown instanceof RecordingUnfetched ? thrown.cause : thrown
    if (!(error instanceof ProviderError)) throw thrown
    const meaning = meaningOf(error)
    const breaker = typeof meaning === 'string' ? meaning : meaning.reason
    return {
      kind: thrown instanceof RecordingUnfetched ? ('unfetched' as const) : error.kind,
      canPass: error.canPass,
      charged: error.cost !== undefined,
      ambiguous: error.ambiguous,
      breaker,
    }
  }
}

test('a person is told that it is their voice, and what to do', async () => {
  answer = ELEVENLABS_ANSWERS.find(({ own }) => own) ?? answer
  await expect(ask({ to: 'speak', own: true })).rejects.toMatchObject({
    words: { message: expect.stringContaining('Choose another') as string },
  })
})

describe('without a configured voice', () => {
  const speaker = () => makePort('speakers', accountAt('elevenlabs', service.url))

  test('the account’s first usable one is looked up once, and named in what the sound depends on', async () => {
    answer = ELEVENLABS_ANSWERS.find(({ answer: what }) => what === 'an mp3') ?? answer
    const one = await speaker()
    expect(await one.version({ voiceId: undefined }, CALL)).toBe(
      'usableVoice00000001/eleven_multilingual_v2/mp3_44100_128',
    )
    await one.speak({ text: 'Hello.', voiceId: undefined }, CALL)
    await one.speak({ text: 'Hello.', voiceId: undefined }, CALL)
    const speaking = 'POST /v1/text-to-speech/usableVoice00000001'
    expect(asked).toEqual(['GET /v2/voices', speaking, speaking])
  })

  test('nothing is looked up for a person who chose one', async () => {
    expect(await (await speaker()).version({ voiceId: 'ownVoice00000000001' }, CALL)).toContain('ownVoice00000000001')
    expect(asked).toEqual([])
  })
})

test('what was heard has times in whole milliseconds, speakers, and no spaces', async () => {
  const words = [
    { text: 'Hi,', start: 0.0101, end: 0.4, type: 'word', speaker_id: 'speaker_0' },
    { text: ' ', start: 0.4, end: 0.5, type: 'spacing', speaker_id: 'speaker_0' },
    { text: '(laughs)', start: 0.5, end: 0.9, type: 'audio_event' },
    { text: 'you.', start: -0.2, end: null, type: 'word', speaker_id: 'speaker_1' },
    { text: 'timeless', type: 'word' },
  ]
  const body = JSON.stringify({ language_code: 'eng', text: 'Hi, you.', audio_duration_secs: 1.25, words })
  answer = { status: 200, headers: { 'Content-Type': 'application/json' }, body }
  expect(await ask({ to: 'hear', own: false })).toEqual({
    language: 'en',
    durationSeconds: 1.25,
    text: 'Hi, you.',
    words: [
      { text: 'Hi,', startMs: 10, endMs: 400, speaker: 'A' },
      { text: 'you.', startMs: 0, endMs: 0, speaker: 'B' },
    ],
    cost: { calls: 1, audioSeconds: 1.25 },
  })
})
