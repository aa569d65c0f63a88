import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { fateOf } from '../../infra/build/answers-table.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { KNOWN_ANSWERS } from '../shared/providers/answers/all.ts'
import type { KnownAnswer } from '../shared/providers/answers/all.ts'
import { ASSEMBLYAI_ANSWERS } from '../shared/providers/answers/assemblyai.ts'
import { AUPHONIC_ANSWERS } from '../shared/providers/answers/auphonic.ts'
import { ELEVENLABS_ANSWERS } from '../shared/providers/answers/elevenlabs.ts'
import { noise } from '../shared/podcast/sound/made-sound.ts'
import { giveJson, giveReset, StagedLives } from '../shared/podcast/answers/staged-lives.ts'
import type { Give, StagedLife } from '../shared/podcast/answers/staged-lives.ts'

/**
 * The table of answers, by the deployed runner, where jobs are made, and where one transcriber gives way to the next: a
 * provider gives one kind of answer each time that it is asked, and the episode becomes what the table says.
 */

const PATIENCE_MS = 120_000
/** Short waits, and time that really passes. */
const SLACK_MS = 12_000
const DAY_MS = 86_400_000
/** Jobs are looked at soon, so that what is measured is how long an answer is waited for. */
const SOON = { SAFETY_POLL_SECONDS: '1' }
/** Mastering here takes longer for more. */
const BRIEF = { content: noise(1, 8_000), contentType: 'audio/wav' }

let lives: StagedLives
beforeAll(async () => void (lives = await StagedLives.open()))
afterAll(() => lives.close())

type Row = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Buffer
  readonly cutAfterBytes?: number
}

function give({ status, headers, body, cutAfterBytes }: Row): Give {
  if (status === 0) return giveReset
  return (response: ServerResponse) => {
    const isPage = String(body).startsWith('<')
    response.writeHead(status, headers ?? { 'Content-Type': isPage ? 'text/html' : 'application/json' })
    if (cutAfterBytes === undefined) return void response.end(body)
    response.write(Buffer.from(body).subarray(0, cutAfterBytes), () => response.socket?.destroy())
  }
}

function known(provider: string, answer: string): KnownAnswer {
  const found = KNOWN_ANSWERS.find((row) => row.provider === provider && row.answer === answer)
  if (found === undefined) throw new Error(`the table lacks ${answer}`)
  return found
}

/** That it took the time that the table says until it went on. */
function expectTime(row: KnownAnswer, life: StagedLife, name: 'transcribe' | 'master'): void {
  const { course } = fateOf(row)
  const { startedAtMs = NaN, finishedAtMs = NaN } = life.read().steps[name]
  const tookMs = finishedAtMs - startedAtMs
  const waits = course === 'waits' || course === 'savesRepeat' || course === 'anotherJobLater'
  expect(tookMs).toBeGreaterThanOrEqual(waits ? PATIENCE_MS - SLACK_MS : 0)
  // What could not be fetched may have met an absence of ours, which is waited for a little.
  const most = waits || course === 'unfetched' ? PATIENCE_MS + SLACK_MS : SLACK_MS
  expect(tookMs).toBeLessThan(course === 'goesOn' ? Infinity : most)
}

const NEED_OPERATOR = new Set(['auth', 'billing', 'misconfigured'])
const CHANGE_NOTHING = new Set(['ignored', 'success'])
/** Whoever must mend it is told by an open breaker; what is nobody else's business opens none. */
function expectBreaker({ breaker }: KnownAnswer, { episode }: StagedLife, name: string): void {
  const found = Object.values(episode.breakers).find((one) => one.name === name)
  if (NEED_OPERATOR.has(breaker)) expect(found?.state).toBe('open')
  if (CHANGE_NOTHING.has(breaker)) expect(found?.state).toBe('closed')
}

describe.each(['submit', 'read'] as const)('AssemblyAI, asked to %s', (to) => {
  const [asks, asked] = {
    submit: ['POST /v2/transcript', 'to a new job'],
    read: ['GET /v2/transcript/{id}', 'of a job'],
  }[to] as [string, string]
  const rows = ASSEMBLYAI_ANSWERS.filter((row) => row.to === to)

  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (answer, row) => {
    const told = known('assemblyai', `${answer} (${asked})`)
    const { course } = fateOf(told)
    const goesOn = course === 'goesOn'
    const life = await lives.live({
      settings: SOON,
      // Where it goes on it is answered so once, and then as usual, unless that was the end.
      answer: ({ question, times }) =>
        question === asks && (times === 0 || told.kind !== 'working') ? give(row) : undefined,
    })
    const { status, steps } = life.read()
    expect([status, steps.transcribe.provider]).toEqual(['ready', goesOn ? 'assemblyai' : 'elevenlabs'])
    expect(steps.transcribe).not.toHaveProperty('degraded')
    expect(steps.transcribe).not.toHaveProperty('fallback')
    expectTime(told, life, 'transcribe')
    expectBreaker(told, life, 'assemblyai')
    expect(life.asked(/^POST \/v2\/transcript$/)).toBeLessThanOrEqual(
      course === 'waits' || course === 'unfetched' ? 20 : 2,
    )
    expect(life.asked(/speech-to-text/)).toBe(goesOn ? 0 : 1)
  })

  const failing = rows.filter(({ kind }) => kind !== 'working' && kind !== 'done')
  test.each(failing.map((row) => [row.answer, row] as const))('%s, and there is no other', async (answer, row) => {
    const told = known('assemblyai', `${answer} (${asked})`)
    const life = await lives.live({
      settings: { ...SOON, TRANSCRIBERS: 'assemblyai' },
      answer: ({ question }) => (question === asks ? give(row) : undefined),
    })
    expectAlone(told, life)
  })
})

