import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { ServiceUnavailable } from '../../../../shared/errors/unavailable.ts'
import { newOperationId } from '../../../../shared/http/operation.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import type { Owner, OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { createEpisode } from '../../../../shared/podcast/owner/create.ts'
import { deleteEpisode } from '../../../../shared/podcast/owner/delete.ts'
import { processEpisode } from '../../../../shared/podcast/owner/process.ts'
import { giveTranscript } from '../../../../shared/podcast/owner/transcript.ts'
import { prepareUpload, uploadAudio } from '../../../../shared/podcast/owner/upload.ts'
import type { SignedUpload } from '../../../../shared/podcast/storage.ts'
import { PLANS } from '../../../../shared/quotas/plans.ts'
import { cachedVoicePrefix } from '../../../../shared/podcast/artefacts.ts'
import { startRoomCloud } from './cloud.ts'
import type { RoomCloud } from './cloud.ts'
import { ownerTools, sweepOnce } from './instance.ts'

const HOUR_MS = 3_600_000
const FLAC = 'audio/flac'

let cloud: RoomCloud
let tools: OwnerTools
let nowMs: number
let owner: Owner
beforeAll(async () => (cloud = await startRoomCloud()))
afterAll(() => cloud.stop())
beforeEach(() => {
  nowMs = Date.now()
  tools = ownerTools(cloud, () => nowMs)
  owner = { userId: randomBytes(4).toString('hex'), limits: PLANS.standard }
})

const first = () => ({ id: newOperationId(), keyed: true, resumed: false })
const draft = (by = owner) => createEpisode(tools, by, first(), { title: 'x', language: 'en', options: {} })
const { signal } = new AbortController()

function upload(episodeId: string, bytes: number, stream = () => Readable.from([Buffer.alloc(bytes)])) {
  return uploadAudio(tools, owner, { episodeId, audio: { stream, contentType: FLAC, bytesMax: bytes } }, signal)
}

const link = (episodeId: string, sizeBytes: number) =>
  prepareUpload(tools, owner, { episodeId, contentType: FLAC, sizeBytes })
const transcript = (episodeId: string, json: string) => giveTranscript(tools, owner, episodeId, { json, timed: false })
const process = (episodeId: string) =>
  processEpisode({ ...tools, languages: { takes: () => true, list: [] } }, owner, episodeId, first())

async function put({ url, method, headers }: SignedUpload, bytes: number): Promise<number> {
  const answer = await fetch(url, { method, headers, body: Buffer.alloc(bytes) })
  await answer.arrayBuffer()
  return answer.status
}

/** Sizes of what lies there of an episode. */
async function sizesOf(id: string): Promise<number[]> {
  const sizes: number[] = []
  for await (const page of cloud.objects.list(`episodes/${id}/`)) sizes.push(...page.map(({ sizeBytes }) => sizeBytes))
  return sizes.toSorted((a, b) => a - b)
}

const countedBytes = async () => (await tools.usage.read(owner.userId)).storageBytes

describe('what a person brings', () => {
  test('counts to the byte, and what it replaces is gone at once', async () => {
    const { id } = await draft()
    for (let round = 1; round <= 6; round++) {
      await upload(id, 1000 * round)
      await transcript(id, 'w'.repeat(10 * round))
      expect(await sizesOf(id)).toEqual([10 * round, 1000 * round])
      expect(await countedBytes()).toBe(1010 * round)
    }
    await deleteEpisode(tools, owner.userId, id, first())
    expect([await sizesOf(id), await countedBytes()]).toEqual([[], 0])
    expect((await tools.usage.read(owner.userId)).drafts).toBe(0)
  })

  test('is refused where there is no room for it, transcripts too, and then nothing is stored', async () => {
    const { id } = await draft()
    owner = { ...owner, limits: { ...PLANS.standard, storageBytes: 150 } }
    await upload(id, 100)
    const refused = { kind: 'quota_exceeded', details: { quota: 'storageBytes', used: 100, limit: 150, asked: 51 } }
    await expect(transcript(id, 'w'.repeat(51))).rejects.toMatchObject(refused)
    await expect(upload(id, 51)).rejects.toMatchObject(refused)
    expect([await sizesOf(id), await countedBytes()]).toEqual([[100], 100])
  })

  test('costs two writes of the episode, and three when something is replaced', async () => {
    const { id } = await draft()
    let commits = 0
    const access: RoomCloud['access'] = {
      ...cloud.access,
      call: (what, work) => cloud.access.call(what, work).finally(() => (commits += what === 'update episode' ? 1 : 0)),
    }
    tools = ownerTools({ ...cloud, access }, () => nowMs)
    await upload(id, 10)
    expect(commits).toBe(2)
    await upload(id, 10)
    expect(commits).toBe(5)
  })

  test('and was given up meanwhile is not taken up any more', async () => {
    const { id } = await draft()
    const slow = new PassThrough()
    const uploading = upload(id, 10, () => slow)
    slow.write(Buffer.alloc(5))
    await expect.poll(countedBytes).toBe(10)
    nowMs += HOUR_MS
    await sweepOnce(tools)
    slow.end()
    await expect(uploading).rejects.toMatchObject({ name: 'UploadEnded' })
    expect([await sizesOf(id), await countedBytes()]).toEqual([[], 0])
    expect((await tools.episodes.read(id))?.audio).toBeUndefined()
  })

  test('to an episode that is deleted meanwhile is not kept', async () => {
    const { id } = await draft()
    const slow = new PassThrough()
    const uploading = upload(id, 10, () => slow)
    slow.write(Buffer.alloc(5))
    await expect.poll(countedBytes).toBe(10)
    await deleteEpisode(tools, owner.userId, id, first())
    slow.end()
    await expect(uploading).rejects.toMatchObject({ kind: 'not_found' })
    expect(await countedBytes()).toBe(0)
    nowMs += HOUR_MS
    await sweepOnce(tools)
    expect([await sizesOf(id), await tools.episodes.read(id)]).toEqual([[], undefined])
  })
})

