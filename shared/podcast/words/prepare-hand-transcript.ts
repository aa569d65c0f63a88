import { UnreadableTranscript } from '../errors.ts'
import { HandTranscript } from './hand-transcript.ts'
import { readHandTranscript } from './read-hand-transcript.ts'

/** A transcript by hand as it is stored. */
export type ReadTranscript = { readonly json: string; readonly timed: boolean }
/** The same, or what is wrong with it. */
export type PreparedTranscript =
  ReadTranscript | { readonly unreadable: string; readonly issues: { path: string; message: string }[] | undefined }

/** Reads a transcript by hand, and makes of it what the episode's steps will read. */
export function prepareHandTranscript(contentType: string, body: Buffer): PreparedTranscript {
  try {
    const transcript = HandTranscript.parse(readHandTranscript(contentType, body))
    return { json: JSON.stringify(transcript), timed: transcript.timed }
  } catch (error) {
    if (!(error instanceof UnreadableTranscript)) throw error
    return { unreadable: error.technical, issues: error.issues }
  }
}
