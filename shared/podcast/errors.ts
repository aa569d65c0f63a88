import { DomainError } from '../errors/domain-error.ts'
import type { WorkflowStatus as EpisodeStatus } from '../engine/workflow.ts'
import { RECORDING_FORMATS } from './problems.ts'

/** There is no such episode, or it is somebody else's: nobody is told which. */
export class EpisodeNotFound extends DomainError {
  override readonly name = 'EpisodeNotFound'
  override readonly kind = 'not_found'

  constructor() {
    const message = 'We could not find this episode.'
    super({ message, technical: message })
  }
}

/** What is stored of the episode cannot be read, nor made out: it can only be deleted. */
export class EpisodeUnreadable extends DomainError {
  override readonly name = 'EpisodeUnreadable'
  override readonly kind = 'defect'

  constructor(cause: unknown) {
    super({
      message: 'The record of this episode is damaged. You can still delete it.',
      technical: 'The stored episode is none as we know it',
      cause,
    })
  }
}

/** The episode is in a state in which this cannot be done to it. */
export class WrongStatus extends DomainError {
  override readonly name = 'WrongStatus'
  override readonly kind = 'conflict'

  constructor(status: EpisodeStatus, allowed: readonly EpisodeStatus[]) {
    super({
      message: `This is not possible while the episode is ${STATUS_WORDS[status]}.`,
      technical: `The episode is ${status}; expected ${allowed.join(' or ')}`,
      details: { status },
    })
  }
}

const STATUS_WORDS: Record<EpisodeStatus, string> = {
  draft: 'a draft',
  processing: 'being processed',
  ready: 'ready',
  error: 'stopped by an error',
  cancelled: 'cancelled',
}

/** What is asked for needs a recording that was processed once. */
export class NeverProcessed extends DomainError {
  override readonly name = 'NeverProcessed'
  override readonly kind = 'conflict'

  constructor() {
    super({ technical: 'The episode was never processed' })
  }
}

/** The recording that was about to be processed is not the episode's any more. */
export class RecordingReplaced extends DomainError {
  override readonly name = 'RecordingReplaced'
  override readonly kind = 'conflict'

  constructor() {
    super({ technical: 'Another recording was uploaded meanwhile' })
  }
}

/** What was brought took so long that it was given up meanwhile. */
export class UploadEnded extends DomainError {
  override readonly name = 'UploadEnded'
  override readonly kind = 'unavailable'

  constructor() {
    super({ technical: 'What was sent took too long to be stored' })
  }
}

/** There is nothing to process: no recording, none that has arrived, an empty one, or more than was announced. */
export class UnusableRecording extends DomainError {
  override readonly name = 'UnusableRecording'
  override readonly kind = 'invalid'
}

/** Nobody who is configured transcribes this language. */
export class LanguageNotTaken extends DomainError {
  override readonly name = 'LanguageNotTaken'
  override readonly kind = 'invalid'

  /** @param languages that some transcriber takes */
  constructor(language: string, languages: readonly string[]) {
    super({
      message:
        'We cannot transcribe this language. Please bring a transcript by hand, or make a new episode in another language.',
      technical: `No transcriber takes ${language}; the language of an episode stays, and episodes-transcript takes its words`,
      details: { language, languages },
    })
  }
}

/** A transcript by hand that is not what its type says; `issues` are the places that are wrong. */
export class UnreadableTranscript extends DomainError {
  override readonly name = 'UnreadableTranscript'
  override readonly kind = 'invalid'
  readonly issues: { path: string; message: string }[] | undefined

  /** @param technical a sentence without its full stop, without words of the transcript: its owner reads it */
  constructor(technical: string, issues?: { path: string; message: string }[]) {
    const message = `This transcript cannot be read. ${technical}.`
    super({ message, technical, ...(issues && { details: { issues } }) })
    this.issues = issues
  }
}

/** A transcript by hand of a type that we do not read. */
export class UnsupportedTranscriptType extends DomainError {
  override readonly name = 'UnsupportedTranscriptType'
  override readonly kind = 'unsupported'

  constructor(typesRead: readonly string[]) {
    super({
      message: 'Please send the transcript as plain text, WebVTT, SubRip or JSON.',
      technical: `Content-Type must be one of ${typesRead.join(', ')}`,
    })
  }
}

/** What was sent as a recording says of itself that it is something else. */
export class UnsupportedRecordingType extends DomainError {
  override readonly name = 'UnsupportedRecordingType'
  override readonly kind = 'unsupported'

  constructor() {
    super({
      message: `Please send a recording: a sound or video file such as ${RECORDING_FORMATS}.`,
      technical: 'Content-Type must be that of an audio or video container, such as audio/mpeg',
    })
  }
}

/** A provider that was to hear a recording could not fetch it from our storage; it was not charged. */
export class RecordingUnfetched extends DomainError {
  override readonly name = 'RecordingUnfetched'
  override readonly kind = 'unavailable'
}

/** A webhook's token is not the one that was made for this job. */
export class ForeignWebhookToken extends DomainError {
  override readonly name = 'ForeignWebhookToken'
  override readonly kind = 'unauthenticated'

  constructor() {
    super({ technical: 'The token is not of this job' })
  }
}

/** What was to be stored could not be read to its end, which says nothing about storage; `cause` says why. */
export class SourceFailed extends DomainError {
  override readonly name = 'SourceFailed'
  override readonly kind = 'unavailable'

  constructor(cause: unknown) {
    super({ technical: 'What was to be stored could not be read', cause })
  }
}
