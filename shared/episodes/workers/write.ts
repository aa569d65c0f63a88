import { artefactKey } from '../artefacts.ts'
import type { Artefact } from '../artefacts.ts'
import { extractiveNotes } from '../extractive-notes.ts'
import type { Outcome } from '../machine.ts'
import { Notes, tidyChapters } from '../notes.ts'
import { TITLE_DEFAULT } from '../schema.ts'
import { cues } from '../transcript.ts'
import { transcriptOf } from './transcript-of.ts'
import type { StepWork, Work } from './work.ts'

/** Transcript to show notes. The call is charged each time, so its answer is stored before anything else. */
export const write: StepWork = {
  async adopt(work) {
    const notesKey = keyOf(work, 'notes.json')
    const earlier = await work.needs.objects.readText(notesKey)
    if (earlier === undefined) return undefined
    return { kind: 'done', adopted: true, results: { write: { notesKey, notes: Notes.parse(JSON.parse(earlier)) } } }
  },

  async run(work): Promise<Outcome> {
    const transcript = await transcriptOf(work)
    const answered = await work.needs.gemini.writeNotes(
      {
        title: work.episode.title,
        language: transcript.language,
        durationSeconds: transcript.durationSeconds,
        passages: cues(transcript.words).map(({ startMs, text }) => ({ startSeconds: startMs / 1000, text })),
      },
      work.call,
    )
    work.charged()
    const notes = { ...answered, chapters: tidyChapters(answered.chapters, transcript.durationSeconds) }
    return { kind: 'done', results: await stored(work, 'notes.json', notes) }
  },

  async fallBack(work) {
    const transcript = await transcriptOf(work)
    const { title } = work.episode
    const extracted = await extractiveNotes(transcript, title === TITLE_DEFAULT ? undefined : title)
    const notes = { ...extracted, chapters: tidyChapters(extracted.chapters, transcript.durationSeconds) }
    return {
      results: await stored(work, 'extractive-notes.json', notes),
      degraded:
        'The show notes were taken from the transcript as it is, because the service that writes them was away.',
    }
  },
}

function keyOf({ episode }: Work, artefact: Artefact): string {
  return artefactKey(episode.id, episode.generation, artefact)
}

async function stored(
  work: Work,
  artefact: Artefact,
  notes: Notes,
): Promise<{ write: { notesKey: string; notes: Notes } }> {
  const notesKey = keyOf(work, artefact)
  await work.needs.objects.create(notesKey, JSON.stringify(notes), 'application/json', work.signal)
  return { write: { notesKey, notes } }
}
