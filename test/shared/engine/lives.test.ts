import { expect, test } from 'vitest'

import { liveOnce } from './life.ts'
import type { Life } from './life.ts'

const LIVES = Number(process.env['EPISODE_LIVES'] ?? 10_000)
const FIRST_SEED = Number(process.env['EPISODE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`in ${LIVES} seeded lives every episode becomes ready, once, and nobody writes who has lost a step`, () => {
  process.stdout.write(`seeds from ${FIRST_SEED} (EPISODE_SEED=${FIRST_SEED} EPISODE_LIVES=${LIVES} repeats them)\n`)
  const [claims, fenced, crashes, lostWrites, duplicates, cancels, redrives] = [0, 0, 0, 0, 0, 0, 0]
  const [fallbacks, upgrades, handTranscripts] = [0, 0, 0]
  const sums = {
    claims,
    fenced,
    crashes,
    lostWrites,
    duplicates,
    cancels,
    redrives,
    fallbacks,
    upgrades,
    handTranscripts,
  }
  const faulty: string[] = []
  let eventful = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + LIVES && faulty.length < 5; seed++) {
    const life: Life = liveOnce(seed)
    for (const what of Object.keys(sums) as (keyof typeof sums)[]) sums[what] += life[what]
    if (life.crashes > 0 && life.lostWrites > 0 && life.redrives + life.fenced + life.duplicates > 0) eventful++
    if (life.faults.length > 0) faulty.push(`EPISODE_SEED=${seed} EPISODE_LIVES=1: ${life.faults.join('; ')}`)
  }
  process.stdout.write(`${JSON.stringify({ ...sums, eventful })}\n`)
  expect(faulty).toEqual([])
  if (LIVES < 100) return
  // Lives in which nothing goes wrong prove nothing.
  expect(eventful / LIVES).toBeGreaterThan(0.5)
  for (const what of Object.keys(sums) as (keyof typeof sums)[]) expect(sums[what]).toBeGreaterThan(LIVES / 10)
})
