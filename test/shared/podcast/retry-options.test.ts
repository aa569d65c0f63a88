import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { stepRunner } from '../../../shared/dependencies/engine.ts'
import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import type { WorkDependencies } from '../../../shared/dependencies/work.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { newOperationId } from '../../../shared/http/operation.ts'
import type { Options } from '../../../shared/podcast/options.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { cancelEpisode } from '../../../shared/podcast/owner/cancel.ts'
import { retryEpisode } from '../../../shared/podcast/owner/retry.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { giveTranscript } from '../../../shared/podcast/owner/transcript.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import type { Mastering, Speaker, Transcriber, Writer } from '../../../shared/podcast/ports.ts'
import { historyOf, viewOf } from '../../../shared/podcast/view.ts'
import { prepareHandTranscript } from '../../../shared/podcast/words/prepare-hand-transcript.ts'
import { ProviderError } from '../../../shared/providers/provider-error.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { usageStore } from '../../../shared/store/usage.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'
import { draft } from './episode-fixtures.ts'
import { MemoryObjects } from './memory-objects.ts'
import { CheckedSound } from '../../../shared/podcast/sound/checked-sound.ts'
import { silentMp3 } from './sound/mp3-frames.ts'

/** An owner's way out: an episode that ended in an error, or was cancelled, goes on with other options. */

const ALICE = { userId: 'alice', limits: PLANS.standard }
const UNKNOWN_VOICE = 'NobodyHasThisVoice00'
const NO_SUCH_VOICE = {
  code: 'provider_rejected',
  message: 'There is no such voice. Please choose another.',
  retryable: false,
}

let store: Awaited<ReturnType<typeof startStore>>
let work: WorkDependencies
const tasks: StepTask[] = []
const objects = new MemoryObjects()
/** What was charged, in order. */
const asked: string[] = []
/** Providers that refuse whatever they are asked, and which episode is at work. */
const refusing = new Set<string>()
let nowMs = Date.now()
let ids = 0

const port = { kind: 'call', callsBack: false } as const
const jobPort = { kind: 'job', callsBack: false } as const
/** About twelve seconds. */
const sound = silentMp3(460)

function ask(provider: string, what: string): void {
  if (refusing.has(provider))
    throw new ProviderError(provider, 'ask', { kind: 'invalid_input', message: 'no', words: NO_SUCH_VOICE })
  asked.push(what)
}

const transcriber: Transcriber = {
  ...jobPort,
  takes: () => true,
  name: 'assemblyai',
  submit: async () => (ask('assemblyai', 'transcript'), { id: 'job-t' }),
  find: async () => undefined,
  read: async () => ({
    state: 'done',
    language: 'en',
    durationSeconds: 10,
    text: 'Ask not what.',
    words: [{ text: 'Ask', startMs: 0, endMs: 900 }],
    cost: { seconds: 10 },
  }),
  remove: async () => undefined,
}
const writer: Writer = {
  ...port,
  name: 'gemini',
  version: 'v1',
  async writeNotes() {
    ask('gemini', 'notes')
    return { notes: { title: 'Written', description: 'D', chapters: [], tags: [] }, cost: { calls: 1 } }
  },
}
const speaker: Speaker = {
  ...port,
  name: 'elevenlabs',
  version: async ({ voiceId }) => voiceId ?? 'v1',
  async speak({ text, voiceId }) {
    if (voiceId === UNKNOWN_VOICE)
      throw new ProviderError('elevenlabs', 'speak', {
        kind: 'not_found',
        message: 'voice_not_found',
        words: NO_SUCH_VOICE,
      })
    ask('elevenlabs', `speech ${text}`)
    return { audio: sound, contentType: 'audio/mpeg', characters: text.length, cost: { calls: 1 } }
  },
}
const mastering: Mastering = {
  ...jobPort,
  name: 'auphonic',
  async create({ loudnessTarget, intro }) {
    ask('auphonic', `sound ${loudnessTarget}${intro ? ' with intro' : ''}`)
    return { id: `job-m${asked.length}` }
  },
  find: async () => undefined,
  read: async () => ({
    state: 'done',
    result: { url: 'sound', saidSeconds: undefined, saidBytes: undefined },
    cost: { hours: 1 },
  }),
  start: async () => undefined,
  download: async () => {
    const claims = { expectedSeconds: undefined, saidSeconds: undefined, saidBytes: undefined }
    return Readable.from([sound]).pipe(new CheckedSound(claims, (message) => new Error(message)))
  },
  stop: async () => undefined,
  remove: async () => undefined,
}

