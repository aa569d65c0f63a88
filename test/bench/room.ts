import { startRoomCloud } from '../shared/podcast/room/cloud.ts'
import { RoomLife } from '../shared/podcast/room/lives.ts'
import { figure, title } from './report.ts'

const ACTS = 1_000
const SEEDS = [1, 2, 3]

/** What people bring, counted and stored, while everything fails that can. */
export async function benchRoom(): Promise<void> {
  title(
    `room: ${ACTS} uploads, links, transcripts, deletions and failures per seed; bytes in the bucket and in usage-get`,
  )
  const cloud = await startRoomCloud()
  try {
    for (const seed of SEEDS) {
      const startedAtMs = performance.now()
      const { wrong, ends, storedBytesMost } = await new RoomLife(cloud, seed).live(ACTS)
      const sums = new Map<string, number>()
      for (const [how, count] of Object.values(ends).flatMap((one) => Object.entries(one)))
        sums.set(how, (sums.get(how) ?? 0) + count)
      figure(`seed ${seed}: how the acts ended`, JSON.stringify(Object.fromEntries(sums)))
      figure('the most that a person had', `${storedBytesMost} B`)
      figure('took', `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`)
      for (const what of wrong.slice(0, 5)) figure('wrong', what)
      figure('bytes, drafts or files that were not as counted', String(wrong.length), {
        text: '0',
        met: wrong.length === 0,
      })
    }
  } finally {
    await cloud.stop()
  }
}