describe('a link', () => {
  test('ends with the next one: nothing can be brought through it, and it counts no more', async () => {
    const { id } = await draft()
    const [older, newer] = [await link(id, 700), await link(id, 500)]
    expect(await countedBytes()).toBe(500)
    expect(await put(older, 700)).toBe(412)
    expect(await put(newer, 400)).toBe(200)
    expect((await process(id)).audio).toMatchObject({ sizeBytes: 400 })
    expect([await sizesOf(id), await countedBytes()]).toEqual([[0, 400], 400])
  })

  test('ends with what came through it, also when an upload takes its place', async () => {
    const { id } = await draft()
    const [first_, second] = [await link(id, 700), await link(id, 600)]
    await put(second, 600)
    await upload(id, 50)
    expect([await sizesOf(id), await countedBytes()]).toEqual([[0, 0, 50], 50])
    expect([await put(first_, 1), await put(second, 1)]).toEqual([412, 412])
    nowMs += 3 * HOUR_MS
    await sweepOnce(tools)
    expect([await sizesOf(id), await countedBytes()]).toEqual([[50], 50])
    expect((await tools.episodes.read(id))?.strays).toBeUndefined()
  })

  test('that was never used is forgotten when it has expired', async () => {
    const { id } = await draft()
    await link(id, 700)
    nowMs += 3 * HOUR_MS
    await sweepOnce(tools)
    expect((await tools.episodes.read(id))?.audio).toBeUndefined()
    expect(await countedBytes()).toBe(0)
  })

  test('that was used counts as what has come once the sweep has seen it', async () => {
    const { id } = await draft()
    await put(await link(id, 700), 300)
    nowMs += 3 * HOUR_MS
    await sweepOnce(tools)
    expect([await sizesOf(id), await countedBytes()]).toEqual([[300], 300])
  })

  test('of a deleted episode brings nothing, whether it was used or not', async () => {
    for (const isUsed of [false, true]) {
      const { id } = await draft()
      const given = await link(id, 700)
      if (isUsed) await put(given, 700)
      await deleteEpisode(tools, owner.userId, id, first())
      expect([await put(given, 700), await countedBytes()]).toEqual([412, 0])
      await sweepOnce(tools)
      expect(await put(given, 700)).toBe(412)
      nowMs += 3 * HOUR_MS
      await sweepOnce(tools)
      expect([await sizesOf(id), await tools.episodes.readToRemove(id)]).toEqual([[], undefined])
    }
  })

  test('of an episode that providers know stays closed while they are told', async () => {
    const { id } = await draft()
    const given = await link(id, 700)
    await tools.episodes.move(id, (episode) => ({
      next: { ...episode, jobs: [{ step: 'master', provider: 'auphonic', id: '1' }] },
    }))
    await deleteEpisode(tools, owner.userId, id, first())
    await sweepOnce(tools)
    expect([await put(given, 700), await sizesOf(id)]).toEqual([412, [0]])
  })

  test.each([
    ['before its links were ended', 'create', [200, 700]],
    ['before its files were removed', 'removeAll', [412, 700]],
  ] as const)(
    'of an episode whose deletion broke off %s counts until the sweep ends it, and what it brings is removed',
    async (_when, call, before) => {
      const { id } = await draft()
      const given = await link(id, 700)
      const away = new ServiceUnavailable('gcs', 'away')
      const objects = { ...tools.objects, [call]: () => Promise.reject(away) }
      await expect(deleteEpisode({ ...tools, objects }, owner.userId, id, first())).rejects.toBe(away)
      expect([await put(given, 700), await countedBytes()]).toEqual(before)
      await sweepOnce(tools)
      expect([await put(given, 700), await sizesOf(id), await countedBytes()]).toEqual([412, [0], 0])
      nowMs += 3 * HOUR_MS
      await sweepOnce(tools)
      expect([await sizesOf(id), await countedBytes()]).toEqual([[], 0])
    },
  )

  test('gives its room to the next one of the same draft', async () => {
    owner = { ...owner, limits: PLANS.starter }
    const { id } = await draft()
    for (let round = 0; round < 4; round++) await link(id, 6_000_000_000)
    expect(await countedBytes()).toBe(6_000_000_000)
  })

  test('is refused when too many of one draft have not expired', async () => {
    const { id } = await draft()
    const strays = Array.from({ length: 100 }, (_, index) => ({
      key: `k${index}`,
      bytes: 0,
      untilMs: nowMs + 1,
      ended: true,
    }))
    await tools.episodes.move(id, (episode) => ({ next: { ...episode, strays } }))
    await expect(upload(id, 1)).rejects.toMatchObject({
      kind: 'quota_exceeded',
      details: { quota: 'unfinishedUploads', used: 100, limit: 100 },
    })
  })
})

