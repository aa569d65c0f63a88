import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import { Notes, tidyChapters } from '../notes.ts'
import { cues } from '../transcript.ts'
import { transcriptOf } from './transcript-of.ts'
import type { Work } from './work.ts'

/** Transcript to show notes. The call is charged each time, so its answer is stored before anything else. */
export async function write(work: Work): Promise<Outcome> {
  const { objects, gemini } = work.needs
  const notesKey = artefactKey(work.episode.id, work.episode.generation, 'notes.json')
  const earlier = work.resumesIntent ? await objects.readText(notesKey) : undefined
  if (earlier !== undefined)
    return { kind: 'done', adopted: true, results: { write: { notesKey, notes: Notes.parse(JSON.parse(earlier)) } } }

  const transcript = await transcriptOf(work)
  const answered = await gemini.writeNotes(
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
  await objects.create(notesKey, JSON.stringify(notes), 'application/json', work.signal)
  return { kind: 'done', results: { write: { notesKey, notes } } }
}
