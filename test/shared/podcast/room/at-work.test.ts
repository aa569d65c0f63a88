import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { newOperationId } from '../../../../shared/http/operation.ts'
import type { Owner, OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { cancelEpisode } from '../../../../shared/podcast/owner/cancel.ts'
import { createEpisode } from '../../../../shared/podcast/owner/create.ts'
import { processEpisode } from '../../../../shared/podcast/owner/process.ts'
import { retryEpisode } from '../../../../shared/podcast/owner/retry.ts'
import { giveTranscript } from '../../../../shared/podcast/owner/transcript.ts'
import { uploadAudio } from '../../../../shared/podcast/owner/upload.ts'
import { PLANS } from '../../../../shared/quotas/plans.ts'
import { usageView } from '../../../../shared/quotas/view.ts'
import { userKey } from '../../../../shared/store/user-key.ts'
import { seededRandom } from '../../seeded-random.ts'
import { startRoomCloud } from './cloud.ts'
import type { RoomCloud } from './cloud.ts'
import { ownerTools } from './instance.ts'

/* How many episodes of a person are at work: never more than may be, and what usage-get says is true at once. */

const SEED = Number(process.env['ROOM_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const BYTES = 100

let cloud: RoomCloud
beforeAll(async () => (cloud = await startRoomCloud()))
afterAll(() => cloud.stop())

const unkeyed = () => ({ id: newOperationId(), keyed: false, resumed: false })
const someone = (more: Partial<Owner['limits']> = {}): Owner => ({
  userId: randomBytes(4).toString('hex'),
  limits: { ...PLANS.standard, ...more },
})
const begin = (tools: OwnerTools, owner: Owner, id: string) =>
  processEpisode({ ...tools, languages: { takes: () => true, list: [] } }, owner, id, unkeyed())
const retry = (tools: OwnerTools, owner: Owner, episodeId: string) =>
  retryEpisode(tools, owner, { episodeId }, unkeyed())

/** A draft with its recording. */
async function uploaded(owner: Owner): Promise<string> {
  const tools = ownerTools(cloud, Date.now)
  const { id } = await createEpisode(tools, owner, unkeyed(), { title: 'x', language: 'en', options: {} })
  const stream = () => Readable.from([Buffer.alloc(BYTES)])
  const audio = { stream, contentType: 'audio/flac', bytesMax: BYTES }
  await uploadAudio(tools, owner, { episodeId: id, audio }, new AbortController().signal)
  return id
}

/** Instances of which each operation of the store takes its own random time. */
function instances(count: number, random: () => number): OwnerTools[] {
  const access: RoomCloud['access'] = {
    ...cloud.access,
    async call(what, work) {
      await new Promise((resolve) => void setTimeout(resolve, random() * 8))
      return cloud.access.call(what, work)
    },
  }
  return Array.from({ length: count }, () => ownerTools({ ...cloud, access }, Date.now))
}

/** What usage-get answers now, of what is at work. */
async function shown(tools: OwnerTools, { userId, limits }: Owner): Promise<[number, number]> {
  const { usage } = usageView(await tools.usage.read(userId), limits, Date.now())
  return [usage.activeEpisodes, usage.episodesThisMonth]
}

describe(`ten requests at once (ROOM_SEED=${SEED} repeats them)`, () => {
  test('to process one episode make it one at work, and leave nothing behind', async () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 12; round++) {
      const owner = someone()
      const [first, ...others] = instances(1 + Math.floor(random() * 4), random)
      if (first === undefined) throw new Error('no instance')
      const id = await uploaded(owner)
      const at = () => [first, ...others][Math.floor(random() * (others.length + 1))] ?? first
      const answers = await Promise.all(Array.from({ length: 10 }, () => begin(at(), owner, id)))
      expect(answers.map(({ status, generation }) => `${status} ${generation}`)).toEqual(
        Array.from({ length: 10 }, () => 'processing 1'),
      )
      expect({ round, shown: await shown(first, owner) }).toEqual({ round, shown: [1, 1] })
      await cancelEpisode(first, owner.userId, id, unkeyed())
      expect({ round, shown: await shown(first, owner) }).toEqual({ round, shown: [0, 0] })
    }
  })

  test('are all told that it is processed, also where it takes the last place there is', async () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 12; round++) {
      const owner = someone({ activeEpisodes: 1 })
      const crowd = instances(3, random)
      const [first] = crowd
      if (first === undefined) throw new Error('no instance')
      const id = await uploaded(owner)
      const ends = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => begin(crowd[i % 3] ?? first, owner, id)),
      )
      expect(ends.map((end) => (end.status === 'fulfilled' ? end.value.status : end.reason))).toEqual(
        Array.from({ length: 10 }, () => 'processing'),
      )
      expect(await shown(first, owner)).toEqual([1, 1])
    }
  })

  test('to retry one leave nothing behind, whichever of them it was', async () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 6; round++) {
      const owner = someone()
      const crowd = instances(3, random)
      const [first] = crowd
      if (first === undefined) throw new Error('no instance')
      const id = await uploaded(owner)
      await begin(first, owner, id)
      await cancelEpisode(first, owner.userId, id, unkeyed())
      const ends = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => retry(crowd[i % 3] ?? first, owner, id)),
      )
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ name: 'WrongStatus' })
      expect(await shown(first, owner)).toEqual([1, 1])
    }
  })
})