describe('drafts', () => {
  test('are as many as there may be, however many are asked for at once, over three instances', async () => {
    const limits = { ...PLANS.standard, drafts: 8 }
    const instances = Array.from({ length: 3 }, () => ownerTools(cloud, () => nowMs))
    const request = { title: 'x', language: 'en', options: {} }
    const operations = Array.from({ length: 30 }, first)
    const ends = await Promise.allSettled(
      operations.map((operation, index) =>
        createEpisode(instances[index % 3] ?? tools, { ...owner, limits }, operation, request),
      ),
    )
    const created = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.id] : []))
    expect(created).toHaveLength(8)
    for (const end of ends)
      if (end.status === 'rejected')
        expect(end.reason).toMatchObject({ kind: 'quota_exceeded', details: { quota: 'drafts', used: 8, limit: 8 } })
    // A later try of an operation that has had its effect needs no room.
    const [id = ''] = created
    const again = await createEpisode(tools, { ...owner, limits }, { id, keyed: true, resumed: true }, request)
    expect(again.id).toBe(id)
    await upload(id, 10)
    await process(id)
    await deleteEpisode(tools, owner.userId, created[1] ?? '', first())
    expect((await tools.usage.read(owner.userId)).drafts).toBe(6)
  })
})

describe('of the first release', () => {
  test('a draft is not counted as one, and its transcript is from when it is tidied', async () => {
    const { isCounted: _isCounted, ...old } = await draft()
    await deleteEpisode(tools, owner.userId, old.id, first())
    const id = newOperationId()
    const keyOf = (name: string) => `episodes/${id}/by-hand/${name}.json`
    const legacy: Episode = { ...old, id, handTranscript: { key: keyOf('kept'), timed: false } }
    await tools.episodes.create(legacy)
    for (const name of ['kept', 'replaced']) await tools.objects.create(keyOf(name), 'words', 'application/json')
    nowMs += 25 * HOUR_MS
    await sweepOnce(tools)
    expect(await sizesOf(id)).toEqual([5])
    expect(await tools.usage.read(owner.userId)).toMatchObject({ storageBytes: 5, drafts: 0 })
    await upload(id, 10)
    await process(id)
    expect(await tools.usage.read(owner.userId)).toMatchObject({ storageBytes: 15, drafts: 0, activeEpisodes: 1 })
  })
})

test('of the intros kept for a person the newest stay, and those of others are left alone', async () => {
  const { id } = await draft()
  const [mine, others] = [cachedVoicePrefix(owner.userId), cachedVoicePrefix('somebody else')]
  for (let index = 0; index < 53; index++) await tools.objects.create(`${mine}${index}`, 'x', 'audio/mpeg')
  await tools.objects.create(`${others}0`, 'x', 'audio/mpeg')
  const voice = { audioKey: 'a', characters: 1, cacheKey: `${mine}52` }
  await tools.episodes.move(id, (episode) => ({ next: { ...episode, status: 'ready', results: { voice } } }))
  nowMs += 25 * HOUR_MS
  await sweepOnce(tools)
  const left = await Promise.all([0, 1, 2, 3, 52].map((index) => tools.objects.stat(`${mine}${index}`)))
  expect(left.map((one) => one !== undefined)).toEqual([false, false, false, true, true])
  expect(await tools.objects.stat(`${others}0`)).toBeDefined()
})

test('what nothing refers to is removed, however much there is of it', async () => {
  const { id } = await draft()
  await upload(id, 10)
  const keys = Array.from({ length: 50 }, (_, index) => `episodes/${id}/g1/${index}`)
  await Promise.all(keys.map((key) => tools.objects.create(key, 'x', 'text/plain')))
  nowMs += 25 * HOUR_MS
  await sweepOnce(tools)
  expect(await sizesOf(id)).toEqual([10])
})
