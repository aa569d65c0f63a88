import { Readable } from 'node:stream'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { WorkDependencies } from '../../../shared/dependencies/work.ts'
import type { Charge, Outcome } from '../../../shared/episodes/machine.ts'
import type { StepName } from '../../../shared/episodes/steps.ts'
import { voice } from '../../../shared/episodes/workers/voice.ts'
import type { StepWork, Work } from '../../../shared/episodes/workers/work.ts'
import { write } from '../../../shared/episodes/workers/write.ts'
import type { Speaker, Writer } from '../../../shared/podcast/ports.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { startStore } from '../store-fixture.ts'
import { draft } from './episode-fixtures.ts'

/** The same words of one person are paid for once; those of another person are that person's own. */
let store: Awaited<ReturnType<typeof startStore>>
const objects = new Map<string, { content: Buffer; contentType: string }>()
const asked = { writer: 0, speaker: 0 }

beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.stop())
beforeEach(() => {
  objects.clear()
  Object.assign(asked, { writer: 0, speaker: 0 })
})

const writer: Writer = {
  name: 'a-writer',
  kind: 'call',
  callsBack: false,
  version: 'v1',
  async writeNotes() {
    asked.writer++
    const notes = { title: `Written ${asked.writer}`, description: 'D', chapters: [], tags: [] }
    return { notes, cost: { calls: 1, tokens: 9 } }
  },
}
const speaker: Speaker = {
  name: 'a-speaker',
  kind: 'call',
  callsBack: false,
  version: ({ voiceId }) => voiceId ?? 'v1',
  async speak({ text }) {
    asked.speaker++
    const audio = Buffer.from(`spoken ${asked.speaker}`)
    return { audio, contentType: 'audio/mpeg', characters: text.length, cost: { calls: 1, characters: text.length } }
  },
}

const inMemory = {
  async create(key: string, content: Readable | Buffer | string, contentType: string) {
    const bytes = content instanceof Readable ? Buffer.concat(await content.toArray()) : Buffer.from(content)
    if (!objects.has(key)) objects.set(key, { content: bytes, contentType })
  },
  readText: async (key: string) => objects.get(key)?.content.toString(),
  readStream: async (key: string) => Readable.from([objects.get(key)?.content ?? Buffer.alloc(0)]),
  stat: async (key: string) => objects.get(key),
}

type Ran = { outcome: Outcome; charge: Charge | undefined; kept: string }

/** Works on one step of one episode. */
async function run(step: StepWork, name: StepName, userId: string, episodeId: string, text = 'Hello.'): Promise<Ran> {
  const dependencies = {
    objects: inMemory,
    notesCache: notesCache(store.access, Date.now),
    writers: [writer],
    speakers: [speaker],
    transcribers: [],
    masterings: [],
    now: Date.now,
  } as unknown as WorkDependencies
  const transcriptKey = `${episodeId}/transcript`
  const words = [{ text, startMs: 0, endMs: 900 }]
  const transcript = { language: 'en', durationSeconds: 1, text, words }
  objects.set(transcriptKey, { content: Buffer.from(JSON.stringify(transcript)), contentType: 'application/json' })
  const episode = {
    ...draft({ intro: { text } }),
    id: episodeId,
    userId,
    results: { transcribe: { transcriptKey, durationSeconds: 1, wordCount: 1 } },
  }
  const { signal } = new AbortController()
  let charge: Charge | undefined
  const work: Work = {
    dependencies,
    episode,
    name,
    step: episode.steps[name],
    signal,
    call: { signal, correlationId: episodeId, random: () => 0 },
    resumesIntent: false,
    startedAtMs: 0,
    charged: (provider, cost) => void (charge = { provider, cost }),
    wasCharged: () => charge !== undefined,
    at: () => undefined,
    noteJob: async () => undefined,
  }
  const outcome = await step.run(work)
  if (outcome.kind !== 'done') throw new Error(`expected a result, not ${outcome.kind}`)
  const { write: written, voice: spoken } = outcome.results
  const kept = written?.notes.title ?? objects.get(spoken?.audioKey ?? '')?.content.toString() ?? ''
  return { outcome, charge, kept }
}

describe('show notes', () => {
  const notesOf = (userId: string, episodeId: string, text: string) => run(write, 'write', userId, episodeId, text)

  test('of the same words are written once for one person', async () => {
    const first = await notesOf('alice', 'a1', 'Once.')
    const second = await notesOf('alice', 'a2', 'Once.')
    expect([first.charge, second.charge]).toEqual([{ provider: 'a-writer', cost: { calls: 1, tokens: 9 } }, undefined])
    expect([asked.writer, second.kept]).toEqual([1, first.kept])
  })

  test('of the same words of two people are written, and charged, for each', async () => {
    const alice = await notesOf('alice', 'a3', 'Shared.')
    const bob = await notesOf('bob', 'b3', 'Shared.')
    expect([alice.charge, bob.charge]).toEqual([expect.anything(), expect.anything()])
    expect([asked.writer, alice.kept, bob.kept]).toEqual([2, 'Written 1', 'Written 2'])
  })
})

describe('an intro', () => {
  const introOf = (userId: string, episodeId: string) => run(voice, 'voice', userId, episodeId)

  test('of the same words is spoken once for one person', async () => {
    const first = await introOf('alice', 'a1')
    const second = await introOf('alice', 'a2')
    expect([first.charge, second.charge]).toEqual([
      { provider: 'a-speaker', cost: { calls: 1, characters: 6 } },
      undefined,
    ])
    expect([asked.speaker, second.kept]).toEqual([1, first.kept])
  })

  test('of the same words of two people is spoken, and charged, for each', async () => {
    const alice = await introOf('alice', 'a3')
    const bob = await introOf('bob', 'b3')
    expect([alice.charge, bob.charge]).toEqual([expect.anything(), expect.anything()])
    expect([asked.speaker, alice.kept, bob.kept]).toEqual([2, 'spoken 1', 'spoken 2'])
  })
})
