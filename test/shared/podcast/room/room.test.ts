import { afterAll, beforeAll, expect, test } from 'vitest'

import { startRoomCloud } from './cloud.ts'
import type { RoomCloud } from './cloud.ts'
import { RoomLife } from './lives.ts'

let cloud: RoomCloud
beforeAll(async () => (cloud = await startRoomCloud()))
afterAll(() => cloud.stop())

const SEED = Number(process.env['ROOM_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ACTS = Number(process.env['ROOM_ACTS'] ?? 120)

test(`what is counted is what is there, whatever fails (ROOM_SEED=${SEED} repeats it)`, async () => {
  const { wrong, ends } = await new RoomLife(cloud, SEED).live(ACTS)
  expect(wrong).toEqual([])
  expect(ends['upload']?.['done']).toBeGreaterThan(0)
})
