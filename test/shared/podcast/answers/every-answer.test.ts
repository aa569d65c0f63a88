import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { fateOf } from '../../../../infra/build/answers-table.ts'
import type { WorkDependencies } from '../../../../shared/dependencies/work.ts'
import type { Step } from '../../../../shared/engine/workflow.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import { viewOf } from '../../../../shared/podcast/view.ts'
import { PROVIDER_NAMES } from '../../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../../shared/providers/providers.ts'
import { KNOWN_ANSWERS } from '../../providers/answers/all.ts'
import type { KnownAnswer } from '../../providers/answers/all.ts'
import { ELEVENLABS_ANSWERS } from '../../providers/answers/elevenlabs.ts'
import { GEMINI_ANSWERS, play } from '../../providers/answers/gemini.ts'
import { accountAt, guardOf, makePort } from '../../providers/provider-fixtures.ts'
import { seededRandom } from '../../seeded-random.ts'
import { testConfig } from '../../test-config.ts'
import { CannedProvider } from './canned-provider.ts'
import { EpisodeInMemory } from './episode-in-memory.ts'
import { recordAnswers } from './record-answers.ts'

/**
 * The table of answers, by the deployed runner: a provider that is charged by the call gives one kind of answer each time
 * that it is asked, and the episode becomes what the table says.
 */

const PATIENCE_MS = 120_000
/** Short waits, and time that really passes. */
const SLACK_MS = 10_000
const DAY_MS = 86_400_000
const OWN_VOICE = 'ownVoice00000000001'

const providers = new Map<ProviderName, CannedProvider>()
beforeAll(async () => {
  for (const name of PROVIDER_NAMES) {
    const provider = new CannedProvider(await recordAnswers(name), 0)
    await provider.start()
    providers.set(name, provider)
  }
})
afterAll(() => {
  for (const provider of providers.values()) provider.stop()
})

type Staged = {
  readonly provider: 'gemini' | 'elevenlabs'
  readonly give: (response: ServerResponse) => void
  readonly options?: Episode['options']
  readonly settings?: Record<string, string>
  /** Waits for an answer in place of the provider's usual time. */
  readonly silent?: boolean
  /** Requests that are answered so; all, when absent. */
  readonly times?: number
}
const ASKS = { gemini: /generateContent/, elevenlabs: /text-to-speech/ }
const STEPS = { gemini: 'write', elevenlabs: 'voice' } as const

async function live({ provider, give, options = {}, settings = {}, silent = false, times = Infinity }: Staged) {
  let calls = 0
  for (const [name, one] of providers) {
    one.forget(undefined)
    one.instead = (question) =>
      name === provider && ASKS[provider].test(question) && calls++ < times ? give : undefined
  }
  const origins = [...providers].map(([name, { origin }]) => [`${name.toUpperCase()}_BASE_URL`, origin])
  const config = testConfig({
    ...Object.fromEntries(origins),
    STORAGE_API_ENDPOINT: 'http://127.0.0.1:1',
    FALLBACK_AFTER_SECONDS: String((silent ? SILENT_MS : PATIENCE_MS) / 1000),
    ...settings,
  })
  const episode = new EpisodeInMemory(config, seededRandom(1))
  const loaded = await episode.start({ fallbacks: ['notes', 'voice'], ...options })
  const work = silent ? await withLittlePatience(loaded) : loaded
  await episode.carryOutAll(work)
  const { status, steps } = episode.read() ?? {}
  return { episode, work, calls: () => calls, status, step: steps?.[STEPS[provider]] as Step }
}

/** The call takes as long as a fallback waits, as Gemini's does where nothing else is configured. */
const SILENT_MS = 100
async function withLittlePatience(work: WorkDependencies): Promise<WorkDependencies> {
  const account = accountAt('gemini', providers.get('gemini')?.origin ?? '')
  return { ...work, writers: [await makePort('writers', account, guardOf('gemini', SILENT_MS / PATIENCE_MS))] }
}

function expectFate(row: KnownAnswer, { status, step, calls }: Awaited<ReturnType<typeof live>>): void {
  const { course, betterLater } = fateOf(row)
  const tookMs = (step.finishedAtMs ?? NaN) - (step.startedAtMs ?? NaN)
  const dueInMs = (step.fallback?.nextTryAtMs ?? NaN) - (step.finishedAtMs ?? NaN)
  const better = step.fallback?.nextTryAtMs === undefined ? 'never' : dueInMs < DAY_MS ? 'soon' : 'nextDay'
  expect([status, step.degraded !== undefined, better]).toEqual(['ready', course !== 'goesOn', betterLater])
  const waits = (course === 'waits' && row.lost !== 'slowly') || course === 'savesRepeat'
  expect(tookMs).toBeGreaterThanOrEqual(waits ? PATIENCE_MS - SLACK_MS : 0)
  expect(tookMs).toBeLessThan(waits ? PATIENCE_MS + SLACK_MS : SLACK_MS)
  if (course === 'savesRepeat' || course === 'onceMore') expect(calls()).toBe(2)
  if (course === 'goesOn' || course === 'goesOnWithout') expect(calls()).toBe(1)
}

const known = (provider: string, answer: string): KnownAnswer => {
  const found = KNOWN_ANSWERS.find((row) => row.provider === provider && row.answer === answer)
  if (found === undefined) throw new Error(`the table lacks ${answer}`)
  return found
}

