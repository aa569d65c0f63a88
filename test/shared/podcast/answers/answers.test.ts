import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { PROVIDER_NAMES } from '../../../../shared/providers/providers.ts'
import { AnsweredEpisodes } from './answered-episodes.ts'
import { howMany } from '../../how-many.ts'

const LIVES = howMany('ANSWER_LIVES', { quick: 20, long: 100 })
const SEED = Number(process.env['ANSWER_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

let episodes: AnsweredEpisodes
beforeAll(async () => void (episodes = await AnsweredEpisodes.open()))
afterAll(() => episodes.close())

describe(`seeded wrong answers (ANSWER_SEED=${SEED} repeats them)`, () => {
  test.each(PROVIDER_NAMES)(
    'of %s make no document unreadable, open no breaker, cost at most one repeat, and leave an episode that can be deleted',
    async (name) => {
      const broken: string[] = []
      const ends = new Map<string, number>()
      for (let seed = SEED; seed < SEED + LIVES; seed++) {
        const life = await episodes.live(name, seed)
        broken.push(...life.broken.map((what) => `ANSWER_SEED=${seed} ANSWER_LIVES=1: ${what}`))
        const end = `${life.status}, ${life.degraded} degraded`
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
      process.stdout.write(
        `${name}: ${episodes.answersOf(name)} wrong answers; ${JSON.stringify(Object.fromEntries(ends))}\n`,
      )
      expect(broken).toEqual([])
      expect(episodes.answersOf(name)).toBeGreaterThan(LIVES / 10)
    },
  )
})

/** Lives that once showed a fault, each with what it was. */
test('life 1,000,001,209 opens no breaker: an error without a status said that fields are wrong, and named none', async () => {
  expect((await episodes.live('auphonic', 1_000_001_209)).broken).toEqual([])
})