describe('a limit', () => {
  test('lets exactly as many begin as there is room for, of sixty at once over three instances', async () => {
    const owner = someone({ activeEpisodes: 7 })
    const crowd = instances(3, seededRandom(SEED))
    const [first] = crowd
    if (first === undefined) throw new Error('no instance')
    const ids: string[] = []
    for (let at = 0; at < 60; at++) ids.push(await uploaded(owner))
    const ends = await Promise.allSettled(ids.map((id, i) => begin(crowd[i % 3] ?? first, owner, id)))
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(7)
    for (const end of ends)
      if (end.status === 'rejected')
        expect(end.reason).toMatchObject({
          kind: 'quota_exceeded',
          details: { quota: 'activeEpisodes', used: 7, limit: 7, asked: 1 },
        })
    expect(await shown(first, owner)).toEqual([7, 7])
  })

  test('of minutes counts those of the recording', async () => {
    const tools = ownerTools(cloud, Date.now)
    // A recording of a hundred bytes counts as a second.
    const owner = someone({ minutesThisMonth: 1.5 / 60 })
    const [one, other] = [await uploaded(owner), await uploaded(owner)]
    await begin(tools, owner, one)
    await expect(begin(tools, owner, other)).rejects.toMatchObject({ details: { quota: 'minutesThisMonth' } })
  })

  test('holds for what a transcript takes up again, too', async () => {
    const tools = ownerTools(cloud, Date.now)
    const owner = someone({ activeEpisodes: 1 })
    const [failed, other] = [await uploaded(owner), await uploaded(owner)]
    await begin(tools, owner, failed)
    await tools.episodes.move(failed, (episode) => ({ next: { ...episode, status: 'error' } }))
    await begin(tools, owner, other)
    const bringing = giveTranscript(tools, owner, failed, { json: 'words', timed: false })
    await expect(bringing).rejects.toMatchObject({ details: { quota: 'activeEpisodes', used: 1, limit: 1 } })
    const { storageBytes } = await tools.usage.read(owner.userId)
    expect([storageBytes, await shown(tools, owner)]).toEqual([2 * BYTES, [1, 1]])
  })
})

test('fifty episodes that one person starts at once, over five instances, are all begun', async () => {
  const owner = someone()
  const crowd = instances(5, seededRandom(SEED))
  const [first] = crowd
  if (first === undefined) throw new Error('no instance')
  const ids: string[] = []
  for (let at = 0; at < 50; at++) ids.push(await uploaded(owner))
  const begun = await Promise.all(ids.map((id, i) => begin(crowd[i % 5] ?? first, owner, id)))
  expect(new Set(begun.map(({ status }) => status))).toEqual(new Set(['processing']))
  expect(await shown(first, owner)).toEqual([50, 50])
})

test('what an earlier release has reserved counts until it ends, and is gone with the next change', async () => {
  const tools = ownerTools(cloud, Date.now)
  const owner = someone({ activeEpisodes: 2 })
  const [one, other] = [await uploaded(owner), await uploaded(owner)]
  const put = (pending: object) =>
    cloud.access.call('put', (db) => db.doc(`usage/${userKey(owner.userId)}`).set({ pending }, { merge: true }))
  const nowMs = Date.now()
  await put({ 'begin-x': { episodes: 1, untilMs: nowMs + 60_000 }, over: { episodes: 1, untilMs: nowMs - 1 } })
  await begin(tools, owner, one)
  await expect(begin(tools, owner, other)).rejects.toMatchObject({ details: { used: 2, limit: 2 } })
  expect(Object.keys((await tools.usage.read(owner.userId)).pending)).toEqual(['begin-x'])
  await put({ 'begin-x': { untilMs: nowMs - 1 } })
  expect((await begin(tools, owner, other)).status).toBe('processing')
})
