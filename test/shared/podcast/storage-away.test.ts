import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { Attempt } from '../../../shared/engine/attempt.ts'
import { JobEnded, StepRefused, Unfetched } from '../../../shared/engine/failure.ts'
import type { Step } from '../../../shared/engine/workflow.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { RecordingUnfetched } from '../../../shared/podcast/errors.ts'
import type { CallTranscriber, JobFailure, JobTranscriber, Mastering, Speaker } from '../../../shared/podcast/ports.ts'
import type { ObjectStat } from '../../../shared/podcast/storage.ts'
import { finish } from '../../../shared/podcast/steps/finish.ts'
import { master } from '../../../shared/podcast/steps/master.ts'
import { transcribe } from '../../../shared/podcast/steps/transcribe.ts'
import { voice } from '../../../shared/podcast/steps/voice.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { draft, RESULTS } from './episode-fixtures.ts'
import { MemoryObjects } from './memory-objects.ts'

/** What steps make of Cloud Storage's absence, and of providers who met it. */

const SPEECH = readFileSync(fileURLToPath(new URL('../../fixtures/speech.flac', import.meta.url)))
const AWAY = new ServiceUnavailable('gcs', 'away')

class UncertainObjects extends MemoryObjects {
  /** What writing fails with, one after the other. */
  failures: Error[] = []
  isAway = false
  looks = 0

  override async create(...request: Parameters<MemoryObjects['create']>): Promise<ObjectStat> {
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    return super.create(...request)
  }

  override async requireReachable(): Promise<void> {
    this.looks++
    if (this.isAway) throw AWAY
  }
}

let objects: UncertainObjects
let asked: string[]
beforeEach(async () => {
  asked = []
  objects = new UncertainObjects()
  await objects.create(draft().audio?.key ?? '', SPEECH, 'audio/flac')
})
afterEach(() => void vi.useRealTimers())

const failed = (reason: JobFailure['reason']): JobFailure => ({ state: 'failed', reason, message: 'no' })

const jobs = (state: JobFailure) =>
  ({
    name: 'ear',
    kind: 'job',
    callsBack: false,
    submit: async () => (asked.push('submit'), { id: 'j2' }),
    read: async () => state,
  }) as unknown as JobTranscriber
const unfetching: CallTranscriber = {
  name: 'ear',
  takes: () => true,
  kind: 'call',
  callsBack: false,
  transcribe: () => Promise.reject(new RecordingUnfetched({ technical: 'it could not fetch' })),
}
const productions = (state: JobFailure) =>
  ({
    name: 'desk',
    kind: 'job',
    callsBack: false,
    create: async () => (asked.push('create'), { id: 'p2' }),
    read: async () => state,
  }) as unknown as Mastering
const speaker: Speaker = {
  name: 'mouth',
  kind: 'call',
  callsBack: false,
  version: async () => 'v1',
  async speak({ text }) {
    asked.push('speak')
    return { audio: Buffer.from(text), contentType: 'audio/mpeg', characters: text.length, cost: { calls: 1 } }
  },
}

function attemptOf(
  name: 'transcribe' | 'voice' | 'master' | 'finish',
  step: Partial<Step> = {},
  signal = new AbortController().signal,
) {
  const { audio, ...rest } = draft({ intro: { text: 'Hello.' } })
  const job = { key: 'k', webhookToken: 't', polls: 1, providerJobId: 'j1' }
  const workflow: Episode = {
    ...rest,
    audio: audio && { ...audio, sizeBytes: SPEECH.length },
    results: name === 'transcribe' ? {} : RESULTS,
  }
  const attempt: Attempt<Episode> = {
    workflow,
    name,
    step: { state: 'running', attempt: 1, dispatch: 1, job, ...step },
    provider: name === 'voice' ? 'mouth' : name === 'master' ? 'desk' : 'ear',
    signal,
    call: { signal, correlationId: 'c', random: () => 0 },
    resumesIntent: false,
    nowMs: () => 0,
    charge(cost) {
      asked.push('charge')
      return { attempt: 'a', provider: 'p', cost }
    },
    tell: () => undefined,
    recordJob: async () => undefined,
  }
  return attempt
}
const toolsOf = (more: Partial<Tools>) =>
  ({ objects, webhookUrl: () => 'http://127.0.0.1:1/', safetyPollMs: 1_000, ...more }) as unknown as Tools

