import * as z from 'zod'

/** Words with times in whole milliseconds of the audio they belong to. */
export const Transcript = z.looseObject({
  language: z.string(),
  durationSeconds: z.number().positive(),
  text: z.string(),
  /** Times are not what was heard, but what the lengths of words suggest. */
  estimated: z.boolean().optional(),
  words: z.array(
    z.looseObject({
      text: z.string(),
      startMs: z.number().int().min(0),
      endMs: z.number().int().min(0),
      speaker: z.string().optional(),
    }),
  ),
})
export type Transcript = z.infer<typeof Transcript>
export type Word = Transcript['words'][number]

/** The transcript of the episode, whose audio starts with an intro of `introMs`. */
export function shiftTranscript(transcript: Transcript, introMs: number): Transcript {
  return {
    ...transcript,
    durationSeconds: transcript.durationSeconds + introMs / 1000,
    words: transcript.words.map((word) => ({ ...word, startMs: word.startMs + introMs, endMs: word.endMs + introMs })),
  }
}

const CUE_CHARS_MAX = 80
const CUE_MS_MAX = 6000
const SILENCE_MS_MIN = 700

export type Cue = { startMs: number; endMs: number; text: string }

/**
 * Words gathered into captions: a cue ends at the end of a sentence, at a pause, or before it gets too long to read.
 * Cues never overlap and never end before they start, whatever times the words came with.
 */
export function cues(words: readonly Word[]): Cue[] {
  const result: Cue[] = []
  let open: Word[] = []
  const close = () => {
    const [first, last] = [open[0], open.at(-1)]
    if (first === undefined || last === undefined) return
    const startMs = Math.max(first.startMs, result.at(-1)?.endMs ?? 0)
    const text = open.map((word) => word.text).join(' ')
    result.push({ startMs, endMs: Math.max(last.endMs, startMs + 1), text })
    open = []
  }
  for (const word of words) {
    const [first, last] = [open[0], open.at(-1)]
    if (first !== undefined && last !== undefined) {
      const chars = open.reduce((sum, { text }) => sum + text.length + 1, word.text.length)
      const pauses = word.startMs - last.endMs >= SILENCE_MS_MIN
      if (pauses || chars > CUE_CHARS_MAX || word.endMs - first.startMs > CUE_MS_MAX || endsSentence(last)) close()
    }
    open.push(word)
  }
  close()
  return result
}

export type Sentence = { startMs: number; endMs: number; text: string }

const SENTENCE_WORDS_MAX = 60

/** Words gathered into sentences: up to a full stop, a long silence, or, where nobody punctuates, a length to be read. */
export function sentencesOf(words: readonly Word[]): Sentence[] {
  const sentences: Sentence[] = []
  let open: Word[] = []
  for (const [index, word] of words.entries()) {
    open.push(word)
    const next = words[index + 1]
    const silence = next !== undefined && next.startMs - word.endMs >= 2 * SILENCE_MS_MIN
    const [first] = open
    if (next !== undefined && !silence && !endsSentence(word) && open.length < SENTENCE_WORDS_MAX) continue
    sentences.push({ startMs: first?.startMs ?? 0, endMs: word.endMs, text: open.map(({ text }) => text).join(' ') })
    open = []
  }
  return sentences
}

function endsSentence({ text }: Word): boolean {
  return /[.!?…。！？]["'”’)\]」』]?$/.test(text)
}

/** WebVTT (W3C). Text cannot end a cue or open a tag: its markup characters are escaped. */
export function toVtt(words: readonly Word[]): string {
  const blocks = cues(words).map(
    ({ startMs, endMs, text }) => `${clock(startMs, '.')} --> ${clock(endMs, '.')}\n${escapeMarkup(text)}`,
  )
  return `${['WEBVTT', ...blocks].join('\n\n')}\n`
}

/** SubRip: numbered cues, comma before the milliseconds. */
export function toSrt(words: readonly Word[]): string {
  return cues(words)
    .map(
      ({ startMs, endMs, text }, index) =>
        `${index + 1}\n${clock(startMs, ',')} --> ${clock(endMs, ',')}\n${text.replaceAll('-->', '→')}\n`,
    )
    .join('\n')
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** `01:02:03.004`, or with a comma for SubRip. */
function clock(totalMs: number, separator: '.' | ','): string {
  const part = (value: number, digits = 2) => String(Math.floor(value)).padStart(digits, '0')
  const hours = part(totalMs / 3_600_000)
  const minutes = part((totalMs / 60_000) % 60)
  const seconds = part((totalMs / 1000) % 60)
  return `${hours}:${minutes}:${seconds}${separator}${part(totalMs % 1000, 3)}`
}