beforeAll(async () => {
  store = await startStore()
  const config = testConfig()
  work = {
    config,
    episodes: episodeStore(store.access, sweepRules(config), () => nowMs),
    objects,
    queue: { enqueue: async (_id: string, task: StepTask) => void tasks.push(task) },
    usage: usageStore(store.access),
    notesCache: notesCache(store.access, () => nowMs),
    now: () => nowMs,
    random: () => 0.5,
    transcribers: [transcriber],
    writers: [writer],
    speakers: [speaker],
    masterings: [mastering],
  } as unknown as WorkDependencies
})
afterAll(() => store.stop())
beforeEach(() => {
  tasks.splice(0)
  asked.splice(0)
  refusing.clear()
})

/** Carries out every task until there is none. */
async function carryOut(id: string, tools = work): Promise<Episode> {
  const runner = stepRunner(tools)
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
    nowMs = Math.max(nowMs, task.notBeforeMs ?? 0)
    await runner.run(id, task, new AbortController().signal)
  }
  return read(id)
}

async function read(id: string): Promise<Episode> {
  const episode = await work.episodes.read(id)
  if (episode === undefined) throw new Error('it is gone')
  return episode
}

/** An episode that was processed as far as it came. */
async function processed(options: Options, tools = work): Promise<Episode> {
  const text = `${++ids}`
  const id = text.padStart(24, '0')
  await work.episodes.create({ ...draft(options), id, title: `Title ${text}` })
  const landed = await work.episodes.move(id, (episode, atMs) => start(PIPELINE, episode, {}, atMs))
  tasks.push(...(landed?.tasks ?? []))
  return carryOut(id, tools)
}

const first = () => ({ id: newOperationId(), keyed: true, resumed: false })

async function retried(episodeId: string, options?: Options): Promise<Episode> {
  asked.splice(0)
  await retryEpisode(work, ALICE, { episodeId, options }, first())
  return carryOut(episodeId)
}

const intro = (text: string, voiceId?: string) => ({ text, ...(voiceId !== undefined && { voiceId }) })

describe('a voice that its service does not have', () => {
  test('ends an episode that needs its intro in words for its owner, and other options finish it', async () => {
    const stopped = await processed({ intro: intro('Hello one.', UNKNOWN_VOICE), fallbacks: ['notes', 'master'] })
    expect(stopped).toMatchObject({ status: 'error', error: { message: NO_SUCH_VOICE.message, retryable: false } })
    const ended = await retried(stopped.id, { intro: intro('Hello one.') })
    expect(ended).toMatchObject({ status: 'ready', options: { intro: { text: 'Hello one.' } }, generation: 2 })
    expect(ended.options).not.toHaveProperty('fallbacks')
    expect(asked).toEqual(['speech Hello one.', 'sound -16 with intro'])
  })

  test('is left out where the new options allow that, and the transcript and the notes are kept', async () => {
    const options = { intro: intro('Hello two.', UNKNOWN_VOICE), fallbacks: [] }
    const { id } = await processed(options)
    const ended = await retried(id, { ...options, fallbacks: ['voice'] })
    expect(ended).toMatchObject({ status: 'ready', steps: { voice: { state: 'done', provider: 'here' } } })
    expect(asked).toEqual(['sound -16'])
  })
})

