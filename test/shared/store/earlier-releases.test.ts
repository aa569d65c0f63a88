import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { DocumentData } from '@google-cloud/firestore'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { firestoreBreakerStore } from '../../../shared/breaker/firestore-store.ts'
import { parseRecord } from '../../../shared/breaker/record.ts'
import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import { cancel, remove } from '../../../shared/engine/transitions/owner.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import { historyOf, viewOf } from '../../../shared/podcast/view.ts'
import { perMinute } from '../../../shared/quotas/gcra.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { QuotaExceeded } from '../../../shared/quotas/refusals.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import { idempotencyRecords } from '../../../shared/store/idempotency.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { sharedRates } from '../../../shared/store/rates.ts'
import { sweepRecords } from '../../../shared/store/sweeps.ts'
import { usageStore } from '../../../shared/store/usage.ts'
import { claimEvent } from '../podcast/episode-fixtures.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'

/*
 * What each release has stored, one document of every kind and of every state that outlives a deployment, exactly as it
 * was written. They are never changed: a release that stores something else adds a folder of its own.
 */

const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url))
const DOCUMENTS = fileURLToPath(new URL('../../fixtures/documents/', import.meta.url))
const RELEASES = readdirSync(DOCUMENTS).toSorted()
/** When the samples were written, by the clock of whoever reads them. */
const NOW_MS = Date.parse('2026-11-28T00:05:55Z')

type Sample = { readonly collection: string; readonly id: string; readonly fields: DocumentData }
/** How a timestamp stands in the JSON of a sample. */
type StoredTime = { time: string }

function samplesOf(release: string): (readonly [name: string, sample: Sample])[] {
  return readdirSync(`${DOCUMENTS}${release}`).map((file) => {
    const sample = JSON.parse(readFileSync(`${DOCUMENTS}${release}/${file}`, 'utf8'), (_key, value: unknown) =>
      isTime(value) ? new Date(value.time) : value,
    ) as Sample
    return [file.replace('.json', ''), sample]
  })
}

function isTime(value: unknown): value is StoredTime {
  return typeof value === 'object' && value !== null && 'time' in value
}

