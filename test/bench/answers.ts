import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import { AnsweredEpisodes } from '../shared/podcast/answers/answered-episodes.ts'
import { figure, title } from './report.ts'

const ANSWERS = Number(process.env['ANSWERS'] ?? (process.argv.includes('--soak') ? 100_000 : 2_000))
const ONLY = process.env['ANSWERS_OF']
/** Most are, so that few lives are as they would be without. */
const TAMPERED_SHARE = 0.75
const TELL_EVERY = 5_000

/** Episodes whose provider's answers are tampered with, as the tests live them, until so many have been. */
export async function benchAnswers(): Promise<void> {
  const firstSeed = Number(process.env['ANSWER_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  title(`answers: ${ANSWERS} wrong answers of each provider by the deployed runner, seeds from ${firstSeed}`)
  const episodes = await AnsweredEpisodes.open(TAMPERED_SHARE)
  try {
    for (const name of PROVIDER_NAMES.filter((one) => ONLY === undefined || one === ONLY)) {
      const startedAtMs = performance.now()
      let brokenLives = 0
      let lives = 0
      for (; episodes.answersOf(name) < ANSWERS; lives++) {
        const { broken } = await episodes.live(name, firstSeed + lives)
        if (broken.length > 0 && brokenLives++ < 5)
          process.stdout.write(
            `  ANSWERS_OF=${name} ANSWER_SEED=${firstSeed + lives} ANSWERS=1: ${broken.join('; ')}\n`,
          )
        if ((lives + 1) % TELL_EVERY === 0)
          process.stdout.write(`  ${name}: ${lives + 1} lives, ${episodes.answersOf(name)} answers\n`)
      }
      const elapsedMs = performance.now() - startedAtMs
      figure(`${name}: lives with a broken promise`, `${brokenLives} of ${lives}`, {
        text: 'none',
        met: brokenLives === 0,
      })
      figure(
        `${name}: answers, and time`,
        `${episodes.answersOf(name)}, ${(elapsedMs / 1000).toFixed(0)} s, ${(elapsedMs / lives).toFixed(1)} ms a life`,
      )
    }
  } finally {
    episodes.close()
  }
}
