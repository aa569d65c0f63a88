import { ASSEMBLYAI_ANSWERS } from './assemblyai.ts'
import { AUPHONIC_ANSWERS } from './auphonic.ts'
import { ELEVENLABS_ANSWERS } from './elevenlabs.ts'
import { GEMINI_ANSWERS } from './gemini.ts'
import type { Lost } from './gemini.ts'

/** One kind of answer as the table in shared/providers/README.md tells it; each has a test in this folder's parent. */
export type KnownAnswer = {
  readonly provider: string
  readonly answer: string
  /** Asked to transcribe, by a job or a call: there is no fallback, and maybe another transcriber. */
  readonly transcribes?: 'job' | 'call'
  /** Kind of the ProviderError, or what became of the job. */
  readonly kind: string
  /** Of a refusal: what is refused is no sound. */
  readonly isNotAudio?: boolean
  readonly canPass: boolean
  readonly charged: boolean
  /** Of a call: nobody sees its end. Of a job, which is looked for: `no`. */
  readonly lost: Lost
  readonly breaker: string
}

const ASKED_FOR = {
  submit: 'to a new job',
  create: 'to a new job',
  start: 'to its start',
  read: 'of a job',
  download: 'to the download',
  speak: 'to speak',
  hear: 'to hear',
} as const

/** All of them, by provider. */
export const KNOWN_ANSWERS: readonly KnownAnswer[] = [
  ...ASSEMBLYAI_ANSWERS.map((row) => ({
    provider: 'assemblyai',
    transcribes: 'job' as const,
    lost: 'no' as const,
    ...row,
    answer: `${row.answer} (${ASKED_FOR[row.to]})`,
  })),
  ...GEMINI_ANSWERS.map((row) => ({ provider: 'gemini', ...row })),
  ...ELEVENLABS_ANSWERS.map((row) => ({
    provider: 'elevenlabs',
    ...(row.to === 'hear' && { transcribes: 'call' as const }),
    ...row,
    answer: `${row.answer} (${ASKED_FOR[row.to]})`,
  })),
  ...AUPHONIC_ANSWERS.map(({ means, to, ...row }) => ({
    provider: 'auphonic',
    lost: 'no' as const,
    ...row,
    kind: kindOf(means),
    answer: `${row.answer} (${ASKED_FOR[to]})`,
  })),
]

function kindOf(means: (typeof AUPHONIC_ANSWERS)[number]['means']): string {
  if ('kind' in means) return means.kind
  return 'reason' in means ? means.reason : 'done'
}
