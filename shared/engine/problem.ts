import * as z from 'zod'

/** Why a step waits, or what it ended with: the words of an error envelope. */
export const Problem = z.looseObject({
  code: z.string(),
  /** For its owner. */
  message: z.string(),
  retryable: z.boolean(),
  error_id: z.string(),
  /** For the developer. */
  technical_message: z.string().optional(),
})
export type Problem = {
  code: string
  message: string
  retryable: boolean
  error_id: string
  technical_message?: string | undefined
}

/** A problem before it happened to anybody: what an occasion adds is its id. */
export type ProblemWords = Omit<Problem, 'error_id'>

export function problemOf(words: ProblemWords, errorId: string): Problem {
  return { ...words, error_id: errorId }
}

export const ATTEMPTS_EXHAUSTED: ProblemWords = {
  code: 'attempts_exhausted',
  message: 'We tried this several times without success. You can try again now; what is already done is kept.',
  retryable: true,
}

/** A call and its repeat; nobody saw their ends. */
export const CALLS_LOST: ProblemWords = {
  code: 'service_unavailable',
  message:
    'A paid call and its repeat were lost on the way, and may have been charged. It is made once more a day later; to have it made at once, cancel and try again.',
  retryable: true,
}

/** @param technical what did not work, without secrets */
export function unavailableNow(technical: string): ProblemWords {
  return {
    code: 'service_unavailable',
    message: 'A service we depend on is temporarily unavailable. Please try again shortly.',
    technical_message: technical,
    retryable: true,
  }
}

export function unavailableTooLong(service: string): ProblemWords {
  return {
    code: 'service_unavailable',
    message: `A service we depend on (${service}) has been unavailable for too long. Please try again later; what is already done is kept.`,
    retryable: true,
  }
}

/** Nothing went forward for too long. @param reason where it stands */
export function stuckWords(reason: string): ProblemWords {
  return {
    code: 'stuck',
    message: 'Processing stopped making progress. You can try again now; what is already done is kept.',
    technical_message: reason,
    retryable: true,
  }
}
