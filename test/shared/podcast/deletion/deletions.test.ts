import { expect, test } from 'vitest'

import { Deletion } from '../../../../shared/podcast/deletion/deletion.ts'
import { seededRandom } from '../../seeded-random.ts'
import { DeletionWorld } from './world.ts'

const HOUR_MS = 3_600_000
const EPISODES = 1000

/** Episodes deleted at every moment of their lives, with slow storage, workers that freeze, and deletions that break off. */
test('of a deleted episode nothing is left an hour later, and what arrives after that goes within an hour', async () => {
  const seed = Number(process.env['DELETIONS_SEED'] ?? Math.floor(Math.random() * 1e9))
  const random = seededRandom(seed)
  const world = new DeletionWorld(random)
  const ids = Array.from({ length: EPISODES }, (_, index) => `episode-${String(index).padStart(4, '0')}`)
  const left: string[] = []
  for (const [index, id] of ids.entries()) {
    const beginMs = random() * HOUR_MS
    world.time.after(beginMs, () => world.begin(id, `person-${index % 20}`))
    // The deletion is asked for within two minutes, and takes as long as storage does.
    const check = () => {
      const askedAtMs = world.deletedAtMs.get(id)
      if (askedAtMs === undefined || world.nowMs < askedAtMs + HOUR_MS) return void world.time.after(60_000, check)
      const arrivedSince = (trace: string) => (world.lateSinceMs.get(trace) ?? Infinity) > askedAtMs + 60_000
      left.push(...world.tracesOf(id).filter((trace) => !arrivedSince(trace)))
      if (!world.deletions.records.has(id)) left.push(`${id} has no record`)
    }
    world.time.after(beginMs + HOUR_MS, check)
  }
  await world.run(30 * HOUR_MS)
  process.stdout.write(`DELETIONS_SEED=${seed} repeats it\n`)
  expect(left).toEqual([])
  expect([...world.objects.stored.keys(), ...world.notes.entries.keys()]).toEqual([])
  expect(world.latestStayMs).toBeLessThanOrEqual(HOUR_MS)
  expect(world.late).toBeGreaterThan(50)
  for (const record of world.deletions.records.values()) {
    expect(JSON.stringify(Deletion.parse(record))).not.toMatch(/person|Words/)
    expect(record.lookAgainAtMs).toBeUndefined()
  }
})