/** Where no other transcriber is left, as the table says. */
function expectAlone(row: KnownAnswer, life: StagedLife): void {
  const { course } = fateOf(row)
  const { status, error, waitingFor } = viewOf(life.read())
  const waitsOn =
    course === 'waits' || course === 'anotherJobLater' || (course === 'onceMore' && row.transcribes === 'job')
  if (waitsOn) expect([status, waitingFor?.provider]).toEqual(['processing', row.provider])
  else expect([status, error?.code]).toEqual(['error', CODES[course]])
  if (course === 'goesOnWithout' || course === 'notAudio' || course === 'noSpeech') expectTime(row, life, 'transcribe')
}
const CODES: Readonly<Partial<Record<ReturnType<typeof fateOf>['course'], string>>> = {
  goesOnWithout: 'provider_rejected',
  notAudio: 'not_audio',
  noSpeech: 'provider_rejected',
  onceMore: 'attempts_exhausted',
  anotherJob: 'attempts_exhausted',
  unfetched: 'attempts_exhausted',
  savesRepeat: 'attempts_exhausted',
}

describe('ElevenLabs, asked to hear', () => {
  const rows = ELEVENLABS_ANSWERS.filter(({ to }) => to === 'hear')
  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (answer, row) => {
    const told = known('elevenlabs', `${answer} (to hear)`)
    const { course } = fateOf(told)
    const life = await lives.live({
      settings: { ...SOON, TRANSCRIBERS: 'elevenlabs,assemblyai' },
      answer: ({ question }) => (question === 'POST /v1/speech-to-text' ? give(row) : undefined),
    })
    const { status, steps } = life.read()
    expect([status, steps.transcribe.provider]).toEqual(['ready', course === 'goesOn' ? 'elevenlabs' : 'assemblyai'])
    expect(steps.transcribe).not.toHaveProperty('fallback')
    expectTime(told, life, 'transcribe')
    expectBreaker(told, life, 'elevenlabs-stt')
    const calls = life.asked(/speech-to-text/)
    if (course === 'savesRepeat' || course === 'onceMore') expect(calls).toBe(2)
    if (course === 'goesOn' || course === 'goesOnWithout') expect(calls).toBe(1)
    expect(life.asked(/^POST \/v2\/transcript$/)).toBe(course === 'goesOn' ? 0 : 1)
  })

  test.each(rows.filter(({ kind }) => kind !== 'used').map((row) => [row.answer, row] as const))(
    '%s, and there is no other',
    async (answer, row) => {
      const life = await lives.live({
        settings: { ...SOON, TRANSCRIBERS: 'elevenlabs' },
        answer: ({ question }) => (question === 'POST /v1/speech-to-text' ? give(row) : undefined),
      })
      expectAlone(known('elevenlabs', `${answer} (to hear)`), life)
    },
  )
})

const AUPHONIC_ASKED = {
  create: ['to a new job', /^POST .*\/productions\.json$/],
  read: ['of a job', /^GET .*\/production\/[^/]*\.json$/],
  start: ['to its start', /start\.json$/],
  download: ['to the download', /^GET \/the-sound$/],
} as const

const giveProduction = (data: object) => giveJson({ status_code: 200, data: { uuid: 'u1', ...data } })

describe.each(['create', 'read', 'start', 'download'] as const)('Auphonic, asked to %s', (to) => {
  const [asked, asks] = AUPHONIC_ASKED[to]
  const rows = AUPHONIC_ANSWERS.filter((row) => row.to === to)

  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (answer, row) => {
    const told = known('auphonic', `${answer} (${asked})`)
    const { course, betterLater } = fateOf(told)
    const goesOn = course === 'goesOn'
    const isState = 'state' in row.means && row.means.state !== 'done'
    const soundUrl = `${lives.providers.get('auphonic')?.origin}/the-sound`
    const body = typeof row.body === 'string' ? row.body.replace('http://127.0.0.1:1/x', soundUrl) : row.body
    const staged = give({ ...row, body })
    let isStarted = false
    const life = await lives.live({
      options: { fallbacks: ['master'] },
      settings: SOON,
      ...(!goesOn && to !== 'download' && { recording: BRIEF }),
      answer({ question, times }) {
        isStarted ||= AUPHONIC_ASKED.start[1].test(question)
        if (asks.test(question) && (times === 0 || !isState)) return staged
        if (question === 'GET /the-sound') return give(SOUND)
        if (!AUPHONIC_ASKED.read[1].test(question)) return undefined
        if (to === 'start') return giveProduction({ status: 10, start_allowed: true })
        const outputs = [{ format: 'mp3', download_url: soundUrl }]
        return to === 'download' && isStarted ? giveProduction({ status: 3, output_files: outputs }) : undefined
      },
    })
    const { status, steps } = life.read()
    expect([status, steps.master.provider]).toEqual(['ready', goesOn ? 'auphonic' : 'here'])
    const { nextTryAtMs } = steps.master.fallback ?? {}
    const dueInMs = (nextTryAtMs ?? NaN) - (steps.master.finishedAtMs ?? NaN)
    expect(nextTryAtMs === undefined ? 'never' : dueInMs < DAY_MS ? 'soon' : 'nextDay').toBe(betterLater)
    expectTime(told, life, 'master')
    expectBreaker(told, life, 'auphonic')
    expect(life.asked(/start\.json$/)).toBeLessThanOrEqual(course === 'waits' ? 20 : 2)
    if (course === 'goesOnWithout') expect(life.asked(asks)).toBeLessThanOrEqual(2)
  })
})

const SOUND = AUPHONIC_ANSWERS.find(({ answer }) => answer === 'the sound') as Row
