import type { ProblemWords } from '../engine/problem.ts'

/* What an episode can end with that is about its recording or its texts. */

/** What people are told to send. Other containers are read, too: sound/container.ts has them. */
export const RECORDING_FORMATS = 'mp3, m4a, wav, flac, ogg, webm or mp4'

/* An episode that was processed keeps its recording: the way to another one is a new episode. */

export const NOT_AUDIO: ProblemWords = {
  code: 'not_audio',
  message: `This file does not contain audio we can read. Please make a new episode with a recording as ${RECORDING_FORMATS}.`,
  retryable: false,
}

/** It takes more time or memory than one recording may. */
export const NOT_MEASURED: ProblemWords = {
  code: 'not_audio',
  message:
    'We could not measure the length of this recording. Please export it as mp3 or wav, and make a new episode of that.',
  retryable: false,
}

export const NO_SPEECH: ProblemWords = {
  code: 'provider_rejected',
  message:
    'We found no speech in this recording. Please bring its words as a transcript by hand, or make a new episode with the right recording.',
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
  message:
    'A service declined this content for its own safety rules. Please try again with another text, or make a new episode with another recording.',
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
