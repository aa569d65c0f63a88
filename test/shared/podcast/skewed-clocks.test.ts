import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { sweepEpisodes } from '../../../shared/dependencies/sweep.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { outstandingTasks } from '../../../shared/engine/transitions/moved.ts'
import { newOperationId } from '../../../shared/http/operation.ts'
import type { OwnerTools } from '../../../shared/podcast/owner/access.ts'
import { createEpisode } from '../../../shared/podcast/owner/create.ts'
import { deleteEpisode } from '../../../shared/podcast/owner/delete.ts'
import { processEpisode } from '../../../shared/podcast/owner/process.ts'
import { prepareUpload, uploadAudio } from '../../../shared/podcast/owner/upload.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { deletionStore } from '../../../shared/store/deletions.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { idempotencyRecords } from '../../../shared/store/idempotency.ts'
import { userKey } from '../../../shared/store/user-key.ts'
import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { testConfig } from '../test-config.ts'
import { LEASE_MS } from '../engine/hands-on.ts'
import { askFor, draft as draftOf } from './episode-fixtures.ts'
import { startRoomCloud } from './room/cloud.ts'
import type { RoomCloud } from './room/cloud.ts'
import { ownerTools, sweepOptions } from './room/instance.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const FLAC = 'audio/flac'
const { signal } = new AbortController()

