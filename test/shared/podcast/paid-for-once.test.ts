import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { Attempt, Ended } from '../../../shared/engine/attempt.ts'
import type { Cost } from '../../../shared/engine/outcome.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import type { Speaker, Writer } from '../../../shared/podcast/ports.ts'
import { cachedVoicePrefix } from '../../../shared/podcast/artefacts.ts'
import { removeFiles } from '../../../shared/podcast/deletion/remove-files.ts'
import { voice } from '../../../shared/podcast/steps/voice.ts'
import { write } from '../../../shared/podcast/steps/write.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { startStore } from '../store-fixture.ts'
import { draft } from './episode-fixtures.ts'
import { MemoryObjects } from './memory-objects.ts'

/** The same words of one person are paid for once; those of another person are that person's own. */
let store: Awaited<ReturnType<typeof startStore>>
const objects = new MemoryObjects()
const asked = { writer: 0, speaker: 0 }

beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.stop())
beforeEach(() => {
  objects.stored.clear()
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
  version: async ({ voiceId }) => voiceId ?? 'v1',
  async speak({ text }) {
    asked.speaker++
    const audio = Buffer.from(`spoken ${asked.speaker}`)
    return { audio, contentType: 'audio/mpeg', characters: text.length, cost: { calls: 1, characters: text.length } }
  },
}

/** `found`: what an attempt after it adopts; `foundBefore`: what this one did. */
type Ran = { ended: Ended<unknown>; cost: Cost | undefined; kept: string; found: unknown; foundBefore: unknown }

/** Works on one step of one episode. */
async function run(
  step: typeof write | typeof voice,
  userId: string,
  episodeId: string,
  text = 'Hello.',
): Promise<Ran> {
  const tools = {
    objects,
    notesCache: notesCache(store.access, Date.now),
    writers: [writer],
    speakers: [speaker],
    transcribers: [],
    masterings: [],
  } as unknown as Tools
  const transcriptKey = `${episodeId}/transcript`
  const words = [{ text, startMs: 0, endMs: 900 }]
  const transcript = { language: 'en', durationSeconds: 1, text, words }
  await objects.create(transcriptKey, JSON.stringify(transcript), 'application/json')
  const workflow: Episode = {
    ...draft({ intro: { text } }),
    id: episodeId,
    userId,
    results: { transcribe: { transcriptKey, durationSeconds: 1, wordCount: 1 } },
  }
  const { signal } = new AbortController()
  let charge: Cost | undefined
  const attempt: Attempt<Episode> = {
    workflow,
    name: step.name,
    step: workflow.steps[step.name],
    provider: step.name === 'write' ? writer.name : speaker.name,
    signal,
    call: { signal, correlationId: episodeId, random: () => 0 },
    resumesIntent: false,
    nowMs: Date.now,
    charge(cost) {
      charge = cost
      return { attempt: 'a', provider: 'p', cost }
    },
    tell: () => undefined,
    recordJob: async () => undefined,
  }
  const foundBefore = await step.adopt?.(attempt, tools)
  const ended = await step.run(attempt, tools)
  const found = await step.adopt?.(attempt, tools)
  if (ended.kind !== 'done' && ended.kind !== 'adopted') throw new Error(`expected a result, not ${ended.kind}`)
  const { result } = ended
  const { notes, audioKey } = result as { notes?: { title: string }; audioKey?: string }
  const kept = notes?.title ?? objects.stored.get(audioKey ?? '')?.content.toString() ?? ''
  return { ended, cost: charge, kept, found, foundBefore }
}

describe('show notes', () => {
  const notesOf = (userId: string, episodeId: string, text: string) => run(write, userId, episodeId, text)

  test('of the same words are written once for one person', async () => {
    const first = await notesOf('alice', 'a1', 'Once.')
    const second = await notesOf('alice', 'a2', 'Once.')
    expect([first.cost, second.cost]).toEqual([{ calls: 1, tokens: 9 }, undefined])
    expect([asked.writer, second.kept]).toEqual([1, first.kept])
  })

  test('that were kept, and never stored, are found by the same episode with what they have cost', async () => {
    const first = await notesOf('alice', 'a5', 'Kept.')
    objects.stored.clear()
    const again = await notesOf('alice', 'a5', 'Kept.')
    expect(again.ended).toMatchObject({ kind: 'adopted', receipt: { attempt: 'a', cost: first.cost } })
    const another = await notesOf('alice', 'a6', 'Kept.')
    expect(another.ended).toMatchObject({ kind: 'adopted', receipt: undefined })
  })

  test('of the same words of two people are written, and charged, for each', async () => {
    const alice = await notesOf('alice', 'a3', 'Shared.')
    const bob = await notesOf('bob', 'b3', 'Shared.')
    expect([alice.cost, bob.cost]).toEqual([expect.anything(), expect.anything()])
    expect([asked.writer, alice.kept, bob.kept]).toEqual([2, 'Written 1', 'Written 2'])
  })
})

describe('an intro', () => {
  const introOf = (userId: string, episodeId: string) => run(voice, userId, episodeId)

  test('of the same words is spoken once for one person', async () => {
    const first = await introOf('alice', 'a1')
    const second = await introOf('alice', 'a2')
    expect([first.cost, second.cost]).toEqual([{ calls: 1, characters: 6 }, undefined])
    expect([asked.speaker, second.kept]).toEqual([1, first.kept])
  })

  test('of the same words of two people is spoken, and charged, for each', async () => {
    const alice = await introOf('alice', 'a3')
    const bob = await introOf('bob', 'b3')
    expect([alice.cost, bob.cost]).toEqual([expect.anything(), expect.anything()])
    expect([asked.speaker, alice.kept, bob.kept]).toEqual([2, 'spoken 1', 'spoken 2'])
  })
})

test.each([
  ['show notes', write],
  ['an intro', voice],
] as const)(
  '%s that an attempt has left in storage are adopted by the next, and not paid for again',
  async (_, step) => {
    const { ended, cost, found, foundBefore } = await run(step, 'alice', `left-${step.name}`, 'Left behind.')
    expect(foundBefore).toBeUndefined()
    // The copy that is kept for the owner's other episodes among it: it goes when this one is deleted.
    const receipt = { attempt: 'a', provider: 'p', cost }
    expect(found).toEqual({ result: ended.kind === 'done' && ended.result, receipt })
    expect(found).toHaveProperty('result.cacheKey')
  },
)

describe.each(['results', 'upgrade'] as const)('deleting an episode with %s of its own', (where) => {
  test.each([
    ['show notes', write],
    ['an intro', voice],
  ] as const)('removes what was kept of %s for its owner’s others, and nobody else’s', async (_, step) => {
    const text = `Deleted ${where}.`
    const alice = await run(step, 'alice', `d1-${step.name}`, text)
    await run(step, 'bob', `d2-${step.name}`, text)
    const results = { [step.name]: (alice.found as { result: unknown }).result }
    const episode = { ...draft(), id: `d1-${step.name}` }
    const removed = where === 'results' ? { ...episode, results } : { ...episode, upgrade: { results } }
    const tools = { objects, notesCache: notesCache(store.access, Date.now) }
    await removeFiles(tools, removed as unknown as Episode, [])
    const asks = asked.writer + asked.speaker
    await run(step, 'bob', `d3-${step.name}`, text)
    expect(asked.writer + asked.speaker).toBe(asks)
    await run(step, 'alice', `d4-${step.name}`, text)
    expect(asked.writer + asked.speaker).toBe(asks + 1)
  })
})

test('intros are kept for a person where those of that person are looked for', async () => {
  await run(voice, 'alice', 'p1')
  expect([...objects.stored.keys()].filter((key) => key.startsWith(cachedVoicePrefix('alice')))).toHaveLength(1)
})
