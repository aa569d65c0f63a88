import { randomUUID } from 'node:crypto'

import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import { sweepRules } from '../../shared/dependencies/engine-settings.ts'
import { tell } from '../../shared/dependencies/engine.ts'
import { sweep } from '../../shared/engine/sweep/sweep.ts'
import type { SweepOptions } from '../../shared/engine/sweep/sweep.ts'
import type { Episode } from '../../shared/podcast/episode.ts'
import { PIPELINE } from '../../shared/podcast/pipeline.ts'
import { episodeStore } from '../../shared/store/episodes.ts'
import { failureOfFirestore, firestoreAccess } from '../../shared/store/firestore.ts'
import type { FirestoreAccess } from '../../shared/store/firestore.ts'
import { sweepRecords } from '../../shared/store/sweeps.ts'
import { testConfig } from '../shared/test-config.ts'

/** One sweep in a process of its own, on the Firestore that FIRESTORE_EMULATOR_HOST names; tells what it cost. */
export type SweepCost = {
  checked: number
  requeued: number
  failed: number
  enqueued: number
  reads: number
  writes: number
  tookMs: number
  peakHeapBytes: number
}

const config = testConfig()
const breaker = new CircuitBreaker({ name: 'firestore', classify: failureOfFirestore })
const access = firestoreAccess(config, breaker)
const cost = { reads: 0, writes: 0 }
const counting: FirestoreAccess = {
  ...access,
  async call(what, work) {
    const result = await access.call(what, work)
    if (what === 'episodes due') cost.reads += Math.max(1, (result as { size: number }).size)
    else if (what.startsWith('read')) cost.reads++
    else cost.writes++
    return result
  },
}
let enqueued = 0
const nothing = async () => undefined
const options: SweepOptions<Episode> = {
  pipeline: PIPELINE,
  store: episodeStore(counting, sweepRules(config), Date.now),
  queue: { enqueue: async () => void enqueued++, find: async () => ({ kind: 'gone' }) },
  rules: sweepRules(config),
  now: Date.now,
  newId: randomUUID,
  tell,
  findLastResult: nothing,
  remove: nothing,
  tidy: nothing,
  save: (id, record, nowMs) => sweepRecords(counting).save(id, record, nowMs),
}

// The client loads and connects before anything is measured.
await access.call('warm up', (db) => db.doc('episodes/none').get())
globalThis.gc?.()
let peakHeapBytes = 0
const sampler = setInterval(() => (peakHeapBytes = Math.max(peakHeapBytes, process.memoryUsage().heapUsed)), 20)
const startedAtMs = performance.now()
const { checked, requeued, failed } = await sweep(options, { dryRun: false }, new AbortController().signal)
const tookMs = performance.now() - startedAtMs
clearInterval(sampler)
process.send?.({ checked, requeued, failed, enqueued, ...cost, tookMs, peakHeapBytes } satisfies SweepCost, () =>
  process.exit(0),
)
