import { extname } from 'node:path'

import { ChildEnded, inChild } from '../../resilience/in-child.ts'
import { Slots } from '../../resilience/slots.ts'
import { UnreadableTranscript } from '../errors.ts'
import type { Notes } from './notes.ts'
import type { PreparedTranscript, ReadTranscript } from './prepare-hand-transcript.ts'
import type { Transcript } from './transcript.ts'

export type WordsTask =
  | { readonly kind: 'handTranscript'; readonly contentType: string; readonly body: Uint8Array }
  | { readonly kind: 'extractiveNotes'; readonly transcript: Transcript; readonly givenTitle: string | undefined }

/** Compiled, the child's module is a file beside this one's chunk; from source it is its neighbour. */
const CHILD = new URL(`./words-child${extname(import.meta.url)}`, import.meta.url)
/** Shorter texts are worked on where they are, within milliseconds: a process takes longer to start. */
const HERE_CHARS_MAX = 20_000
const HAND_TRANSCRIPT_MS_MAX = 10_000
const NOTES_MS_MAX = 60_000
/** Of one process, and how many there are at once, by turns of the people they are for: an instance has 512 MiB. */
const MEMORY_MIB_MAX = 160
const children = new Slots(2)

/**
 * A transcript by hand, ready to be stored. Whatever its length, nobody else waits for it.
 * @throws UnsupportedTranscriptType, UnreadableTranscript
 */
export async function readTranscriptByHand(
  { contentType, body }: { contentType: string; body: Buffer },
  userId: string,
  signal: AbortSignal,
): Promise<ReadTranscript> {
  // A function that works on the one kind of text does not load what reads the other.
  const { requireTranscriptType } = await import('./read-hand-transcript.ts')
  const { prepareHandTranscript } = await import('./prepare-hand-transcript.ts')
  requireTranscriptType(contentType)
  const prepared =
    body.length <= HERE_CHARS_MAX
      ? prepareHandTranscript(contentType, body)
      : await prepareInProcess({ contentType, body }, userId, signal)
  if ('unreadable' in prepared) throw new UnreadableTranscript(prepared.unreadable, prepared.issues)
  return prepared
}

async function prepareInProcess(
  sent: { contentType: string; body: Buffer },
  userId: string,
  signal: AbortSignal,
): Promise<PreparedTranscript> {
  try {
    return await inProcess({ kind: 'handTranscript', ...sent }, HAND_TRANSCRIPT_MS_MAX, userId, signal)
  } catch (error) {
    if (!(error instanceof ChildEnded)) throw error
    return {
      unreadable: 'It cannot be read in the time and the memory that one transcript may take',
      issues: undefined,
    }
  }
}

/** Show notes made of the transcript alone. Whatever its length, nobody else waits for it. */
export async function notesFromTranscript(
  transcript: Transcript,
  givenTitle: string | undefined,
  userId: string,
  signal: AbortSignal,
): Promise<Notes> {
  if (transcript.text.length > HERE_CHARS_MAX)
    return inProcess<Notes>({ kind: 'extractiveNotes', transcript, givenTitle }, NOTES_MS_MAX, userId, signal)
  const { extractiveNotes } = await import('./extractive-notes.ts')
  return extractiveNotes(transcript, givenTitle)
}

async function inProcess<Answer>(
  task: WordsTask,
  timeMs: number,
  userId: string,
  signal: AbortSignal,
): Promise<Answer> {
  const leave = await children.take(userId, signal)
  try {
    return await inChild<Answer>(CHILD, task, { timeMs, memoryMiB: MEMORY_MIB_MAX, signal })
  } finally {
    leave()
  }
}
