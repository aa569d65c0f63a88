import { parseArtefact } from '../parse-artefact.ts'
import type { Damaged } from '../parse-artefact.ts'
import type { Material } from '../ports.ts'
import { HandTranscript, transcriptFrom } from './hand-transcript.ts'
import { HeardJson, heardTranscript } from './heard-transcript.ts'
import { tidyChapters } from './notes.ts'
import type { Notes } from './notes.ts'
import { cues, shiftTranscript, toSrt, toVtt, Transcript } from './transcript.ts'

/** What steps make of the text of a transcript, which is JSON. */
export type TranscriptTask =
  /** Of what a transcriber has heard: the transcript of the recording, as `heardTranscript` makes it. */
  | {
      readonly make: 'heard'
      readonly text: string
      readonly language: string
      readonly measuredSeconds: number | undefined
      readonly secondsMax: number
    }
  /** What there is to be told of a stored one. */
  | { readonly make: 'summary'; readonly text: string }
  /** Of a transcript by hand: that of the recording. */
  | { readonly make: 'transcript'; readonly text: string; readonly durationSeconds: number; readonly language: string }
  /** For whoever writes show notes. */
  | { readonly make: 'material'; readonly text: string }
  /** Show notes without anybody who writes them. */
  | { readonly make: 'notes'; readonly text: string; readonly givenTitle: string | undefined }
  /** What an episode is published with whose intro takes `introMs`. */
  | { readonly make: 'outputs'; readonly text: string; readonly introMs: number }

export type Summary = { readonly durationSeconds: number; readonly wordCount: number; readonly language: string }

export type MadeOf = {
  /** Nothing was said: no `json`. */
  readonly heard: { readonly json: string; readonly summary: Summary } | { readonly json?: undefined }
  readonly summary: Summary
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
  if (task.make === 'heard') {
    const parsed = parseArtefact(HeardJson, task.text)
    if (!('data' in parsed)) return parsed
    const { language, durationSeconds, ...said } = parsed.data
    const transcript = heardTranscript({ ...said, language, durationSeconds }, task)
    if (transcript === undefined) return {}
    return { json: JSON.stringify(Transcript.parse(transcript)), summary: summaryOf(transcript) }
  }
  const parsed = parseArtefact(Transcript, task.text)
  if (!('data' in parsed)) return parsed
  const { data: transcript } = parsed
  const { language, durationSeconds, words } = transcript
  switch (task.make) {
    case 'summary':
      return summaryOf(transcript)
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

function summaryOf({ durationSeconds, words, language }: Transcript): Summary {
  return { durationSeconds, wordCount: words.length, language }
}
