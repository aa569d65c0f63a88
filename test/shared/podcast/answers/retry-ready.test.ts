import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { newOperationId } from '../../../../shared/http/operation.ts'
import type { Options } from '../../../../shared/podcast/options.ts'
import { retryEpisode } from '../../../../shared/podcast/owner/retry.ts'
import { usageChange } from '../../../../shared/podcast/usage.ts'
import { viewOf } from '../../../../shared/podcast/view.ts'
import { PLANS } from '../../../../shared/quotas/plans.ts'
import { giveJson, StagedLives } from './staged-lives.ts'
import type { Asked, StagedLife } from './staged-lives.ts'

/** A ready episode whose owner wants it otherwise: what the new options concern is made anew, and all else is kept. */

const ALICE = { userId: 'alice', limits: PLANS.standard }
const NO_SUCH_VOICE = giveJson({ detail: { status: 'voice_not_found', message: 'no such voice' } }, 404)
const SPEAKS = /text-to-speech/
const CHARGED = { transcript: /v2\/transcript$/, notes: /generateContent/, speech: SPEAKS, sound: /start\.json$/ }
const intro = (voiceId?: string) => ({ text: 'Hello.', ...(voiceId !== undefined && { voiceId }) })
const [UNKNOWN, OTHER] = ['unknownVoice0000001', 'anotherVoice0000001']

let lives: StagedLives
beforeAll(async () => void (lives = await StagedLives.open()))
afterAll(() => lives.close())

const refuseFirst = ({ question, times }: Asked) => (SPEAKS.test(question) && times === 0 ? NO_SUCH_VOICE : undefined)
/** Ready without its intro, because its voice was refused. */
const degraded = () => lives.live({ options: { intro: intro(UNKNOWN), fallbacks: ['voice'] }, answer: refuseFirst })
const whole = () => lives.live({ options: { intro: intro(), fallbacks: ['voice'] } })

const anew = () => ({ id: newOperationId(), keyed: true, resumed: false })
const retry = ({ work, episode }: StagedLife, options?: Options, operation = anew()) =>
  retryEpisode({ ...work, usage: undefined as never }, ALICE, { episodeId: episode.id, options }, operation)
const charged = ({ asked }: StagedLife) =>
  Object.fromEntries(Object.entries(CHARGED).map(([what, question]) => [what, asked(question)]))
const carryOut = async (life: StagedLife) => {
  await life.episode.carryOutAll(life.work)
  return viewOf(life.read())
}

