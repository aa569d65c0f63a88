import { parseArtefact } from '../parse-artefact.ts'
import type { Damaged } from '../parse-artefact.ts'
import type { Material } from '../ports.ts'
import { HandTranscript, transcriptFrom } from './hand-transcript.ts'
import { tidyChapters } from './notes.ts'
import type { Notes } from './notes.ts'
import { cues, shiftTranscript, toSrt, toVtt, Transcript } from './transcript.ts'

/** What steps make of the stored text of a transcript, which is JSON. */
export type TranscriptTask =
  /** Of a transcript by hand: that of the recording. */
  | { readonly make: 'transcript'; readonly text: string; readonly durationSeconds: number; readonly language: string }
  /** For whoever writes show notes. */
  | { readonly make: 'material'; readonly text: string }
  /** Show notes without anybody who writes them. */
  | { readonly make: 'notes'; readonly text: string; readonly givenTitle: string | undefined }
  /** What an episode is published with whose intro takes `introMs`. */
  | { readonly make: 'outputs'; readonly text: string; readonly introMs: number }

export type MadeOf = {
  readonly transcript: { readonly json: string; readonly wordCount: number }
  readonly material: Omit<Material, 'title'>
  readonly notes: Notes
  readonly outputs: { readonly json: string; readonly vtt: string; readonly srt: string; readonly language: string }
}

/** Does a task where it is called, in time that grows with the length of the text. */
export async function workOnTranscript(task: TranscriptTask): Promise<MadeOf[TranscriptTask['make']] | Damaged> {
  if (task.make === 'transcript') {
    const parsed = parseArtefact(HandTranscript, task.text)
    if (!('data' in parsed)) return parsed
    const transcript = Transcript.parse(transcriptFrom(parsed.data, task.durationSeconds, task.language))
    return { json: JSON.stringify(transcript), wordCount: transcript.words.length }
  }
  const parsed = parseArtefact(Transcript, task.text)
  if (!('data' in parsed)) return parsed
  const { data: transcript } = parsed
  const { language, durationSeconds, words } = transcript
  switch (task.make) {
    case 'material': {
      const passages = cues(words).map(({ startMs, text }) => ({ startSeconds: startMs / 1000, text }))
      return { language, durationSeconds, passages }
    }
    case 'notes': {
      // Only who makes notes loads what knows the frequent words of many languages.
      const { extractiveNotes } = await import('./extractive-notes.ts')
      const notes = await extractiveNotes(transcript, task.givenTitle)
      return { ...notes, chapters: tidyChapters(notes.chapters, durationSeconds) }
    }
    case 'outputs': {
      const shifted = shiftTranscript(transcript, task.introMs)
      const captions = { vtt: toVtt(shifted.words), srt: toSrt(shifted.words) }
      return { json: JSON.stringify(shifted), ...captions, language }
    }
  }
}
