import { constants, PerformanceObserver } from 'node:perf_hooks'

import { expect, test } from 'vitest'

import { COLLECT_EVERY_BYTES, countPassing } from '../../../../shared/http/forced-collection/forced-collection.ts'

const CHUNK_BYTES = 64 * 1024
/** A bound, not an expectation. */
const SOON = { timeout: 60_000, interval: 10 }
type Collection = { kind: number; flags: number }

/** Allocates chunks as a socket does, and forgets them. */
function makeGarbage(bytes: number): void {
  for (let made = 0; made < bytes; made += CHUNK_BYTES) Buffer.allocUnsafeSlow(CHUNK_BYTES)
}

test('Node lets a running process collect its young objects, which frees their buffers', async () => {
  // What other tests have counted is out of the way.
  countPassing(COLLECT_EVERY_BYTES)
  const collections: Collection[] = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collections.push((entry as { detail?: Collection }).detail as Collection)
  })
  observer.observe({ entryTypes: ['gc'] })

  makeGarbage(COLLECT_EVERY_BYTES / 2)
  const garbageBytes = process.memoryUsage().arrayBuffers
  countPassing(COLLECT_EVERY_BYTES - 1)
  expect(process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(garbageBytes)
  countPassing(1)
  // V8 gives the memory back on a thread of its own.
  const heldBytes = () => process.memoryUsage().arrayBuffers
  await expect.poll(heldBytes, SOON).toBeLessThanOrEqual(garbageBytes - COLLECT_EVERY_BYTES / 4)

  // The observer hears of it in a later turn.
  const forced = () => collections.filter(({ flags }) => (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0)
  await expect.poll(forced, SOON).not.toEqual([])
  observer.disconnect()
  expect(new Set(forced().map(({ kind }) => kind))).toEqual(new Set([constants.NODE_PERFORMANCE_GC_MINOR]))
})