/** Every name that a source file of the product gives to a collection. */
function collections(): Set<string> {
  const sources = readdirSync(SHARED, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  return new Set(
    sources.flatMap((file) => {
      const source = readFileSync(`${SHARED}${file}`, 'utf8')
      return [...source.matchAll(/const (?:COLLECTION|EPISODES) = '([^']+)'/g)].map(([, name]) => name ?? '')
    }),
  )
}

describe.each(RELEASES)('what release %s stored', (release) => {
  let fixture: Awaited<ReturnType<typeof startStore>>
  const samples = samplesOf(release)
  const access = () => fixture.access
  const episodes = () => episodeStore(access(), sweepRules(testConfig()), () => NOW_MS)
  const stored = async ({ collection, id }: Sample) =>
    (await access().call('look', (db) => db.collection(collection).doc(id).get())).data()
  const sampleOf = (name: string): Sample => {
    const found = samples.find(([one]) => one === name)
    if (found === undefined) throw new Error(`no sample ${name}`)
    return found[1]
  }

  beforeAll(async () => {
    fixture = await startStore()
    for (const [, { collection, id, fields }] of samples)
      await access().call('put', (db) =>
        db
          .collection(collection)
          .doc(id)
          .set({ ...fields, ofAnother: 'release' }),
      )
  })
  afterAll(() => fixture.stop())

  test('has a sample of every collection', () => {
    const kept = new Set(samples.map(([, { collection }]) => collection))
    expect(kept).toEqual(collections())
  })

  const kept = samples.filter(([, { collection }]) => collection === 'episodes')
  test.each(kept)('%s is shown, page by page and alone', async (_name, { id, fields }) => {
    const episode = await episodes().read(id)
    if (episode === undefined) throw new Error('it is not there')
    expect(viewOf(episode, undefined)).toMatchObject({
      id,
      title: fields['title'] as string,
      status: fields['status'] as string,
      generation: fields['generation'] as number,
    })
    expect(historyOf(episode)).toHaveLength((fields['history'] as unknown[]).length)
    const page = await episodes().page({ userId: 'alice', pageSize: 50 })
    expect(page.episodes.map((one) => one.id)).toContain(id)
  })

  test.each(kept)('%s is read by a release that has a step more', async (_name, { id, fields }) => {
    const { voice: _voice, ...steps } = fields['steps'] as Record<string, unknown>
    const { voice: _result, ...results } = fields['results'] as Record<string, unknown>
    const upgrade = { step: 'write', generation: 9, startedAtMs: 1, steps, results }
    const before = { ...fields, id: `${id}-before`, steps, results, ...(fields['status'] === 'ready' && { upgrade }) }
    await access().call('put', (db) => db.collection('episodes').doc(before.id).set(before))
    const episode = await episodes().read(before.id)
    expect(episode?.steps.voice.state).toBe(fields['status'] === 'draft' ? 'pending' : 'skipped')
    const moved = await episodes().move(before.id, (one) => remove(PIPELINE, one, {}, NOW_MS))
    expect(moved?.next.deletedAtMs).toBe(NOW_MS)
  })

  test('an episode at work is claimed by whoever comes after its lease, and goes on with its job', async () => {
    const { id, fields } = sampleOf('episodes-processing')
    const { master } = fields['steps'] as Record<string, { job: { key: string } }>
    const late = NOW_MS + 60_000
    const moved = await episodes().move(id, (episode) => {
      const task = { step: 'master', generation: 1, dispatch: 1 }
      const claimed = claim(PIPELINE, episode, claimEvent(task, 'ours'), late)
      return claimed.kind === 'claimed' ? { claimed, next: claimed.moved.next } : { claimed }
    })
    expect(moved?.claimed.kind).toBe('claimed')
    expect(moved?.next?.steps.master).toMatchObject({ state: 'running', job: { key: master?.job.key } })
  })

  test('an episode is cancelled and deleted, and what only its own release knows of stays', async () => {
    const sample = sampleOf('episodes-processing')
    await episodes().move(sample.id, (episode) => cancel(PIPELINE, episode, {}, NOW_MS))
    await episodes().move(sample.id, (episode) => remove(PIPELINE, episode, {}, NOW_MS))
    expect(await stored(sample)).toMatchObject({ status: 'cancelled', deletedAtMs: NOW_MS, ofAnother: 'release' })
  })

  test('what a person uses is counted on', async () => {
    const sample = sampleOf('usage')
    const usage = usageStore(access(), () => NOW_MS)
    const read = await usage.read('alice')
    expect(read.months).toEqual(sample.fields['months'])
    expect(read.pending).toEqual(sample.fields['pending'])
    const limits = { ...PLANS.starter, storageBytes: read.storageBytes + 3_000 }
    await usage.reserve('alice', { id: 'ours', bytes: 2_000, lastsMs: 60_000 }, limits)
    const more = usage.reserve('alice', { id: 'more', bytes: 1, lastsMs: 60_000 }, limits)
    await expect(more).rejects.toBeInstanceOf(QuotaExceeded)
    expect(await stored(sample)).toMatchObject({ storageBytes: read.storageBytes, ofAnother: 'release' })
  })

  test('an answer is replayed, and a request that still runs is not run beside it', async () => {
    const records = idempotencyRecords(access(), () => NOW_MS)
    const again = { fingerprint: 'f1', holder: 'ours', newOperationId: 'op-2', nowMs: NOW_MS, leaseMs: 1_000 }
    const { answer } = sampleOf('idempotency-done').fields as { answer: { status: number; body: string } }
    expect(await records.begin('idempotency-done', again)).toEqual({ kind: 'replay', answer })
    expect(await records.begin('idempotency-running', again)).toMatchObject({ kind: 'inFlight' })
  })

  test('the rate of a person goes on from where it stood', async () => {
    const { fields } = sampleOf('rates')
    const traded = await sharedRates(access(), 100_000).trade('alice', perMinute(60), 0, 1)
    expect(traded.taken).toBe(1)
    expect(traded.arrivalMs).toBeGreaterThan(fields['arrivalMs'] as number)
  })

  test('notes that are paid for are found', async () => {
    const { id, fields } = sampleOf('notes-cache')
    expect(await notesCache(access(), () => NOW_MS).reserve(id, 'ours', 1_000)).toEqual({
      kind: 'found',
      notes: fields['notes'] as object,
    })
  })

  test('a breaker that is open is open', async () => {
    const { id, fields } = sampleOf('breakers-elevenlabs')
    const read = await firestoreBreakerStore(access().call).read(id)
    expect(parseRecord(read.stored?.data)).toMatchObject({
      kind: 'record',
      record: { state: 'open', retryAtMs: fields['retryAtMs'] as number },
    })
  })

  test('the latest sweep is known', async () => {
    const { endedAtMs, checked } = sampleOf('sweeps-latest').fields as { endedAtMs: number; checked: number }
    expect(await sweepRecords(access()).latest()).toMatchObject({ endedAtMs, checked })
  })
})

describe('what this release stores', () => {
  const newest = new Map(RELEASES.flatMap(samplesOf).map(([name, sample]) => [name, sample]))

  test('has no field that the newest sample lacks', async () => {
    const fixture = await startStore()
    const { access } = fixture
    try {
      const fields = async (collection: string, id?: string) => {
        const found = await access.call('look', (db) => db.collection(collection).get())
        return Object.keys(found.docs.find((one) => id === undefined || one.id === id)?.data() ?? {})
      }
      await usageStore(access, () => NOW_MS).reserve('alice', { id: 'ours', bytes: 1, lastsMs: 1 }, PLANS.starter)
      await sharedRates(access, 100_000).trade('alice', perMinute(60), 0, 1)
      await notesCache(access, () => NOW_MS).keep('key', 'e', { title: 'T', description: 'D', chapters: [], tags: [] })
      const records = idempotencyRecords(access, () => NOW_MS)
      const newTry = { fingerprint: 'f', holder: 'h', newOperationId: 'o', nowMs: NOW_MS, leaseMs: 1_000 }
      const held = await records.begin('done', newTry)
      if (held.kind !== 'run') throw new Error(`expected a run, got ${held.kind}`)
      await records.settle('done', held, { status: 200, body: '{}' })
      for (const [collection, sample] of [
        ['usage', 'usage'],
        ['rates', 'rates'],
        ['notes-cache', 'notes-cache'],
        ['idempotency', 'idempotency-done'],
      ] as const) {
        const written = await fields(collection)
        expect(written.length).toBeGreaterThan(0)
        expect(Object.keys(newest.get(sample)?.fields ?? {})).toEqual(expect.arrayContaining(written))
      }
    } finally {
      fixture.stop()
    }
  })
})
