import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import { firestoreService } from '../../../infra/local/firestore/service.ts'
import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess } from './edge-process.ts'
import { fuzz } from './fuzz.ts'
import { howMany } from '../how-many.ts'

/** `FUZZ_REQUESTS=100000 npx vitest run --config test/vitest.config.ts fuzz` is the long run; FUZZ_SEED repeats one. */
const COUNT = howMany('FUZZ_REQUESTS', { quick: 2_000, long: 10_000 })
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

let edge: EdgeProcess
const firestore = firestoreService(new Faults())
beforeAll(async () => {
  await firestore.start()
  edge = await startEdgeProcess({
    environment: { REQUEST_LOG: 'problems', FIRESTORE_EMULATOR_HOST: firestore.address },
  })
}, 120_000)
afterAll(async () => {
  await edge.stop()
  firestore.stop()
})

describe('bytes of every kind', () => {
  test(
    `get the envelope or no answer at all, and end nothing (seed ${SEED})`,
    { timeout: 600_000 + COUNT * 20 },
    async () => {
      const { findings, answers, statuses } = await fuzz(edge.port, COUNT, SEED)
      process.stdout.write(
        `fuzz: ${COUNT} conversations, ${answers} answers, seed ${SEED}: ${JSON.stringify([...statuses].toSorted(([a], [b]) => a - b))}\n`,
      )
      expect(findings).toEqual([])
      expect(edge.child.exitCode).toBeNull()
      expect(edge.lines.filter((line) => /edge_failed|unhandled|uncaught|unguarded/.test(line))).toEqual([])
      expect(answers).toBeGreaterThan(COUNT / 2)
      expect((await fetch(edge.origin, { headers: { 'x-row': 'noop' } })).status).toBe(200)
    },
  )
})
