import { readFile } from 'node:fs/promises'

import { AssemblyAI } from 'assemblyai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'

/** The stand-in of AssemblyAI takes no more than AssemblyAI, and answers as its SDK says. */
const KEY = 'stand-in-key'
const options = { faults: new Faults(), journal: new Journal(), apiKey: KEY, pace: { factor: 0 } }
const { api } = STAND_INS.assemblyai.makeServers(options, new WorkLog())
const client = () => new AssemblyAI({ apiKey: KEY, baseUrl: api.origin })
let uploadUrl: string

beforeAll(async () => {
  await api.start()
  uploadUrl = await client().files.upload(await readFile(new URL('../fixtures/speech.flac', import.meta.url)))
})
afterAll(() => api.stop())

async function post(body: unknown): Promise<{ status: number; error: unknown }> {
  const response = await fetch(`${api.origin}/v2/transcript`, {
    method: 'POST',
    headers: { Authorization: KEY, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { error } = (await response.json()) as { error?: unknown }
  return { status: response.status, error }
}

describe('a submission is refused', () => {
  const audio_url = 'https://s.example/a.mp3'
  test.each<[string, unknown, RegExp]>([
    ['with an unknown field', { audio_url, punctuation: true }, /^Invalid endpoint schema/],
    ['with a value of a wrong type', { audio_url, punctuate: 'yes' }, /^Invalid endpoint schema/],
    ['as a list', [], /^Invalid endpoint schema/],
    ['without a recording', { punctuate: true }, /audio_url/],
    ['with a recording that is no link', { audio_url: '/etc/passwd' }, /audio_url/],
    ['with a language as BCP 47 has it', { audio_url, language_code: 'en-GB' }, /language_code/],
    ['with a language it does not have', { audio_url, language_code: 'pt_br' }, /language_code/],
    [
      'with a language, and one to be heard',
      { audio_url, language_code: 'en', language_detection: true },
      /language_code cannot/,
    ],
    ['with a model that is gone', { audio_url, speech_models: ['best'] }, /^"speech_models" must be a non-empty list/],
    ['with no model', { audio_url, speech_models: [] }, /^"speech_models" must be a non-empty list/],
    ['with a model in the old way', { audio_url, speech_model: 'universal' }, /^Invalid endpoint schema/],
    [
      'with half of a header',
      { audio_url, webhook_url: 'https://h.example', webhook_auth_header_name: 'X' },
      /must be given together/,
    ],
    ['with what cannot be had here', { audio_url, auto_chapters: true }, /auto_chapters.*stand-in/],
  ])('%s', async (_name, body, words) => {
    expect(await post(body)).toEqual({ status: 400, error: expect.stringMatching(words) as string })
  })
})

test('who speaks is told where that was asked for, on words and as turns', async () => {
  const plain = await client().transcripts.transcribe({ audio: uploadUrl }, { pollingInterval: 10 })
  expect([plain.utterances, plain.words?.[0]?.speaker]).toEqual([null, null])
  const told = await client().transcripts.transcribe(
    { audio: uploadUrl, speaker_labels: true },
    { pollingInterval: 10 },
  )
  expect([told.utterances?.length, told.utterances?.[0]?.speaker, told.words?.[0]?.speaker]).toEqual([1, 'A', 'A'])
  expect([told.audio_duration, told.utterances?.[0]?.words.length]).toEqual([11, 22])
})

test('the language is heard where that was asked for', async () => {
  const asked = { audio: uploadUrl, language_detection: true }
  const heard = await client().transcripts.transcribe(asked, { pollingInterval: 10 })
  expect(heard).toMatchObject({ language_code: 'en', language_codes: ['en'] })
  expect(heard.language_confidence).toBeGreaterThan(0.5)
})

test('the list is read page by page, older and newer, and by day', async () => {
  const made: string[] = []
  for (let count = 0; count < 5; count++) made.unshift((await client().transcripts.submit({ audio: uploadUrl })).id)
  const list = client().transcripts
  const first = await list.list({ limit: 2 })
  expect(first.transcripts.map(({ id }) => id)).toEqual(made.slice(0, 2))
  const older = await list.list(first.page_details.prev_url ?? undefined)
  expect(older.transcripts.map(({ id }) => id)).toEqual(made.slice(2, 4))
  expect((await list.list(older.page_details.next_url ?? undefined)).transcripts.map(({ id }) => id)).toEqual(
    made.slice(0, 2),
  )
  expect(first.page_details).toMatchObject({ limit: 2, result_count: 2, next_url: null })
  expect((await list.list({ created_on: '2001-01-01' })).transcripts).toEqual([])
  await expect(list.list({ limit: 201 })).rejects.toThrow(/query/)
})

test('words are searched for, and a transcript that was deleted is gone', async () => {
  const { id } = await client().transcripts.transcribe({ audio: uploadUrl }, { pollingInterval: 10 })
  expect(await client().transcripts.wordSearch(id, ['country', 'boat'])).toMatchObject({
    total_count: 2,
    matches: [{ text: 'country', count: 2 }],
  })
  expect((await client().transcripts.paragraphs(id)).paragraphs.length).toBeGreaterThan(0)
  await client().transcripts.delete(id)
  expect(await client().transcripts.get(id)).toMatchObject({
    text: 'Deleted by user.',
    words: null,
    audio_url: 'http://deleted_by_user',
  })
})

test('a call that is not to be had says so', async () => {
  const { id } = await client().transcripts.transcribe({ audio: uploadUrl }, { pollingInterval: 10 })
  await expect(client().transcripts.redactedAudio(id)).rejects.toThrow(/stand-in/)
  await expect(client().files.upload(Buffer.alloc(0))).rejects.toThrow(/Upload failed/)
})