describe('a ready episode without its intro, whose voice was refused', () => {
  test('is made anew with another voice from the intro on, and nothing else is paid for again', async () => {
    const life = await degraded()
    expect(viewOf(life.read())).toMatchObject({ status: 'ready', degraded: ['voice'] })
    const before = charged(life)
    const asked = await retry(life, { intro: intro(OTHER), fallbacks: ['voice'] })
    const { transcribe, write, voice, master, finish } = viewOf(asked).steps
    expect([transcribe, write, voice, master, finish].map(({ state }) => state)).toEqual([
      'done',
      'done',
      'pending',
      'pending',
      'pending',
    ])
    const ended = await carryOut(life)
    expect(ended).toMatchObject({ status: 'ready', generation: 2, degraded: [] })
    expect(ended.steps.voice.provider).toBe('elevenlabs')
    expect(life.read().results.master?.introSeconds).toBeGreaterThan(0)
    expect(charged(life)).toEqual({ ...before, speech: 2, sound: 2 })
  })

  test.each<[string, Options | undefined]>([
    ['without options', undefined],
    ['with those that it has', { intro: intro(UNKNOWN), fallbacks: ['voice'] }],
  ])('is left as it is by a retry %s: nothing would come of it', async (_what, options) => {
    const life = await degraded()
    await expect(retry(life, options)).rejects.toMatchObject({ kind: 'conflict', details: { status: 'ready' } })
    expect(viewOf(life.read())).toMatchObject({ status: 'ready', generation: 1 })
  })

  test('asked by two at once is made anew once', async () => {
    const life = await degraded()
    const options: Options = { intro: intro(OTHER), fallbacks: ['voice'] }
    const ends = await Promise.allSettled([retry(life, options), retry(life, options)])
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(await carryOut(life)).toMatchObject({ status: 'ready', generation: 2 })
    expect(charged(life)).toMatchObject({ speech: 2, sound: 2 })
  })

  test('is made anew by the same request again, where a crash came between its state and its tasks', async () => {
    const life = await degraded()
    const options: Options = { intro: intro(OTHER), fallbacks: ['voice'] }
    const operation = anew()
    const enqueue = () => Promise.reject(new Error('it was killed here'))
    const dying = { ...life, work: { ...life.work, queue: { ...life.work.queue, enqueue } } }
    await expect(retry(dying, options, operation)).rejects.toThrow('killed')
    expect(await carryOut(life)).toMatchObject({ status: 'processing' })
    await retry(life, options, { ...operation, resumed: true })
    expect(await carryOut(life)).toMatchObject({ status: 'ready', generation: 2, degraded: [] })
    expect(charged(life)).toMatchObject({ speech: 2, sound: 2 })
  })

  test('tells in the same words as before when the other voice is refused as well', async () => {
    const life = await lives.live({
      options: { intro: intro(UNKNOWN), fallbacks: ['voice'] },
      answer: ({ question }) => (SPEAKS.test(question) ? NO_SUCH_VOICE : undefined),
    })
    await retry(life, { intro: intro(OTHER), fallbacks: ['voice'] })
    expect(await carryOut(life)).toMatchObject({ status: 'ready', degraded: ['voice'] })
  })
})

describe('a ready episode that lacks nothing', () => {
  test.each<[string, Options | undefined]>([
    ['without options', undefined],
    ['with those that it has', { intro: intro(), fallbacks: ['voice'] }],
    ['with a default said aloud', { intro: intro(), fallbacks: ['voice'], loudnessTarget: -16 }],
  ])('is refused a retry %s', async (_what, options) => {
    await expect(retry(await whole(), options)).rejects.toMatchObject({ kind: 'conflict' })
  })

  test('takes another loudness: its sound is made anew, and its intro kept', async () => {
    const life = await whole()
    await retry(life, { intro: intro(), fallbacks: ['voice'], loudnessTarget: -20 })
    expect(await carryOut(life)).toMatchObject({ status: 'ready', generation: 2 })
    expect(charged(life)).toEqual({ transcript: 1, notes: 1, speech: 1, sound: 2 })
  })

  test('counts for its month once', async () => {
    const life = await whole()
    const first = life.read()
    await retry(life, { fallbacks: ['voice'] })
    const working = life.read()
    await carryOut(life)
    expect(usageChange({ ...first, status: 'processing' }, first)?.month).toMatchObject({ episodes: 1 })
    expect(usageChange(working, { ...working, status: 'ready' })?.month).toBeUndefined()
  })
})

test('an upgrade that is at work gives way, and what it still does changes nothing', async () => {
  const away = { isAway: true }
  const life = await lives.live({
    options: { intro: intro(), fallbacks: ['voice'] },
    answer: ({ question }) =>
      SPEAKS.test(question) && away.isAway ? (response) => void response.writeHead(429).end() : undefined,
  })
  life.episode.nowMs = life.read().steps.voice.fallback?.nextTryAtMs ?? NaN
  await life.episode.upgrade(life.work)
  expect(life.read().upgrade?.generation).toBe(2)
  away.isAway = false
  await retry(life, { intro: intro(OTHER), fallbacks: ['voice'] })
  expect(life.read()).not.toHaveProperty('upgrade')
  const ended = await carryOut(life)
  expect(ended).toMatchObject({ status: 'ready', generation: 3, degraded: [] })
  expect(ended.steps.voice.provider).toBe('elevenlabs')
})
