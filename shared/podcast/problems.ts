import type { ProblemWords } from '../engine/problem.ts'

/* What an episode can end with that is about its recording or its texts. */

export const NOT_AUDIO: ProblemWords = {
  code: 'not_audio',
  message: 'This file does not contain audio we can read. Please upload a recording as mp3, m4a, wav, flac or ogg.',
  retryable: false,
}

/** It takes more time or memory than one recording may. */
export const NOT_MEASURED: ProblemWords = {
  code: 'not_audio',
  message: 'We could not measure the length of this recording. Please export it as mp3 or wav, and upload it again.',
  retryable: false,
}

export const NO_SPEECH: ProblemWords = {
  code: 'provider_rejected',
  message: 'We found no speech in this recording. Please check that it is the right file.',
  retryable: false,
}

/** Another attempt would be refused again. */
export const NOT_ACCEPTED: ProblemWords = {
  code: 'provider_rejected',
  message: 'A service we depend on could not accept this recording or its settings.',
  retryable: false,
}

/** It is for an operator to mend, and not for the person whose episode it is. */
export const NOT_SET_UP: ProblemWords = {
  code: 'provider_rejected',
  message: 'A service we depend on is not set up as it should be. We have been told; you can try again later.',
  retryable: true,
}

export const CONTENT_DECLINED: ProblemWords = {
  code: 'provider_rejected',
  message: 'A service declined this content for its own safety rules. Please change the text or the recording.',
  retryable: false,
}

/** A defect of ours, which another attempt would meet again. */
export const TRANSCRIPT_UNREADABLE: ProblemWords = {
  code: 'internal_error',
  message:
    'The stored transcript of this episode cannot be read. Please retry from transcribe, or send a transcript by hand.',
  retryable: false,
}

export const HAND_TRANSCRIPT_UNREADABLE: ProblemWords = {
  code: 'internal_error',
  message: 'The transcript that was sent by hand cannot be read any more. Please send it again.',
  retryable: false,
}
