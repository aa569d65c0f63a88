import { expect, test } from 'vitest'

import { liveThrough } from './schedule.ts'
import type { Life } from './schedule.ts'
import { howMany } from '../how-many.ts'

const LIVES = howMany('BREAKER_LIVES', { quick: 3_000, long: 10_000 })
const FIRST_SEED = Number(process.env['BREAKER_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`in ${LIVES} seeded lives of a fleet nothing stale is applied, nothing opens without cause and all closes again`, async () => {
  process.stdout.write(`seeds from ${FIRST_SEED} (BREAKER_SEED=${FIRST_SEED} BREAKER_LIVES=${LIVES} repeats them)\n`)
  const sums: Omit<Life, 'faults'> & { lively: number } = {
    opened: 0,
    halfOpened: 0,
    closed: 0,
    lateResults: 0,
    crashes: 0,
    storeFailures: 0,
    lostWrites: 0,
    lively: 0,
  }
  const faulty: string[] = []
  for (let seed = FIRST_SEED; seed < FIRST_SEED + LIVES && faulty.length < 5; seed++) {
    const { faults, ...life } = await liveThrough(seed)
    if (faults.length > 0) faulty.push(`BREAKER_SEED=${seed} BREAKER_LIVES=1: ${faults.join('; ')}`)
    for (const [name, value] of Object.entries(life)) sums[name as keyof typeof life] += value
    if (life.opened > 0 && life.halfOpened > 0 && life.closed > 0) sums.lively++
  }
  process.stdout.write(`${JSON.stringify(sums)}\n`)
  expect(faulty).toEqual([])
  // Lives in which nothing happens would prove nothing.
  if (LIVES >= 100) {
    expect(sums.lively / LIVES).toBeGreaterThan(0.6)
    for (const what of ['lateResults', 'crashes', 'storeFailures', 'lostWrites'] as const)
      expect(sums[what]).toBeGreaterThan(LIVES / 10)
  }
})