/** How far the store's clock is from this machine's, and those of three instances from this machine's. */
describe.each([
  [3, [0, -6, 6]],
  [-3, [0, 6, -6]],
])(
  'with a store whose clock is %i h off, and instances whose clocks are %j h off',
  (storeHours, [one = 0, two = 0, three = 0]) => {
    let cloud: RoomCloud
    let passedMs = 0
    const storeMs = () => Date.now() + storeHours * HOUR_MS + passedMs
    beforeAll(async () => (cloud = await startRoomCloud(storeMs)))
    afterAll(() => cloud.stop())

    type Instance = OwnerTools & { readonly access: FirestoreAccess }
    /** A process that has just started. */
    const instance = async (wallHours: number): Promise<Instance> => {
      const { access, objects } = await cloud.open(wallHours * HOUR_MS)
      return { access, ...ownerTools({ access, objects }, access.clock.now) }
    }
    const sweep = (tools: Instance) => {
      const { access, objects, notesCache, now } = tools
      const parts = { deletions: deletionStore(access), objects, notesCache, now, firestore: access }
      return sweepEpisodes({ ...parts, sweepOptions: sweepOptions(tools) }, { dryRun: false }, signal)
    }

    const first = () => ({ id: newOperationId(), keyed: true, resumed: false })
    const owner = { userId: '', limits: PLANS.standard }
    beforeEach(() => (owner.userId = randomBytes(4).toString('hex')))
    const draft = async (tools: Instance) => {
      await tools.access.time()
      return createEpisode(tools, owner, first(), { title: 'x', language: 'en', options: {} })
    }

    async function begun(tools: Instance): Promise<{ id: string; task: StepTask }> {
      const { id } = await draft(tools)
      const audio = { stream: () => Readable.from([Buffer.alloc(100)]), contentType: FLAC, bytesMax: 100 }
      await uploadAudio(tools, owner, { episodeId: id, audio }, signal)
      const languages = { takes: () => true, list: [] }
      const episode = await processEpisode({ ...tools, languages }, owner, id, first())
      const [task] = outstandingTasks(episode, episode.generation)
      if (task === undefined) throw new Error('nothing was begun')
      return { id, task }
    }

    /** Asks for a step as its worker does. */
    const claim = async (tools: Instance, id: string, task: StepTask) => {
      const end = await tools.episodes.move(id, (episode, nowMs) => {
        const asked = askFor(episode, task, nowMs, { token: randomUUID() })
        return { asked, nowMs, ...(asked.kind === 'claimed' && { next: asked.moved.next }) }
      })
      expect(Math.abs((end?.nowMs ?? 0) - storeMs())).toBeLessThan(MINUTE_MS / 2)
      return end?.asked.kind
    }

    test('an episode is dated by the store', async () => {
      const { createdAtMs } = await draft(await instance(two))
      expect(Math.abs(createdAtMs - storeMs())).toBeLessThan(MINUTE_MS)
    })

    test('a step at work is nobody else’s until its lease has ended there', async () => {
      const worker = await instance(one)
      const { id, task } = await begun(worker)
      expect(await claim(worker, id, task)).toBe('claimed')
      for (const hours of [two, three]) expect(await claim(await instance(hours), id, task)).toBe('busy')
      passedMs += LEASE_MS + 1_000
      expect(await claim(await instance(two), id, task)).toBe('claimed')
      expect(await claim(await instance(three), id, task)).toBe('busy')
    })

    test('a sweep takes nothing at work for dead, and finds what is', async () => {
      const worker = await instance(one)
      const { id, task } = await begun(worker)
      expect(await claim(worker, id, task)).toBe('claimed')
      const found = async (hours: number) =>
        (await sweep(await instance(hours))).episodes.some(
          ({ episodeId, action }) => episodeId === id && action === 'requeue',
        )
      for (const hours of [two, three]) expect(await found(hours)).toBe(false)
      passedMs += LEASE_MS + sweepRules(testConfig()).stalledStepMs + 1_000
      expect(await found(two)).toBe(true)
      expect(await found(three)).toBe(false)
    })

    test('a link is good for half an hour there, and no longer', async () => {
      for (const hours of [one, two, three]) {
        const tools = await instance(hours)
        const episodes = [await draft(tools), await draft(tools)]
        const links = await Promise.all(
          episodes.map(({ id }) => prepareUpload(tools, owner, { episodeId: id, contentType: FLAC, sizeBytes: 10 })),
        )
        const [used, late] = links.map(({ url, headers, expiresAt }) => {
          const leftMs = Date.parse(expiresAt) - storeMs()
          expect(leftMs).toBeGreaterThan(29 * MINUTE_MS)
          expect(leftMs).toBeLessThanOrEqual(30 * MINUTE_MS)
          return async () => (await fetch(url, { method: 'PUT', headers, body: Buffer.alloc(10) })).status
        })
        expect(await used?.()).toBe(200)
        passedMs += 31 * MINUTE_MS
        expect(await late?.()).toBe(400)
      }
    })

    test('a reservation of the first release counts until it ends there', async () => {
      const pending = { up: { bytes: 50, untilMs: storeMs() + MINUTE_MS } }
      await cloud.access.call('put', (db) => db.doc(`usage/${userKey(owner.userId)}`).set({ pending }))
      const room = { storageBytes: 60 }
      const bring = async (hours: number) => {
        const id = randomBytes(12).toString('hex')
        const audio = { key: id, contentType: FLAC, sizeBytes: 20 }
        return (await instance(hours)).episodes.create({ ...draftOf({}), id, userId: owner.userId, audio }, room)
      }
      for (const hours of [one, two, three])
        await expect(bring(hours)).rejects.toMatchObject({ kind: 'quota_exceeded' })
      passedMs += MINUTE_MS + 1_000
      for (const hours of [one, two, three]) expect(await bring(hours)).toBe(true)
      await expect(bring(two)).rejects.toMatchObject({ kind: 'quota_exceeded' })
    })

    test('words that are being written are waited for until their claim ends there', async () => {
      const key = randomUUID()
      const reserve = async (hours: number) =>
        (await instance(hours)).notesCache.reserve(key, `episode of ${hours}`, MINUTE_MS)
      expect(await reserve(one)).toEqual({ kind: 'ours' })
      for (const hours of [two, three]) expect(await reserve(hours)).toMatchObject({ kind: 'theirs' })
      passedMs += MINUTE_MS + 1_000
      expect(await reserve(two)).toEqual({ kind: 'ours' })
    })

    test('a try with a key runs until its lease ends there', async () => {
      const key = randomUUID()
      const begin = async (hours: number) => {
        const { access } = await instance(hours)
        const newTry = { fingerprint: 'f', holder: randomUUID(), newOperationId: newOperationId(), leaseMs: 10_000 }
        return idempotencyRecords(access, access.clock.now).begin(key, newTry)
      }
      expect(await begin(one)).toMatchObject({ kind: 'run', resumed: false })
      for (const hours of [two, three]) expect(await begin(hours)).toMatchObject({ kind: 'inFlight' })
      passedMs += 11_000
      expect(await begin(two)).toMatchObject({ kind: 'run', resumed: true })
    })

    test('a deleted episode waits there for what was handed out, and is gone within the hour', async () => {
      const tools = await instance(two)
      const { id } = await draft(tools)
      await prepareUpload(tools, owner, { episodeId: id, contentType: FLAC, sizeBytes: 10 })
      await deleteEpisode(tools, owner.userId, id, first())
      const isThere = async () => (await tools.episodes.readToRemove(id)) !== undefined
      for (const hours of [one, two, three]) {
        await sweep(await instance(hours))
        expect(await isThere()).toBe(true)
      }
      passedMs += 46 * MINUTE_MS
      await sweep(await instance(three))
      expect(await isThere()).toBe(false)
    })

    test('a machine whose clock is wrong says so once', async () => {
      const told: number[] = []
      const { access } = await cloud.open(two * HOUR_MS, (aheadMs) => told.push(aheadMs))
      for (let calls = 0; calls < 3; calls++) await access.call('look', (db) => db.doc('clock/now').get())
      expect(told.map((aheadMs) => Math.round(aheadMs / HOUR_MS))).toEqual([
        Math.round(two - storeHours - passedMs / HOUR_MS),
      ])
    })
  },
)
