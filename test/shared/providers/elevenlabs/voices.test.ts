import type { ServerResponse } from 'node:http'

import { beforeEach, describe, expect, test } from 'vitest'

import { explain } from '../../../../shared/dependencies/engine.ts'
import { providerNamed } from '../../../../shared/providers/providers.ts'
import { accountAt, CALL, guardOf, makePort } from '../provider-fixtures.ts'
import { serviceOfTest } from '../service-of-test.ts'

/** Who speaks for those who choose no voice: what of the account's list is used, and what a bad end of asking means. */
type Answer = { readonly status: number; readonly body: unknown }
const answers = new Map<string, Answer | 'silence'>()
let asked: string[] = []
let held: ServerResponse[] = []
const service = serviceOfTest((request, response) => {
  const path = request.url?.split('?')[0] ?? ''
  asked.push(path)
  request.resume().on('end', () => {
    const answer = answers.get(path) ?? { status: 404, body: { detail: 'Not Found' } }
    if (answer === 'silence') held.push(response)
    else response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body))
  })
})

beforeEach(() => {
  answers.clear()
  asked = []
  held = []
})

const listed = (...voices: unknown[]) => answers.set('/v2/voices', { status: 200, body: { voices } })
const coded = (status: number, code: string): Answer => ({ status, body: { detail: { code, message: 'theirs' } } })
const account = (settings: Record<string, string> = {}) => accountAt('elevenlabs', service.url, settings)
const speaker = (guard = guardOf('elevenlabs')) => makePort('speakers', account(), guard)

async function chosenFrom(...voices: unknown[]): Promise<string | undefined> {
  listed(...voices)
  return (await (await speaker()).version({ voiceId: undefined }, CALL)).split('/')[0]
}