describe('a job that its provider has ended', () => {
  const readTranscript = (reason: JobFailure['reason']) =>
    transcribe.run(attemptOf('transcribe'), toolsOf({ transcribers: [jobs(failed(reason))] }))
  const readProduction = (reason: JobFailure['reason']) =>
    master.run(attemptOf('master'), toolsOf({ masterings: [productions(failed(reason))] }))

  test.each([
    ['a transcription', readTranscript],
    ['a production', readProduction],
  ])('met the absence of storage, where that is away, whatever it says: %s', async (_what, read) => {
    objects.isAway = true
    for (const reason of ['unfetched', 'ended'] as const)
      await expect(read(reason)).rejects.toMatchObject({ name: 'Unfetched', service: 'gcs', isAway: true })
  })

  test.each([
    ['a transcription', readTranscript],
    ['a production', readProduction],
  ])('is its provider’s own failure, where storage answers: %s', async (_what, read) => {
    await expect(read('unfetched')).rejects.toMatchObject({ name: 'Unfetched', isAway: false })
    await expect(read('ended')).rejects.toBeInstanceOf(JobEnded)
    expect(objects.looks).toBe(2)
    await expect(read('not_audio')).rejects.toBeInstanceOf(StepRefused)
    expect(objects.looks).toBe(2)
  })

  test.each([
    ['a transcription', transcribe, { transcribers: [jobs(failed('ended'))] }, 'transcribe', 'submit'],
    ['a production', master, { masterings: [productions(failed('ended'))] }, 'master', 'create'],
  ] as const)(
    'is followed by another when storage is back, and not before: %s',
    async (_what, step, ports, name, made) => {
      const unavailable = { service: 'gcs', sinceMs: 0, waits: 1, untilMs: 0 }
      const job = { key: 'k', webhookToken: 't', polls: 0 }
      const run = () => step.run(attemptOf(name, { unavailable, job }), toolsOf(ports)).catch((error: unknown) => error)
      objects.isAway = true
      expect(await run()).toBe(AWAY)
      expect(asked).toEqual([])
      objects.isAway = false
      await run()
      expect(asked).toEqual([made])
    },
  )
})

test('a call that could not fetch the recording is told as storage’s absence, where that is away', async () => {
  const hear = () => transcribe.run(attemptOf('transcribe'), toolsOf({ transcribers: [unfetching] }))
  await expect(hear()).rejects.toMatchObject({ name: 'Unfetched', isAway: false })
  objects.isAway = true
  const error = await hear().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Unfetched)
  expect(error).toMatchObject({ isAway: true, message: 'it could not fetch' })
  expect(asked).toEqual([])
})

describe('what a call was charged for', () => {
  const speak = (signal?: AbortSignal) => voice.run(attemptOf('voice', {}, signal), toolsOf({ speakers: [speaker] }))
  const open = BreakerOpenError.of({ breaker: 'gcs', state: 'open', reason: 'failures', retryAfterMs: 30_000 })
  /** Time passes until the work has ended. */
  async function inTime<T>(work: Promise<T>): Promise<{ ended: T | Error; tookMs: number }> {
    let ended: T | Error | undefined
    const sinceMs = performance.now()
    work.then(
      (result) => (ended = result),
      (error: Error) => (ended = error),
    )
    while (ended === undefined) await vi.advanceTimersByTimeAsync(250)
    return { ended, tookMs: performance.now() - sinceMs }
  }
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))

  test('is stored when storage is back after half a minute: it is not paid for again', async () => {
    objects.failures = [AWAY, AWAY, open, AWAY]
    const { ended, tookMs } = await inTime(speak())
    expect(ended).toMatchObject({ kind: 'done' })
    expect(asked).toEqual(['speak', 'charge'])
    expect(tookMs).toBeGreaterThan(30_000)
    expect([...objects.stored.keys()].filter((key) => key.includes('intro'))).toHaveLength(1)
  })

  test('is given up when storage stays away for longer than a worker lives', async () => {
    objects.failures = Array.from({ length: 1_000 }, () => AWAY)
    const { ended, tookMs } = await inTime(speak())
    expect(ended).toBe(AWAY)
    expect(tookMs).toBeLessThan(120_000)
    expect(objects.failures.length).toBeGreaterThan(950)
  })

  test('is given up at once when the step is over, or when something else is wrong', async () => {
    const over = new AbortController()
    objects.failures = [open]
    const speaking = speak(over.signal)
    speaking.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(1_000)
    over.abort(new Error('it is over'))
    await expect(speaking).rejects.toThrow('it is over')
    objects.failures = [new TypeError('a defect')]
    await expect(speak()).rejects.toThrow('a defect')
  })
})

describe('finishing', () => {
  const TRANSCRIPT = {
    language: 'en',
    durationSeconds: 10,
    text: 'Yes.',
    words: [{ text: 'Yes.', startMs: 0, endMs: 900 }],
  }

  test('ends at once where one of its outputs cannot be stored, and no other is still being written then', async () => {
    const ended: string[] = []
    class OneFails extends MemoryObjects {
      override create(key: string, _content: unknown, _type: string, signal?: AbortSignal): Promise<ObjectStat> {
        if (key.endsWith('.vtt')) return Promise.reject(AWAY)
        return new Promise((_resolve, reject) => {
          const end = () => reject((ended.push(key.replace(/^.*\./, '')), signal?.reason as Error))
          signal?.addEventListener('abort', end, { once: true })
        })
      }
    }
    const failing = new OneFails()
    failing.stored.set('t', { content: Buffer.from(JSON.stringify(TRANSCRIPT)), contentType: 'application/json' })
    failing.stored.set('m', { content: SPEECH, contentType: 'audio/mpeg' })
    const tools = toolsOf({ objects: failing })
    await expect(finish.run(attemptOf('finish'), tools)).rejects.toBe(AWAY)
    expect(ended.toSorted()).toEqual(['json', 'mp3', 'srt'])
  })
})
