import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { viewOf } from '../../../../shared/podcast/view.ts'
import { giveJson, giveReset, StagedLives } from './staged-lives.ts'
import type { Give, Stage, StagedLife } from './staged-lives.ts'

/** Jobs that their provider says are at work, for ever: nobody waits for them longer than for one that is away. */

const FALLBACK_AFTER_MS = 120_000
/** Of a recording of eleven seconds. */
const [TRANSCRIPTION_MS, MASTERING_MS] = [60_000, 300_000]
const SLACK_MS = 15_000
const MAKES_JOB = /^POST \/v2\/transcript$/
const READS_JOB = 'GET /v2/transcript/{id}'
const HEARS = 'POST /v1/speech-to-text'
const READS_PRODUCTION = /^GET .*\/production\/[^/]*\.json$/
const STARTS = /start\.json$/

let lives: StagedLives
beforeAll(async () => void (lives = await StagedLives.open()))
afterAll(() => lives.close())

const tookMs = ({ read }: StagedLife, name: 'transcribe' | 'master') => {
  const { startedAtMs = NaN, finishedAtMs = NaN } = read().steps[name]
  return finishedAtMs - startedAtMs
}

describe.each(['queued', 'processing'])('a transcription that is %s for ever', (status) => {
  const stuck = giveJson({ id: 't1', status })
  const live = (stage: Stage = {}, untilMs = Infinity) =>
    lives.live({
      ...stage,
      answer: (asked) => (asked.question === READS_JOB && asked.elapsedMs < untilMs ? stuck : stage.answer?.(asked)),
    })

  test('gives way to the second transcriber, once, after a time in proportion to the recording', async () => {
    const life = await live()
    expect(life.read()).toMatchObject({ status: 'ready', steps: { transcribe: { provider: 'elevenlabs' } } })
    expect(viewOf(life.read()).degraded).toEqual([])
    expect(tookMs(life, 'transcribe')).toBeGreaterThan(TRANSCRIPTION_MS + FALLBACK_AFTER_MS - SLACK_MS)
    expect(tookMs(life, 'transcribe')).toBeLessThan(TRANSCRIPTION_MS + FALLBACK_AFTER_MS + SLACK_MS)
    expect([life.asked(MAKES_JOB), life.asked(/speech-to-text/)]).toEqual([1, 1])
  })

  test('may be charged still, which its owner is told', async () => {
    const { read } = await live()
    expect(viewOf(read()).steps.transcribe.repeatedCalls).toBe(1)
    expect(read().costs).not.toHaveProperty('assemblyai')
  })

  test('is waited for where there is no other, as for a provider that is away', async () => {
    const settings = { TRANSCRIBERS: 'assemblyai' }
    const waiting = await live({ settings })
    expect(viewOf(waiting.read())).toMatchObject({ status: 'processing', waitingFor: { provider: 'assemblyai' } })
    const life = await live({ settings }, 30 * 60_000)
    expect(life.read()).toMatchObject({ status: 'ready', steps: { transcribe: { provider: 'assemblyai' } } })
    expect(life.asked(MAKES_JOB)).toBe(1)
  })

  test('and that comes to its end before another is asked, is what was waited for', async () => {
    const life = await live({}, TRANSCRIPTION_MS + FALLBACK_AFTER_MS / 2)
    expect(life.read().steps.transcribe.provider).toBe('assemblyai')
    expect(tookMs(life, 'transcribe')).toBeGreaterThan(TRANSCRIPTION_MS)
    expect([life.asked(MAKES_JOB), life.asked(/speech-to-text/)]).toEqual([1, 0])
    expect(viewOf(life.read()).steps.transcribe).not.toHaveProperty('repeatedCalls')
  })

  test.each<[string, Give]>([
    ['is away', (response) => void response.writeHead(503).end()],
    ['refuses it', giveJson({ detail: { status: 'invalid_file', message: 'no' } }, 400)],
  ])('is come back to where the second %s, and not made again', async (_how, give) => {
    const answer: Stage['answer'] = ({ question }) => (question === HEARS ? give : undefined)
    const life = await live({ answer }, 10 * 60_000)
    expect(life.read()).toMatchObject({ status: 'ready', steps: { transcribe: { provider: 'assemblyai' } } })
    expect(life.asked(MAKES_JOB)).toBe(1)
    expect(viewOf(life.read()).steps.transcribe).not.toHaveProperty('repeatedCalls')
  })

  test('costs nothing more where the second loses its call', async () => {
    const answer: Stage['answer'] = ({ question }) => (question === HEARS ? giveReset : undefined)
    const life = await live({ answer }, 20 * 60_000)
    expect(life.read().steps.transcribe.provider).toBe('assemblyai')
    expect([life.asked(MAKES_JOB), life.asked(/speech-to-text/)]).toEqual([1, 2])
  })
})

describe('a production that stays in one state for ever', () => {
  const world = { isStarted: false, ended: false }
  beforeEach(() => void Object.assign(world, { isStarted: false, ended: false }))
  const production = (status: number) =>
    giveJson({ status_code: 200, data: { uuid: 'u1', status, status_string: 'Busy', start_allowed: false } })
  const live = (status: number, stage: Stage = {}) =>
    lives.live({
      options: { fallbacks: ['master'] },
      ...stage,
      answer: ({ question }) => {
        if (question.endsWith('productions.json')) world.isStarted = false
        if (STARTS.test(question)) world.isStarted = true
        return READS_PRODUCTION.test(question) && world.isStarted && !world.ended ? production(status) : undefined
      },
    })

  test('is done without after a time in proportion to the recording, and started once', async () => {
    const life = await live(1)
    expect(life.read()).toMatchObject({ status: 'ready', steps: { master: { provider: 'here' } } })
    expect(tookMs(life, 'master')).toBeGreaterThan(MASTERING_MS + FALLBACK_AFTER_MS - SLACK_MS)
    expect(tookMs(life, 'master')).toBeLessThan(MASTERING_MS + FALLBACK_AFTER_MS + SLACK_MS)
    expect(life.asked(STARTS)).toBe(1)
    // It may come to its end yet, and then makes the episode better, at the second look here.
    world.ended = true
    for (let tries = 0; tries < 2; tries++) {
      life.episode.nowMs = life.read().steps.master.fallback?.nextTryAtMs ?? NaN
      await life.episode.upgrade(life.work)
      await life.episode.carryOutAll(life.work)
    }
    expect(life.read()).toMatchObject({ status: 'ready', steps: { master: { provider: 'auphonic' } } })
    expect(life.asked(STARTS)).toBe(1)
  })

  test.each([0, 1, 4, 5, 6, 7, 8, 12, 13, 14, 99])(
    '%i: is waited for where it cannot be done without',
    async (status) => {
      const life = await live(status, { options: { fallbacks: [] } })
      expect(viewOf(life.read())).toMatchObject({ status: 'processing', waitingFor: { provider: 'auphonic' } })
      // One that was given up for another may be charged as well.
      expect(life.asked(STARTS)).toBeLessThanOrEqual(2)
      expect(viewOf(life.read()).steps.master.repeatedCalls ?? 0).toBe(life.asked(STARTS) - 1)
    },
  )
})