describe('of the voices of an account', () => {
  const plain = { voice_id: 'plain', is_legacy: false, sharing: null, safety_control: null }
  test.each([
    ['the first', [plain, { voice_id: 'b' }], 'plain'],
    ['none that is legacy', [{ voice_id: 'a', is_legacy: true }, plain], 'plain'],
    ['none that is barred', [{ voice_id: 'a', safety_control: 'BAN' }, plain], 'plain'],
    [
      'none that waits for its verification',
      [{ voice_id: 'a', voice_verification: { requires_verification: true, is_verified: false } }, plain],
      'plain',
    ],
    [
      'one that stays, before one that ends',
      [{ voice_id: 'a', sharing: { disable_at_unix: 1_798_675_200 } }, plain],
      'plain',
    ],
    ['one that ends, before none', [{ voice_id: 'ends', sharing: { disable_at_unix: 1_798_675_200 } }], 'ends'],
    ['one of every plan, before one of some', [{ voice_id: 'a', available_for_tiers: ['pro'] }, plain], 'plain'],
    ['a good one among odd ones', [null, { voice_id: 7 }, { voice_id: 'a', is_legacy: 'yes' }, plain], 'plain'],
  ])('%s is taken', async (_name, voices, expected) => {
    expect(await chosenFrom(...voices)).toBe(expected)
  })

  test.each([
    ['by its code', coded(404, 'voice_not_found')],
    ['by its plan', coded(402, 'paid_plan_required')],
    ['without words of ElevenLabs', { status: 404, body: { error: 'no such page' } }],
  ])('one that is refused %s gives way to the next at once, and is not taken again', async (_name, refusal) => {
    listed({ voice_id: 'retired' }, { voice_id: 'plan' }, { voice_id: 'next' })
    answers.set('/v1/text-to-speech/retired', refusal).set('/v1/text-to-speech/plan', refusal)
    const guard = guardOf('elevenlabs')
    const one = await speaker(guard)
    // The next has its say: what it refuses is about the text.
    answers.set('/v1/text-to-speech/next', coded(400, 'text_too_long'))
    const speak = () => one.speak({ text: 'Hello.', voiceId: undefined }, CALL)
    await expect(speak()).rejects.toThrow('text_too_long')
    expect(await one.version({ voiceId: undefined }, CALL)).toMatch(/^next\//)
    asked = []
    await expect(speak()).rejects.toThrow('text_too_long')
    expect([asked, guard.breaker.state]).toEqual([['/v1/text-to-speech/next'], 'closed'])
  })

  test('four at most are tried for one intro', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    listed(...names.map((name) => ({ voice_id: name })))
    for (const name of names) answers.set(`/v1/text-to-speech/${name}`, coded(402, 'paid_plan_required'))
    const speaking = (await speaker()).speak({ text: 'Hello.', voiceId: undefined }, CALL)
    await expect(speaking).rejects.toMatchObject({ kind: 'invalid_input', canPass: true })
    expect(asked.filter((path) => path.includes('text-to-speech'))).toHaveLength(4)
  })

  test('one that speaks is kept, whatever else of a request is refused', async () => {
    listed({ voice_id: 'good' }, { voice_id: 'next' })
    answers.set('/v1/text-to-speech/good', coded(400, 'text_too_long'))
    const one = await speaker()
    await expect(one.speak({ text: 'Hello.', voiceId: undefined }, CALL)).rejects.toMatchObject({ canPass: false })
    answers.set('/v1/text-to-speech/good', coded(400, 'never_heard_of'))
    await expect(one.speak({ text: 'Hello.', voiceId: undefined }, CALL)).rejects.toMatchObject({ canPass: true })
    expect(await one.version({ voiceId: undefined }, CALL)).toMatch(/^good\//)
  })

  test('the configured one that is not there is an operator’s mistake', async () => {
    answers.set('/v1/text-to-speech/configuredVoice00001', coded(404, 'voice_not_found'))
    const one = await makePort(
      'speakers',
      account({ ELEVENLABS_VOICE_ID: 'configuredVoice00001' }),
      guardOf('elevenlabs'),
    )
    const speaking = one.speak({ text: 'Hello.', voiceId: undefined }, CALL)
    await expect(speaking).rejects.toMatchObject({ kind: 'misconfigured' })
  })

  test.each([
    ['none', []],
    ['legacy ones alone', [{ voice_id: 'a', is_legacy: true }]],
  ])('%s: an operator’s mistake, which takes nobody else’s chosen voice away', async (_name, voices) => {
    listed(...voices)
    const one = await speaker()
    await expect(one.version({ voiceId: undefined }, CALL)).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('set ELEVENLABS_VOICE_ID') as string,
    })
    answers.set('/v1/text-to-speech/chosen', coded(400, 'text_too_long'))
    const theirs = one.speak({ text: 'Hello.', voiceId: 'chosen' }, CALL)
    await expect(theirs).rejects.toMatchObject({ kind: 'invalid_input' })
  })

  test('a list that the key may not see is an operator’s mistake, and not a key that is wrong', async () => {
    answers.set('/v2/voices', coded(401, 'missing_permissions'))
    await expect((await speaker()).version({ voiceId: undefined }, CALL)).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('ELEVENLABS_VOICE_ID') as string,
    })
  })
})

