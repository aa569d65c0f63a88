import { randomUUID } from 'node:crypto'

import { UNAVAILABLE_MESSAGE } from '../../errors/unavailable.ts'
import { ProviderError } from '../../providers/provider-error.ts'
import type { EpisodeFault } from '../schema.ts'

export function exhausted(): EpisodeFault {
  return {
    code: 'attempts_exhausted',
    message: 'We tried this several times without success. You can try again now; what is already done is kept.',
    retryable: true,
    error_id: randomUUID(),
  }
}

/** Why a step waits: the words of an error envelope, on the step. */
export function unavailableNow(technical: string): EpisodeFault {
  return {
    code: 'service_unavailable',
    message: UNAVAILABLE_MESSAGE,
    technical_message: technical,
    retryable: true,
    error_id: randomUUID(),
  }
}

export function unavailableTooLong(provider: string): EpisodeFault {
  return {
    code: 'service_unavailable',
    message: `A service we depend on (${provider}) has been unavailable for too long. Please try again later; what is already done is kept.`,
    retryable: true,
    error_id: randomUUID(),
  }
}

/** Nothing went forward for too long; `reason` says where it stands. */
export function stuck(reason: string): EpisodeFault {
  return {
    code: 'stuck',
    message: 'Processing stopped making progress. You can try again now; what is already done is kept.',
    technical_message: reason,
    retryable: true,
    error_id: randomUUID(),
  }
}

export function notAudio(): EpisodeFault {
  return {
    code: 'not_audio',
    message: 'This file does not contain audio we can read. Please upload a recording as mp3, m4a, wav, flac or ogg.',
    retryable: false,
    error_id: randomUUID(),
  }
}

export function noSpeech(): EpisodeFault {
  return {
    code: 'provider_rejected',
    message: 'We found no speech in this recording. Please check that it is the right file.',
    retryable: false,
    error_id: randomUUID(),
  }
}

/** A refusal of this one request: another attempt would be refused again. */
export function rejected(error: ProviderError | string): EpisodeFault {
  const blocked = error instanceof ProviderError && error.kind === 'content_blocked'
  return {
    code: 'provider_rejected',
    message: blocked
      ? 'A service declined this content for its own safety rules. Please change the text or the recording.'
      : 'A service we depend on could not accept this recording or its settings.',
    retryable: false,
    error_id: randomUUID(),
  }
}
