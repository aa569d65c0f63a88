import { extname } from 'node:path'

import { ChildEnded, inChild } from '../../resilience/in-child.ts'
import { Slots } from '../../resilience/slots.ts'
import { UnreadableTranscript } from '../errors.ts'
import type { Damaged } from '../parse-artefact.ts'
import type { PreparedTranscript, ReadTranscript } from './prepare-hand-transcript.ts'
import type { MadeOf, TranscriptTask } from './transcript-work.ts'

/** What the process is sent: what a person has sent to be read, or what steps make of what is heard or stored. */
export type WordsTask = { readonly contentType: string; readonly body: Uint8Array } | TranscriptTask

/** Compiled, the child's module is a file beside this one's chunk; from source it is its neighbour. */
const CHILD = new URL(`./words-child${extname(import.meta.url)}`, import.meta.url)
/** Shorter texts are read where they are, within milliseconds: a process takes longer to start. */
const HERE_CHARS_MAX = 20_000
/**
 * The same of stored transcripts, which have about 60 characters of JSON to a word. Show notes take longer than a
 * parser; the rest is done with three hours of speech in some 40 ms.
 */
const HERE_STORED_CHARS_MAX = {
  heard: 300_000,
  summary: 1_500_000,
  transcript: 300_000,
  material: 1_500_000,
  notes: 300_000,
  outputs: 1_500_000,
} as const satisfies Record<TranscriptTask['make'], number>
/** How long one process may take, how much memory, and how many there are at once, by turns of the people. */
type Room = { readonly timeMs: number; readonly memoryMiB: number; readonly places: Slots }
/** What people send has 5 MiB at most. An instance has 512 MiB for these processes and itself. */
const FOR_SENT: Room = { timeMs: 10_000, memoryMiB: 160, places: new Slots(2) }
/** One at a time works on what is heard or stored, which an instance has memory for. */
export const placesForLongTexts = new Slots(1)
/** What is stored names the speaker beside each word: the longest takes 130 MiB, and a second or two. */
const FOR_STORED: Room = { timeMs: 60_000, memoryMiB: 224, places: placesForLongTexts }

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
    return await inProcess(sent, FOR_SENT, userId, signal)
  } catch (error) {
    if (!(error instanceof ChildEnded)) throw error
    return {
      unreadable: 'It cannot be read in the time and the memory that one transcript may take',
      issues: undefined,
    }
  }
}

/**
 * What a step makes of the text of a transcript, heard or stored. Whatever its length, nobody else waits for it.
 * @returns what is wrong with the text, when it cannot be read
 * @throws ChildEnded when it took more time or memory than it may
 */
export async function makeOfTranscript<Make extends TranscriptTask['make']>(
  task: Extract<TranscriptTask, { make: Make }>,
  userId: string,
  signal: AbortSignal,
): Promise<MadeOf[Make] | Damaged> {
  if (task.text.length > HERE_STORED_CHARS_MAX[task.make]) return inProcess(task, FOR_STORED, userId, signal)
  const { workOnTranscript } = await import('./transcript-work.ts')
  return (await workOnTranscript(task)) as MadeOf[Make] | Damaged
}

async function inProcess<Answer>(
  task: WordsTask,
  { places, ...limits }: Room,
  userId: string,
  signal: AbortSignal,
): Promise<Answer> {
  const leave = await places.take(userId, signal)
  try {
    return await inChild<Answer>(CHILD, task, { ...limits, signal })
  } finally {
    leave()
  }
}
