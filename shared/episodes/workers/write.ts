import { createHash } from 'node:crypto'

import type { Material } from '../../podcast/ports.ts'
import { pause } from '../../resilience/deadline.ts'
import { artefactKey } from '../artefacts.ts'
import type { Artefact } from '../artefacts.ts'
import { extractiveNotes } from '../extractive-notes.ts'
import type { Outcome } from '../machine.ts'
import { Notes, tidyChapters } from '../notes.ts'
import { TITLE_DEFAULT } from '../schema.ts'
import type { Results } from '../schema.ts'
import { cues } from '../transcript.ts'
import { transcriptOf } from './transcript-of.ts'
import { firstOf } from './work.ts'
import type { StepWork, Work } from './work.ts'

/** As long as a call can take, and its answer takes to be kept. */
const WRITING_MS = 150_000
const LOOK_AGAIN_MS = 1_000

/**
 * Transcript to show notes. The call is charged each time, so its answer is stored before anything else, and the same
 * words of the same person are asked about once.
 */
export const write: StepWork = {
  async adopt(work) {
    const notesKey = keyOf(work, 'notes.json')
    const earlier = await work.dependencies.objects.readText(notesKey)
    if (earlier === undefined) return undefined
    return { kind: 'done', adopted: true, results: { write: { notesKey, notes: Notes.parse(JSON.parse(earlier)) } } }
  },

  async run(work): Promise<Outcome> {
    const material = await materialOf(work)
    const cacheKey = cacheKeyOf(work, material)
    const cached = work.step.anew ? undefined : await cachedNotes(work, cacheKey)
    if (cached !== undefined)
      return { kind: 'done', adopted: true, results: await storeNotes(work, 'notes.json', cached, cacheKey) }
    const notes = await askForNotes(work, material, cacheKey)
    const results = await storeNotes(work, 'notes.json', notes, cacheKey)
    await work.dependencies.notesCache.keep(cacheKey, work.episode.id, notes)
    return { kind: 'done', results }
  },

  async fallBack(work) {
    const transcript = await transcriptOf(work)
    const { title } = work.episode
    const extracted = await extractiveNotes(transcript, title === TITLE_DEFAULT ? undefined : title)
    const notes = { ...extracted, chapters: tidyChapters(extracted.chapters, transcript.durationSeconds) }
    return {
      results: await storeNotes(work, 'extractive-notes.json', notes),
      degraded:
        'The show notes were taken from the transcript as it is, because the service that writes them was away.',
    }
  },
}

async function materialOf(work: Work): Promise<Material> {
  const { words, language, durationSeconds } = await transcriptOf(work)
  const passages = cues(words).map(({ startMs, text }) => ({ startSeconds: startMs / 1000, text }))
  return { title: work.episode.title, language, durationSeconds, passages }
}

/** Whose notes, of what, by which model and instruction. */
function cacheKeyOf({ dependencies, episode }: Work, material: Material): string {
  const writer = firstOf(dependencies.writers)
  const parts = JSON.stringify([episode.userId, writer.name, writer.version, material])
  return createHash('sha256').update(parts).digest('hex')
}

/** Notes of the same words: those that are there, or that another episode's worker is getting just now. */
async function cachedNotes(work: Work, cacheKey: string): Promise<Notes | undefined> {
  const { notesCache, now } = work.dependencies
  for (;;) {
    const found = await notesCache.claim(cacheKey, work.episode.id, WRITING_MS)
    if (found.kind === 'found') return found.notes
    if (found.kind === 'ours') return undefined
    work.at('waiting for the same notes, which are being written')
    await pause(Math.min(LOOK_AGAIN_MS, Math.max(1, found.untilMs - now())), work.signal)
  }
}

async function askForNotes(work: Work, material: Material, cacheKey: string): Promise<Notes> {
  const { writers, notesCache } = work.dependencies
  const writer = firstOf(writers)
  try {
    const { notes, cost } = await writer.writeNotes(material, work.call)
    work.charged(writer.name, cost)
    return { ...notes, chapters: tidyChapters(notes.chapters, material.durationSeconds) }
  } catch (error) {
    await notesCache.forget(cacheKey)
    throw error
  }
}

function keyOf({ episode }: Work, artefact: Artefact): string {
  return artefactKey(episode.id, episode.generation, artefact)
}

async function storeNotes(
  work: Work,
  artefact: Artefact,
  notes: Notes,
  cacheKey?: string,
): Promise<Required<Pick<Results, 'write'>>> {
  const notesKey = keyOf(work, artefact)
  await work.dependencies.objects.create(notesKey, JSON.stringify(notes), 'application/json', work.signal)
  return { write: { notesKey, notes, ...(cacheKey !== undefined && { cacheKey }) } }
}
