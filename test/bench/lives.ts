import { liveOnce } from '../shared/engine/life.ts'
import { figure, title } from './report.ts'

const LIVES = Number(process.env['EPISODE_LIVES'] ?? (process.argv.includes('--soak') ? 1_000_000 : 20_000))
const TELL_EVERY = 50_000

/** Seeded lives of episodes, as the tests live them, in greater number. */
export async function benchLives(): Promise<void> {
  const firstSeed = Number(process.env['EPISODE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  title(`lives: ${LIVES} seeded lives of an episode, seeds from ${firstSeed}`)
  const startedAtMs = performance.now()
  let faulty = 0
  for (let seed = firstSeed; seed < firstSeed + LIVES; seed++) {
    const { faults } = liveOnce(seed)
    if (faults.length > 0 && faulty++ < 5)
      process.stdout.write(`  EPISODE_SEED=${seed} EPISODE_LIVES=1: ${faults.join('; ')}\n`)
    const lived = seed - firstSeed + 1
    if (lived % TELL_EVERY === 0 && lived < LIVES) process.stdout.write(`  ${lived} lives, ${faulty} with faults\n`)
  }
  figure('lives with faults', String(faulty), { text: 'none', met: faulty === 0 })
  figure('time', `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`)
}