describe('asking for them', () => {
  test('costs nothing: an end that nobody saw is no call that may have been charged', async () => {
    answers.set('/v2/voices', 'silence')
    let left = 0
    const call = { ...CALL, stillEntitled: () => void left++ }
    const one = await speaker(guardOf('elevenlabs', 0.005))
    const error: unknown = await one
      .speak({ text: 'Hello.', voiceId: undefined }, call)
      .catch((thrown: unknown) => thrown)
    expect(explain(error)).toMatchObject({ kind: 'away', service: 'elevenlabs', ambiguous: false })
    expect(left).toBe(0)
  })

  test('is each caller’s own: one whose time is up ends no other', async () => {
    answers.set('/v2/voices', 'silence')
    const one = await speaker()
    const reason = new Error('the lease is lost')
    const impatient = new AbortController()
    const first = one.version({ voiceId: undefined }, { ...CALL, signal: impatient.signal })
    first.catch(() => undefined)
    const second = one.version({ voiceId: undefined }, CALL)
    await expect.poll(() => held.length).toBe(2)
    impatient.abort(reason)
    await expect(first).rejects.toBe(reason)
    for (const response of held) response.end(JSON.stringify({ voices: [{ voice_id: 'v' }] }))
    expect(await second).toMatch(/^v\//)
  })
})

describe('health', () => {
  const models = [
    { model_id: 'eleven_multilingual_v2', can_do_text_to_speech: true },
    { model_id: 'eleven_english_sts_v2', can_do_text_to_speech: false },
  ]
  const check = (settings: Record<string, string> = {}) =>
    providerNamed('elevenlabs').check(account(settings), CALL.signal)
  beforeEach(() => {
    listed({ voice_id: 'v' })
    answers.set('/v1/models', { status: 200, body: models })
    answers.set('/v1/voices/configuredVoice', { status: 200, body: { voice_id: 'configuredVoice' } })
    answers.set('/v1/user/subscription', {
      status: 200,
      body: { tier: 'starter', character_count: 980, character_limit: 1000 },
    })
  })

  test('is well, and says what is left', async () => {
    expect(await check()).toEqual({ left: 20, unit: 'characters', low: true })
    expect(await check({ ELEVENLABS_VOICE_ID: 'configuredVoice' })).toMatchObject({ left: 20 })
  })

  const configured = (more: object) =>
    answers.set('/v1/voices/configuredVoice', { status: 200, body: { voice_id: 'configuredVoice', ...more } })

  test.each([
    ['is a legacy one', { is_legacy: true }, 'legacy'],
    ['only dearer plans have', { available_for_tiers: ['creator', 'pro'] }, 'the plan starter'],
    ['is barred', { safety_control: 'BAN' }, 'barred'],
    ['is not verified', { voice_verification: { requires_verification: true, is_verified: false } }, 'verification'],
  ])('tells of a configured voice that %s', async (_name, more, words) => {
    configured(more)
    await expect(check({ ELEVENLABS_VOICE_ID: 'configuredVoice' })).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringMatching(new RegExp(`ELEVENLABS_VOICE_ID.*${words}`)) as string,
    })
  })

  test.each([
    ['the plan has', { available_for_tiers: ['starter', 'pro'] }],
    ['cheaper plans have', { available_for_tiers: ['free'] }],
    ['a plan has that nobody knows', { available_for_tiers: ['pay_as_you_go'] }],
    ['says nothing of itself', { is_legacy: null, available_for_tiers: null, safety_control: 'NONE' }],
  ])('is well with a voice that %s', async (_name, more) => {
    configured(more)
    expect(await check({ ELEVENLABS_VOICE_ID: 'configuredVoice' })).toMatchObject({ left: 20 })
  })

  test('does not hold a plan against a voice when the key may not ask for the plan', async () => {
    configured({ available_for_tiers: ['pro'] })
    answers.set('/v1/user/subscription', coded(401, 'missing_permissions'))
    expect(await check({ ELEVENLABS_VOICE_ID: 'configuredVoice' })).toBeUndefined()
  })

  test.each([
    ['a model that is gone', { ELEVENLABS_MODEL: 'eleven_monolingual_v1' }, 'ELEVENLABS_MODEL'],
    ['a model that does not speak', { ELEVENLABS_MODEL: 'eleven_english_sts_v2' }, 'ELEVENLABS_MODEL'],
    ['a format that the plan does not have', { ELEVENLABS_OUTPUT_FORMAT: 'mp3_44100_192' }, 'ELEVENLABS_OUTPUT_FORMAT'],
    ['a voice that is gone', { ELEVENLABS_VOICE_ID: 'goneVoice' }, 'ELEVENLABS_VOICE_ID'],
  ])('tells of %s', async (_name, settings, words) => {
    answers.set('/v1/voices/goneVoice', coded(400, 'voice_not_found'))
    await expect(check(settings)).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining(words) as string,
    })
  })

  test('tells of an account without a voice', async () => {
    listed()
    await expect(check()).rejects.toMatchObject({ kind: 'misconfigured' })
  })

  test('is well with a key that may speak and ask for nothing', async () => {
    for (const path of ['/v1/models', '/v1/voices/configuredVoice', '/v1/user/subscription'])
      answers.set(path, coded(401, 'missing_permissions'))
    expect(await check({ ELEVENLABS_VOICE_ID: 'configuredVoice' })).toBeUndefined()
  })
})
