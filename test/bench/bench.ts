import { benchColdStart } from './cold-start.ts'
import { benchBreaker } from './breaker.ts'
import { benchChaos } from './chaos.ts'
import { benchHealth } from './health.ts'
import { benchTexts } from './texts.ts'
import { benchLives } from './lives.ts'
import { benchMastering } from './mastering.ts'
import { missed } from './report.ts'
import { benchRoom } from './room.ts'
import { benchResponseTime } from './response-time.ts'
import { benchSweep } from './sweep.ts'
import { benchThroughput } from './throughput.ts'
import { benchUploads } from './uploads.ts'

const BENCHES: Record<string, () => Promise<void>> = {
  uploads: benchUploads,
  throughput: benchThroughput,
  'response-time': benchResponseTime,
  'cold-start': benchColdStart,
  breaker: benchBreaker,
  sweep: benchSweep,
  lives: benchLives,
  chaos: benchChaos,
  mastering: benchMastering,
  health: benchHealth,
  texts: benchTexts,
  room: benchRoom,
}

/** `npm run bench [-- name…]` (`breaker --soak`, `lives --soak`: a million seeded lives of a fleet, of an episode): each figure beside its baseline from the same run, and beside what it should be. */
const wanted = process.argv.slice(2).filter((argument) => argument !== '--soak')
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0)
  throw new Error(`no bench called ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`)
for (const [name, bench] of Object.entries(BENCHES)) if (wanted.length === 0 || wanted.includes(name)) await bench()
process.stdout.write(missed().length === 0 ? '\nevery target met\n' : `\nmissed: ${missed().join('; ')}\n`)
process.exitCode = missed().length === 0 ? 0 : 1
