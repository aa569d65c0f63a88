import { parseBuffer } from 'music-metadata'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebVTTParser } from 'webvtt-parser'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import { durationSeconds, measureLoudness } from '../../infra/local/audio/mastering.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, requestsTo, settled, SPEECH, startTestCloud, until, uploaded } from './cloud.ts'
import { expectUnaided } from './healing.ts'

let cloud: LocalCloud
let alice: ApiClient
let bob: ApiClient

beforeAll(async () => {
  cloud = await startTestCloud()
  alice = await clientOf(cloud, 'alice')
  bob = await clientOf(cloud, 'bob')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

const refusal = (status: number, code: string) => ({ status, envelope: { code } })

async function fetched(url: string | undefined): Promise<Buffer<ArrayBuffer>> {
  const response = await fetch(url ?? '')
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

describe('an episode', () => {
  test('comes out mastered, tagged, transcribed and captioned', async () => {
    const draft = await uploaded(alice, 'My "first"\r\nepisode', { intro: { text: 'Welcome to the show.' } })
    expect(draft.title).toBe('My "first" episode')
    const accepted = await alice.act('process', draft.id)
    expect(accepted.status).toBe('processing')
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'ready', progress: 1, degraded: [] })
    expect(Object.values(episode.steps).map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done', 'done'])
    await expectUnaided(cloud, draft.id, {
      claims: expect.objectContaining({ write: 1, voice: 1, finish: 1 }) as never,
    })

    const audio = await fetched(episode.outputs?.audioUrl)
    const loudness = await measureLoudness(audio)
    expect(Math.abs(loudness.integratedLufs + 16)).toBeLessThanOrEqual(1)
    const { common, format } = await parseBuffer(audio, undefined, { duration: true, includeChapters: true })
    expect(common.title).toBe(episode.outputs?.notes.title)
    const transcript = JSON.parse((await fetched(episode.outputs?.transcriptUrl)).toString()) as {
      durationSeconds: number
      words: { text: string; startMs: number }[]
    }
    expect(transcript.words).toHaveLength(22)
    expect(format.duration).toBeGreaterThan(12)
    expect(Math.abs((format.duration ?? 0) - transcript.durationSeconds)).toBeLessThanOrEqual(0.3)
    const intro = await fetch(`${cloud.environment['ELEVENLABS_BASE_URL']}/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb`, {
      method: 'POST',
      headers: { 'xi-api-key': cloud.environment['ELEVENLABS_API_KEY'] ?? '', 'Content-Type': 'application/json' },
      body: JSON.stringify({ text: 'Welcome to the show.' }),
    })
    const introSeconds = await durationSeconds(Buffer.from(await intro.arrayBuffer()))
    expect(Math.abs((format.duration ?? 0) - (await durationSeconds(SPEECH)) - introSeconds)).toBeLessThanOrEqual(0.3)
    // The first word is spoken after the intro.
    expect(transcript.words[0]?.startMs).toBeGreaterThan(1000)
    const chapters = audio.toString('latin1')
    expect(chapters.match(/CHAP/g)).toHaveLength(episode.outputs?.notes.chapters.length ?? -1)
    expect(chapters).toContain('CTOC')

    const vtt = (await fetched(episode.outputs?.vttUrl)).toString()
    expect(new WebVTTParser().parse(vtt).errors).toEqual([])
    expect((await fetched(episode.outputs?.srtUrl)).toString()).toMatch(/^1\n\d\d:\d\d:\d\d,\d{3} --> /)
    expect((await fetch(episode.outputs?.audioUrl ?? '')).headers.get('content-disposition')).toContain(
      'my-first-episode.mp3',
    )
    // They were signed when it was finished, and nobody signs anew what is kept.
    const signer = new URL(episode.outputs?.audioUrl ?? '').searchParams.get('X-Goog-Credential')
    expect(signer).toMatch(/^steadycast-work@/)
    expect((await alice.get(draft.id)).outputs).toEqual(episode.outputs)
  })

  test('can be uploaded straight to storage by a signed link, once', async () => {
    const draft = await alice.create({ title: 'large' })
    await expect(alice.act('process', draft.id)).rejects.toMatchObject(refusal(400, 'validation_error'))
    await alice.uploadDirectly(draft.id, SPEECH, 'audio/flac')
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'ready', steps: { voice: { state: 'skipped' } } })
    await expectUnaided(cloud, draft.id)
  })

  test('that was announced but never uploaded cannot be processed', async () => {
    const draft = await alice.create({ title: 'late' })
    await alice.call('POST', 'episodes-upload-url', { episodeId: draft.id, contentType: 'audio/flac', sizeBytes: 5 })
    await expect(alice.act('process', draft.id)).rejects.toMatchObject(refusal(400, 'validation_error'))
  })

  test('that is not audio ends in an error a person understands, at once and for good', async () => {
    const draft = await alice.create({ title: 'not audio' })
    await alice.upload(draft.id, Buffer.from('%PDF-1.7 this is a document'), 'audio/mpeg')
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'error', error: { code: 'not_audio', retryable: false } })
    expect(episode.error?.message).toMatch(/does not contain audio/)
  })

  test('processed twice runs once', async () => {
    const draft = await uploaded(alice, 'twice')
    await Promise.all([alice.act('process', draft.id), alice.act('process', draft.id), alice.act('process', draft.id)])
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'ready', generation: 1 })
    expect(requestsTo(cloud, 'assemblyai', /^\/v2\/transcript$/, draft.id)).toBe(1)
    await expect(alice.act('process', draft.id)).rejects.toMatchObject(refusal(409, 'conflict'))
    await expectUnaided(cloud, draft.id)
  })
})