describe('a retry', () => {
  /** Everything but the outputs is done, and then it was stopped. */
  async function almostDone(options: Options): Promise<string> {
    refusing.add('auphonic')
    const { id, status } = await processed({ ...options, fallbacks: [] })
    expect(status).toBe('error')
    refusing.clear()
    return id
  }

  /** All of it is done but the last step. */
  async function unfinished(options: Options): Promise<string> {
    const { id } = await processed(options)
    await work.episodes.move(id, (episode) => {
      const { finish: _gone, ...results } = episode.results
      const steps = { ...episode.steps, finish: { state: 'error', attempt: 5, dispatch: 5 } as const }
      return { next: { ...episode, status: 'error', steps, results } }
    })
    return id
  }

  test.each<[what: string, before: Options, after: Options | undefined, charged: string[]]>([
    ['without options', { intro: intro('A1.') }, undefined, []],
    ['with the same options', { intro: intro('A2.') }, { intro: intro('A2.') }, []],
    ['with a default said aloud', { intro: intro('A3.') }, { intro: intro('A3.'), loudnessTarget: -16 }, []],
    ['with another text', { intro: intro('A4.') }, { intro: intro('B4.') }, ['speech B4.', 'sound -16 with intro']],
    [
      'with another voice',
      { intro: intro('A5.') },
      { intro: intro('A5.', 'AnotherVoice00000000') },
      ['speech A5.', 'sound -16 with intro'],
    ],
    ['without the intro', { intro: intro('A6.') }, {}, ['sound -16']],
    ['with an intro', {}, { intro: intro('A7.') }, ['speech A7.', 'sound -16 with intro']],
    [
      'with another loudness',
      { intro: intro('A8.') },
      { intro: intro('A8.'), loudnessTarget: -20 },
      ['sound -20 with intro'],
    ],
  ])('%s redoes what the options concern, and pays for nothing else', async (_what, before, after, charged) => {
    const id = await unfinished(before)
    const ended = await retried(id, after)
    expect(ended.status).toBe('ready')
    expect(ended.options).toEqual(after ?? before)
    expect(asked).toEqual(charged)
  })

  test('that changes nothing redoes only what failed', async () => {
    const id = await almostDone({ intro: intro('C1.') })
    expect((await retried(id)).status).toBe('ready')
    expect(asked).toEqual(['sound -16 with intro'])
  })

  test('after a cancel takes other options as well', async () => {
    const { id } = await processed({ intro: intro('D1.', UNKNOWN_VOICE), fallbacks: [] })
    await work.episodes.move(id, (episode) => ({ next: { ...episode, status: 'processing' } }))
    await cancelEpisode(work, 'alice', id, first())
    expect(await retried(id, {})).toMatchObject({ status: 'ready', steps: { voice: { state: 'skipped' } } })
    expect(asked).toEqual(['sound -16'])
  })

  test('with one key takes effect once, whatever its options would do again', async () => {
    const id = await unfinished({ intro: intro('E1.') })
    const operation = first()
    const request = { episodeId: id, options: { intro: intro('E2.') } }
    asked.splice(0)
    await retryEpisode(work, ALICE, request, operation)
    await carryOut(id)
    const again = await retryEpisode(work, ALICE, request, { ...operation, resumed: true })
    await carryOut(id)
    expect(again).toMatchObject({ generation: 2, status: 'ready' })
    expect(asked).toEqual(['speech E2.', 'sound -16 with intro'])
  })

  test('of a ready episode that would not change it, or of one at work, is refused', async () => {
    const { id } = await processed({})
    await expect(retried(id, { loudnessTarget: -16 })).rejects.toMatchObject({ kind: 'conflict' })
    await work.episodes.move(id, (episode) => ({ next: { ...episode, status: 'processing' } }))
    await expect(retried(id, { loudnessTarget: -20 })).rejects.toMatchObject({ kind: 'conflict' })
    expect((await read(id)).options).toEqual({})
  })

  test('that forbids a fallback has the provider asked again for what was made without it', async () => {
    refusing.add('gemini')
    const id = await unfinished({})
    refusing.clear()
    const before = await read(id)
    expect(before.steps.write).toMatchObject({ state: 'done', provider: 'here' })
    expect((await retried(id, {})).steps.write.provider).toBe('here')
    refusing.add('gemini')
    const other = await unfinished({})
    refusing.clear()
    const ended = await retried(other, { fallbacks: [] })
    expect(ended).toMatchObject({ status: 'ready', results: { write: { notes: { title: 'Written' } } } })
    expect(ended.steps.write).not.toHaveProperty('degraded')
  })

  test('says anew whether a fallback is to be upgraded', async () => {
    refusing.add('gemini')
    const id = await unfinished({ upgrade: false })
    expect((await read(id)).steps.write.fallback).not.toHaveProperty('nextTryAtMs')
    const wanted = await retried(id, { upgrade: true })
    expect(wanted.steps.write.fallback?.nextTryAtMs).toBeGreaterThan(nowMs)
    await work.episodes.move(id, (episode) => ({ next: { ...episode, status: 'error' } }))
    expect((await retried(id, { upgrade: false })).steps.write.fallback).not.toHaveProperty('nextTryAtMs')
  })
})

