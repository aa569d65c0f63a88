import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { viewOf } from '../../../../shared/podcast/view.ts'
import { giveJson, giveReset, StagedLives } from './staged-lives.ts'
import type { Asked, Give } from './staged-lives.ts'

/**
 * A recording is an error at once where every transcriber refuses it. One that lost the call and its repeat has refused
 * nothing: a day later nothing can come of them any more, and it is asked once more.
 */

const DAY_MS = 86_400_000
const FALLBACK_AFTER_MS = 120_000
const SLACK_MS = 15_000
const MAKES_JOB = 'POST /v2/transcript'
const HEARS = 'POST /v1/speech-to-text'
const refuses = giveJson({ error: 'The selected speech models do not support the language: en' }, 400)
const isAway: Give = (response) => void response.writeHead(429).end()

let lives: StagedLives
beforeAll(async () => void (lives = await StagedLives.open()))
afterAll(() => lives.close())

type World = { readonly transcribers?: string; readonly lost: number; readonly first: (asked: Asked) => Give }

async function live({ transcribers = 'assemblyai,elevenlabs', lost, first }: World, settings = {}) {
  const spoken: number[] = []
  const life = await lives.live({
    settings: { TRANSCRIBERS: transcribers, ...settings },
    answer(asked) {
      if (asked.question === MAKES_JOB) return first(asked)
      if (asked.question !== HEARS) return undefined
      spoken.push(asked.elapsedMs)
      return asked.times < lost ? giveReset : undefined
    },
  })
  return { ...life, spoken, transcribe: () => viewOf(life.read()).steps.transcribe }
}

describe.each([
  ['after the other has refused it', 'assemblyai,elevenlabs'],
  ['before the other refuses it', 'elevenlabs,assemblyai'],
])('a transcriber that loses both calls %s', (_when, transcribers) => {
  test('is asked once more a day later, and what it hears then is the transcript', async () => {
    const { read, spoken, transcribe } = await live({ transcribers, lost: 2, first: () => refuses })
    expect(read()).toMatchObject({ status: 'ready', steps: { transcribe: { provider: 'elevenlabs' } } })
    expect(spoken).toHaveLength(3)
    const [first = NaN, repeat = NaN, last = NaN] = spoken
    expect(repeat - first).toBeGreaterThan(FALLBACK_AFTER_MS - SLACK_MS)
    expect(repeat - first).toBeLessThan(FALLBACK_AFTER_MS + SLACK_MS)
    expect(last - repeat).toBeGreaterThan(DAY_MS - SLACK_MS)
    expect(last - repeat).toBeLessThan(DAY_MS + SLACK_MS)
    // The repeat, and the two that are written off.
    expect(transcribe().repeatedCalls).toBe(2)
  })

  test('and the third as well, has nothing left', async () => {
    const { read, spoken } = await live({ transcribers, lost: Infinity, first: () => refuses })
    expect(read()).toMatchObject({ status: 'error', error: { retryable: true } })
    expect(spoken).toHaveLength(3)
  })

  test('is an end at once where nobody waits for a day', async () => {
    const short = { EPISODE_DEADLINE_HOURS: '2' }
    const { read, spoken } = await live({ transcribers, lost: Infinity, first: () => refuses }, short)
    expect(read()).toMatchObject({ status: 'error' })
    expect(spoken).toHaveLength(2)
  })
})

test('while it is waited for, its owner is told for whom, until when, and what would be sooner', async () => {
  const { episode, read } = await live({ lost: 2, first: () => refuses }, {})
  // As it was before the last call, which the history does not tell.
  expect(read().steps.transcribe.paid).toMatchObject({ calls: 3, repeats: 1, writtenOff: 1 })
  expect(episode.seen.find(({ waitingFor }) => waitingFor?.provider === 'elevenlabs')).toBeDefined()
  const told = episode.seen.findLast(({ steps }) => steps.transcribe.state === 'waiting')
  expect(told).toMatchObject({ status: 'processing', waitingFor: { provider: 'elevenlabs' } })
  expect(told?.steps.transcribe.error?.message).toContain('a day later')
})

test('both that refuse are an error at once', async () => {
  const life = await lives.live({
    answer: ({ question }) =>
      question === MAKES_JOB ? refuses : question === HEARS ? giveJson({ detail: 'no' }, 400) : undefined,
  })
  expect(life.read()).toMatchObject({ status: 'error', error: { code: 'provider_rejected' } })
  const { startedAtMs = NaN, finishedAtMs = NaN } = life.read().steps.transcribe
  expect(finishedAtMs - startedAtMs).toBeLessThan(SLACK_MS)
})

test('one that is away first and refuses after the other has lost its calls has the other waited for', async () => {
  const first = ({ elapsedMs }: Asked) => (elapsedMs < 4 * FALLBACK_AFTER_MS ? isAway : refuses)
  const { read, spoken } = await live({ lost: 2, first })
  expect(read()).toMatchObject({ status: 'ready', steps: { transcribe: { provider: 'elevenlabs' } } })
  expect(spoken).toHaveLength(3)
  expect((spoken[2] ?? NaN) - (spoken[1] ?? NaN)).toBeGreaterThan(DAY_MS - SLACK_MS)
})

test('notes that nothing may stand in for end the episode, which its owner can retry', async () => {
  const life = await lives.live({
    options: { fallbacks: [] },
    answer: ({ question, times }) => (question.includes(':generateContent') && times < 2 ? giveReset : undefined),
  })
  expect(life.read()).toMatchObject({ status: 'error', error: { code: 'attempts_exhausted', retryable: true } })
  expect(life.asked(/generateContent/)).toBe(2)
})