describe('Gemini', () => {
  test.each(GEMINI_ANSWERS.map((row) => [row.answer, row] as const))('%s', async (answer, { stage }) => {
    const give = (response: ServerResponse) => play(stage, response)
    expectFate(known('gemini', answer), await live({ provider: 'gemini', give, silent: stage === 'silence' }))
  })
})

describe('ElevenLabs, asked to speak', () => {
  const rows = ELEVENLABS_ANSWERS.filter(({ to }) => to === 'speak')
  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (answer, { status, headers, body, own }) => {
    const give = (response: ServerResponse) =>
      status === 0 ? response.socket?.resetAndDestroy() : response.writeHead(status, headers).end(body)
    const intro = { text: 'Hello.', ...(own && { voiceId: OWN_VOICE }) }
    const settings = { ELEVENLABS_VOICE_ID: 'configuredVoice00001' }
    expectFate(
      known('elevenlabs', `${answer} (to speak)`),
      await live({ provider: 'elevenlabs', give, options: { intro }, settings }),
    )
  })
})

describe('a call that was lost', () => {
  const reset = (response: ServerResponse) => void response.socket?.resetAndDestroy()

  test('is made once more at the end of the wait, and is all that was needed', async () => {
    const { step, calls } = await live({ provider: 'gemini', give: reset, times: 1 })
    expect(step).toMatchObject({ state: 'done', provider: 'gemini', paid: { calls: 2, repeats: 1, open: false } })
    expect(step).not.toHaveProperty('degraded')
    expect(calls()).toBe(2)
  })

  test('together with its repeat is asked for anew a day later, once', async () => {
    const lived = await live({ provider: 'gemini', give: reset, times: 3 })
    const { episode, work } = lived
    expect(lived.step).toMatchObject({ provider: 'here', paid: { calls: 2, repeats: 1, open: true } })
    episode.nowMs = lived.step.fallback?.nextTryAtMs ?? NaN
    await episode.upgrade(work)
    await episode.carryOutAll(work)
    expect(lived.calls()).toBe(3)
    expect(episode.read()?.steps.write).toMatchObject({ provider: 'here', paid: { calls: 3, writtenOff: 1 } })
    expect(episode.read()?.steps.write.fallback).not.toHaveProperty('nextTryAtMs')
    expect(viewOf(episode.read() as Episode).steps.write.repeatedCalls).toBe(2)
  })

  test('together with its repeat gives way to the provider’s notes a day later', async () => {
    const { episode, work, step } = await live({ provider: 'gemini', give: reset, times: 2 })
    episode.nowMs = step.fallback?.nextTryAtMs ?? NaN
    await episode.upgrade(work)
    await episode.carryOutAll(work)
    expect(episode.read()).toMatchObject({ status: 'ready', steps: { write: { state: 'done', provider: 'gemini' } } })
    expect(episode.read()?.steps.write).not.toHaveProperty('degraded')
  })
})

test('a voice of the account that is refused gives way to the next in the same attempt', async () => {
  const give = (response: ServerResponse) =>
    void response
      .writeHead(402, { 'Content-Type': 'application/json' })
      .end('{"detail":{"code":"paid_plan_required","message":"theirs"}}')
  const options = { intro: { text: 'Hello.' }, fallbacks: ['notes' as const] }
  const { status, step, calls } = await live({ provider: 'elevenlabs', give, options, times: 1 })
  expect([status, calls()]).toEqual(['ready', 2])
  expect(step).toMatchObject({ provider: 'elevenlabs', attempt: 1, paid: { calls: 1, repeats: 0 } })
})

describe('of two transcribers', () => {
  const away = (response: ServerResponse) => void response.writeHead(503).end()

  /** @returns who was asked to transcribe, while the first is away, and who did */
  async function heardIn(language: string) {
    for (const [name, one] of providers) {
      one.forget(undefined)
      one.instead = () => (name === 'assemblyai' ? away : undefined)
    }
    const origins = [...providers].map(([name, { origin }]) => [`${name.toUpperCase()}_BASE_URL`, origin])
    const config = testConfig({ ...Object.fromEntries(origins), STORAGE_API_ENDPOINT: 'http://127.0.0.1:1' })
    const episode = new EpisodeInMemory(config, seededRandom(1))
    await episode.carryOutAll(await episode.start({ fallbacks: ['notes', 'voice'] }, language))
    const asked = [...providers].filter(([, one]) => [...one.asked.keys()].some((question) => HEARS.test(question)))
    const { state, provider } = episode.read()?.steps.transcribe ?? {}
    return { asked: asked.map(([name]) => name), state, provider }
  }
  const HEARS = /^POST \/(v2\/transcript|v1\/speech-to-text)$/

  test.each([
    ['that both have: first the one, then the other', 'en-GB', ['assemblyai', 'elevenlabs'], 'done', 'elevenlabs'],
    ['that the first alone has: the other is not asked', 'eu', ['assemblyai'], 'waiting', 'assemblyai'],
    ['that the second alone has: the first is not asked', 'ceb', ['elevenlabs'], 'done', 'elevenlabs'],
  ])('a language %s', async (_name, language, asked, state, provider) => {
    expect(await heardIn(language)).toEqual({ asked, state, provider })
  })
})
