import { ASSEMBLYAI_ANSWERS } from './assemblyai.ts'
import { ELEVENLABS_ANSWERS } from './elevenlabs.ts'
import { GEMINI_ANSWERS } from './gemini.ts'

/** One kind of answer as the table in shared/providers/README.md tells it; each has a test in this folder's parent. */
export type KnownAnswer = {
  readonly provider: string
  readonly answer: string
  /** Kind of the ProviderError, or what became of the job. */
  readonly kind: string
  readonly canPass: boolean
  readonly charged: boolean
  readonly breaker: string
}

const ASKED_FOR = { submit: 'to a new job', read: 'of a job', speak: 'to speak', hear: 'to hear' } as const

/** All of them, by provider. */
export const KNOWN_ANSWERS: readonly KnownAnswer[] = [
  ...ASSEMBLYAI_ANSWERS.map((row) => ({
    provider: 'assemblyai',
    ...row,
    answer: `${row.answer} (${ASKED_FOR[row.to]})`,
  })),
  ...GEMINI_ANSWERS.map((row) => ({ provider: 'gemini', ...row })),
  ...ELEVENLABS_ANSWERS.map((row) => ({
    provider: 'elevenlabs',
    ...row,
    answer: `${row.answer} (${ASKED_FOR[row.to]})`,
  })),
]
