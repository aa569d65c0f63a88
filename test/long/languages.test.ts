import { afterAll, beforeAll, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, requestsTo, settled, SPEECH, SPOKEN, startTestCloud } from '../e2e/cloud.ts'

let cloud: LocalCloud
let alice: ApiClient

beforeAll(async () => {
  cloud = await startTestCloud()
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())

async function uploadedIn(language: string): Promise<string> {
  const { id } = await alice.create({ title: language, language })
  await alice.upload(id, SPEECH, 'audio/flac')
  return id
}

const TRANSCRIPT_KEYS = ['language', 'durationSeconds'] as const

/** How the transcript of a finished episode describes itself. */
async function transcriptOf(episodeId: string): Promise<Record<string, unknown>> {
  const { outputs } = await settled(alice, episodeId)
  return (await (await fetch(outputs?.transcriptUrl ?? '')).json()) as Record<string, unknown>
}

test('a tag is kept in its one spelling, and what is none is refused', async () => {
  expect((await alice.create({ title: 'x', language: 'zh-hant-tw' })).language).toBe('zh-Hant-TW')
  const refused = { status: 400, envelope: { code: 'validation_error' } }
  await expect(alice.create({ title: 'x', language: 'english' })).rejects.toMatchObject(refused)
  await expect(alice.create({ title: 'x', language: 'en_GB' })).rejects.toMatchObject(refused)
})

test.each(['en-GB', 'es-419', 'zh-Hant-TW', 'nb'])('an episode in %s is transcribed in it', async (language) => {
  const id = await uploadedIn(language)
  await alice.act('process', id)
  const transcript = await transcriptOf(id)
  expect(TRANSCRIPT_KEYS.map((key) => transcript[key])).toEqual([language, expect.closeTo(11, 1)])
  expect(JSON.stringify(transcript['words'])).toContain('"speaker":"A"')
  expect(await alice.get(id)).toMatchObject({ status: 'ready', language, degraded: [] })
})

test('one that is to be heard is that of the recording from then on', async () => {
  const id = await uploadedIn('auto')
  expect((await alice.act('process', id)).language).toBe('auto')
  expect(await transcriptOf(id)).toMatchObject({ language: 'en' })
  expect(await alice.get(id)).toMatchObject({ status: 'ready', language: 'en', degraded: [] })
})

test('one that nobody transcribes is refused before anything is paid for, and done from a transcript', async () => {
  const id = await uploadedIn('tlh')
  await expect(alice.act('process', id)).rejects.toMatchObject({
    status: 400,
    envelope: {
      code: 'validation_error',
      details: { language: 'tlh', languages: expect.arrayContaining(['auto', 'en-GB', 'pt', 'zh']) as string[] },
    },
  })
  expect((await alice.get(id)).status).toBe('draft')
  await alice.giveTranscript(id, SPOKEN, 'text/plain')
  await alice.act('process', id)
  expect(await transcriptOf(id)).toMatchObject({ language: 'tlh', text: SPOKEN })
  expect(await alice.get(id)).toMatchObject({ status: 'ready', language: 'tlh' })
  expect(requestsTo(cloud, 'assemblyai', /^\/v2\/transcript$/, id)).toBe(0)
})
