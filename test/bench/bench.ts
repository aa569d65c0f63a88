import { CommandRefused, readWords, runCommandLine } from '../../infra/command-line.ts'
import { benchAnswers } from './answers.ts'
import { benchColdStart } from './cold-start.ts'
import { benchBreaker } from './breaker.ts'
import { benchChaos } from './chaos.ts'
import { benchCost } from './cost.ts'
import { benchDamage } from './damage.ts'
import { benchEdge } from './edge.ts'
import { benchHealth, benchHealthStart } from './health.ts'
import { benchTexts } from './texts.ts'
import { benchLives } from './lives.ts'
import { benchMastering } from './mastering.ts'
import { missed } from './report.ts'
import { benchRecordings } from './recordings.ts'
import { benchRoom } from './room.ts'
import { benchResponseTime } from './response-time.ts'
import { benchSweep } from './sweep.ts'
import { benchThroughput } from './throughput.ts'
import { benchUploads } from './uploads.ts'

const BENCHES: Record<string, () => Promise<void>> = {
  edge: benchEdge,
  uploads: benchUploads,
  throughput: benchThroughput,
  'response-time': benchResponseTime,
  'cold-start': benchColdStart,
  breaker: benchBreaker,
  sweep: benchSweep,
  lives: benchLives,
  answers: benchAnswers,
  chaos: benchChaos,
  damage: benchDamage,
  mastering: benchMastering,
  recordings: benchRecordings,
  health: benchHealth,
  'health-start': benchHealthStart,
  texts: benchTexts,
  room: benchRoom,
  cost: benchCost,
}

const USAGE = `Usage: npm run bench [-- NAME ...] [--soak]
Prints each figure beside its baseline from the same run, and beside what it should be. Names:
  ${Object.keys(BENCHES).join(', ')}
  --soak   edge: 100,000 conversations; breaker and lives: a million seeded lives; answers: 100,000 of each provider`

await runCommandLine(USAGE, async () => {
  const options = { soak: { type: 'boolean' } } as const
  const { positionals: wanted } = readWords(process.argv.slice(2), options, { allowPositionals: true })
  const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name))
  if (unknown.length > 0)
    throw new CommandRefused(`There is no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`)
  for (const [name, bench] of Object.entries(BENCHES)) if (wanted.length === 0 || wanted.includes(name)) await bench()
  process.stdout.write(missed().length === 0 ? '\nevery target met\n' : `\nmissed: ${missed().join('; ')}\n`)
  return missed().length === 0 ? 0 : 1
})