test('a transcript by hand of a full stop, without a writer, is a finished episode that can be read and removed', async () => {
  refusing.add('gemini')
  const id = 'f'.repeat(24)
  const recording = readFileSync(new URL('../../fixtures/speech.flac', import.meta.url))
  const audio = { key: 'spoken', contentType: 'audio/flac', sizeBytes: recording.length, objectGeneration: '1' }
  await work.episodes.create({ ...draft({}), id, audio })
  await objects.create(audio.key, recording, audio.contentType)
  const prepared = prepareHandTranscript('text/plain', Buffer.from('.'))
  if ('unreadable' in prepared) throw new Error(prepared.unreadable)
  await giveTranscript(work, ALICE, id, prepared)
  const landed = await work.episodes.move(id, (one, atMs) => start(PIPELINE, one, {}, atMs))
  tasks.push(...(landed?.tasks ?? []))
  const ended = await carryOut(id)
  expect(ended).toMatchObject({
    status: 'ready',
    steps: { write: { provider: 'here' }, transcribe: { provider: 'hand' } },
  })
  expect(viewOf(ended).outputs?.notes.chapters).toEqual([
    { startSeconds: 0, title: expect.stringMatching(/\w/) as string },
  ])
})

test('what a provider has refused before the next was asked is told in the history', async () => {
  const other: Speaker = { ...speaker, name: 'other' }
  const refuses: Speaker = {
    ...speaker,
    speak: (request, call) => speaker.speak({ ...request, voiceId: UNKNOWN_VOICE }, call),
  }
  const episode = await processed({ intro: intro('Hello.') }, { ...work, speakers: [refuses, other] })
  expect(episode).toMatchObject({ status: 'ready', steps: { voice: { provider: 'other' } } })
  const told = historyOf(episode).filter(({ what }) => what === 'voice')
  expect(told.map(({ to, why }) => [to, why])).toEqual([
    ['running', undefined],
    ['pending', `elevenlabs: ${NO_SUCH_VOICE.message}`],
    ['running', undefined],
    ['done', undefined],
  ])
})

test('a retry from a step that was never done begins it in its turn, and keeps what it builds on', async () => {
  refusing.add('gemini')
  const { id } = await processed({ fallbacks: [] })
  refusing.clear()
  asked.splice(0)
  await retryEpisode(work, ALICE, { episodeId: id, from: 'master' }, first())
  expect((await carryOut(id)).status).toBe('ready')
  expect(asked).toEqual(['notes', 'sound -16'])
})

describe('an artefact that cannot be read', () => {
  test('of notes is made anew', async () => {
    const { id } = await processed({})
    const key = `episodes/${id}/g2/notes.json`
    objects.stored.set(key, { content: Buffer.from('{"title": ""}'), contentType: 'application/json' })
    await work.episodes.move(id, (one) => ({ next: { ...one, status: 'error' } }))
    asked.splice(0)
    await retryEpisode(work, ALICE, { episodeId: id, from: 'write' }, first())
    await work.episodes.move(id, (one) => {
      const paid = { calls: 1, repeats: 0, open: true }
      return { next: { ...one, steps: { ...one.steps, write: { ...one.steps.write, paid } } } }
    })
    expect(await carryOut(id)).toMatchObject({ status: 'ready', results: { write: { notes: { title: 'Written' } } } })
    expect(asked).toContain('notes')
  })

  test('of a transcript is told at once, and made anew by a retry from there', async () => {
    refusing.add('gemini')
    const { id } = await processed({ fallbacks: [] })
    refusing.clear()
    const damaged = { content: Buffer.from('{"words": 7'), contentType: 'application/json' }
    objects.stored.set(`episodes/${id}/g1/transcript.json`, damaged)
    const told = await retried(id)
    expect(told).toMatchObject({ status: 'error', error: { code: 'internal_error', retryable: false } })
    expect(told.error?.message).toContain('from transcribe')
    await retryEpisode(work, ALICE, { episodeId: id, from: 'transcribe' }, first())
    expect((await carryOut(id)).status).toBe('ready')
  })
})
