import { liveOnce } from '../shared/engine/life.ts'
import { figure, title } from './report.ts'

const LIVES = Number(process.env['WORKFLOW_LIVES'] ?? (process.argv.includes('--soak') ? 1_000_000 : 20_000))
const TELL_EVERY = 50_000

/** Seeded lives of workflows, as the tests live them, in greater number. */
export async function benchLives(): Promise<void> {
  const firstSeed = Number(process.env['WORKFLOW_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  title(`lives: ${LIVES} seeded lives of a workflow by the deployed runner, seeds from ${firstSeed}`)
  const startedAtMs = performance.now()
  const elapsedMs = () => performance.now() - startedAtMs
  let brokenLives = 0
  for (let seed = firstSeed; seed < firstSeed + LIVES; seed++) {
    const { broken } = await liveOnce(seed)
    if (broken.length > 0 && brokenLives++ < 5)
      process.stdout.write(`  WORKFLOW_SEED=${seed} WORKFLOW_LIVES=1: ${broken.join('; ')}\n`)
    const lived = seed - firstSeed + 1
    if (lived % TELL_EVERY === 0 && lived < LIVES)
      process.stdout.write(
        `  ${lived} lives, ${brokenLives} with a broken promise, ${(elapsedMs() / lived).toFixed(2)} ms each\n`,
      )
  }
  figure('lives with a broken promise', String(brokenLives), { text: 'none', met: brokenLives === 0 })
  figure('time', `${(elapsedMs() / 1000).toFixed(0)} s, ${(elapsedMs() / LIVES).toFixed(2)} ms a life`)
}