describe('two users with three episodes each, at once', () => {
  test('finish without mixing, and see only their own', async () => {
    const users = [
      { client: await clientOf(cloud, 'carol'), name: 'carol' },
      { client: await clientOf(cloud, 'dave'), name: 'dave' },
    ]
    const drafts = await Promise.all(
      users.flatMap(({ client, name }) =>
        [1, 2, 3].map(async (n) => ({
          client,
          episode: await uploaded(client, `${name} ${n}`, { intro: { text: `${name} number ${n}` } }),
        })),
      ),
    )
    await Promise.all(drafts.map(({ client, episode }) => client.act('process', episode.id)))
    const episodes = await Promise.all(drafts.map(({ client, episode }) => settled(client, episode.id)))
    expect(episodes.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 'ready'))
    for (const { id } of episodes) await expectUnaided(cloud, id)
    for (const { client, name } of users) {
      const { episodes: own } = await client.list()
      expect(own.map(({ title }) => title).toSorted()).toEqual([1, 2, 3].map((n) => `${name} ${n}`))
      expect(own.every(({ outputs }) => outputs?.audioUrl === undefined)).toBe(true)
    }
    const [{ episode } = { episode: { id: '' } }] = drafts
    for (const attempt of [
      () => bob.get(episode.id),
      () => bob.act('process', episode.id),
      () => bob.act('cancel', episode.id),
      () => bob.act('retry', episode.id),
      () => bob.delete(episode.id),
      () => bob.upload(episode.id, SPEECH, 'audio/flac'),
    ])
      await expect(attempt()).rejects.toMatchObject(refusal(404, 'not_found'))
  })
})

describe('lists', () => {
  test('come in pages, newest first, by status', async () => {
    const erin = await clientOf(cloud, 'erin')
    const created = []
    for (const n of [1, 2, 3, 4, 5]) created.push((await erin.create({ title: `e${n}` })).id)
    const seen: string[] = []
    let token: string | undefined
    do {
      const page = await erin.list(`?pageSize=2&status=draft${token ? `&pageToken=${token}` : ''}`)
      seen.push(...page.episodes.map(({ id }) => id))
      token = page.nextPageToken
    } while (token)
    expect(seen).toEqual(created.toReversed())
    expect((await erin.list('?status=ready')).episodes).toEqual([])
    await expect(erin.list('?pageToken=forged')).rejects.toMatchObject(refusal(400, 'validation_error'))
    await expect(erin.list('?pageSize=1000')).rejects.toMatchObject(refusal(400, 'validation_error'))
  })
})

describe('cancel, retry and delete', () => {
  test('a cancelled episode stays cancelled, whatever its worker still does, and a retry finishes it', async () => {
    await cloud.faults.set('gemini', { mode: 'slow', latencyMs: 1500 })
    const draft = await uploaded(alice, 'cancelled')
    await alice.act('process', draft.id)
    await until(alice, draft.id, ({ steps }) => steps.write.state === 'running')
    expect(await alice.act('cancel', draft.id)).toMatchObject({ status: 'cancelled', generation: 2 })
    expect(await alice.act('cancel', draft.id)).toMatchObject({ status: 'cancelled', generation: 2 })
    await cloud.faults.clear()
    const written = cloud.journal.of('tasks').filter(({ queue }) => queue === 'work-write').length
    await expect
      .poll(() => cloud.journal.of('tasks').filter(({ queue }) => queue === 'work-write').length, { timeout: 10_000 })
      .toBeGreaterThan(written)
    expect(await alice.get(draft.id)).toMatchObject({ status: 'cancelled', steps: { write: { state: 'pending' } } })
    await expect(alice.act('process', draft.id)).rejects.toMatchObject(refusal(409, 'conflict'))

    expect((await alice.act('retry', draft.id)).generation).toBe(3)
    expect(await settled(alice, draft.id)).toMatchObject({ status: 'ready', id: draft.id })
    await expectUnaided(cloud, draft.id, { stepsFenced: 1 })
    // What was done before the cancel was kept: the recording is transcribed once.
    expect(requestsTo(cloud, 'assemblyai', /^\/v2\/transcript$/, draft.id)).toBe(1)
  })

  test('a deleted episode is gone, with all its files', async () => {
    const draft = await uploaded(alice, 'deleted')
    await alice.act('process', draft.id)
    const { outputs } = await settled(alice, draft.id)
    await expectUnaided(cloud, draft.id)
    await alice.delete(draft.id)
    await expect(alice.get(draft.id)).rejects.toMatchObject(refusal(404, 'not_found'))
    await expect(alice.delete(draft.id)).rejects.toMatchObject(refusal(404, 'not_found'))
    expect((await fetch(outputs?.audioUrl ?? '')).status).toBe(404)
  })

  test('what was blocked is done without at once, and not asked for again', async () => {
    await cloud.faults.set('gemini', { mode: 'blocked' })
    const draft = await uploaded(alice, 'declined')
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    await cloud.faults.clear()
    expect(episode).toMatchObject({ status: 'ready', degraded: ['write'], steps: { write: { attempt: 1 } } })
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(1)
    await expectUnaided(cloud, draft.id)
  })

  test('what was blocked ends an episode that may not do without, which its owner can retry', async () => {
    await cloud.faults.set('gemini', { mode: 'blocked' })
    const draft = await uploaded(alice, 'blocked', { fallbacks: [] })
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({
      status: 'error',
      error: { code: 'provider_rejected', retryable: false },
      steps: { write: { state: 'error', attempt: 1 } },
    })
    await cloud.faults.clear()
    await alice.act('retry', draft.id)
    expect((await settled(alice, draft.id)).status).toBe('ready')
    await expectUnaided(cloud, draft.id, { failures: 1 })
  })
})
