import { describe, expect, test } from 'vitest'

import { readCueText } from '../../../../shared/podcast/words/captions/cue-text.ts'
import { extractiveNotes } from '../../../../shared/podcast/words/extractive-notes.ts'
import { transcriptFrom } from '../../../../shared/podcast/words/hand-transcript.ts'
import { heardTranscript } from '../../../../shared/podcast/words/heard-transcript.ts'
import { readHandTranscript } from '../../../../shared/podcast/words/read-hand-transcript.ts'
import { readNotes } from '../../../../shared/podcast/words/read-notes.ts'
import { cleanLine, cleanParagraphs, clipText, fileNameOf } from '../../../../shared/podcast/words/text.ts'
import { sentencesOf, toSrt, toVtt } from '../../../../shared/podcast/words/transcript.ts'
import { redact } from '../../../../shared/telemetry/redact.ts'
import { processorMs } from '../../processor-time.ts'
import { STEEP_TEXTS } from './steep-texts.ts'

const LENGTH_SECONDS = 11
const wordsOf = (text: string) =>
  text.split(' ').map((word, index) => ({ text: word, startMs: index, endMs: index + 1 }))
const spokenIn = (text: string) => ({ language: 'en', durationSeconds: LENGTH_SECONDS, text, words: wordsOf(text) })
const HEARD = { language: 'auto', measuredSeconds: LENGTH_SECONDS, secondsMax: LENGTH_SECONDS }
const orRefused = (read: () => unknown) => {
  try {
    read()
  } catch {
    // What is refused has been looked at as well.
  }
}
const byHand = (type: string, frame: (text: string) => string) => (text: string) =>
  orRefused(() => transcriptFrom(readHandTranscript(type, Buffer.from(frame(text))), LENGTH_SECONDS, 'en'))
const cue = (text: string) => `00:00:01.000 --> 00:00:02.000\n${text}\n`

/** Everything that a person's text, or a model's, is computed on with. */
const FUNCTIONS: Record<string, (text: string) => unknown> = {
  'plain text': byHand('text/plain', (text) => text),
  WebVTT: byHand('text/vtt', (text) => `WEBVTT\n\n${cue(text)}`),
  'settings of WebVTT': byHand('text/vtt', (text) => `WEBVTT\n\n00:01.000 --> 00:02.000 ${text}\nx`),
  'the head of WebVTT': byHand('text/vtt', (text) => `WEBVTT\n${text}\n\n${cue('x')}`),
  SubRip: byHand('application/x-subrip', (text) => `1\n${cue(text)}`),
  'what stands before SubRip': byHand('application/x-subrip', (text) => `${text}\n1\n${cue('x')}`),
  JSON: byHand('application/json', (text) => text),
  'JSON of a text': byHand('application/json', (text) => JSON.stringify({ text })),
  'the words of a caption': readCueText,
  'show notes without a writer': (text) => extractiveNotes(spokenIn(text), undefined),
  'show notes by a writer': (text) => orRefused(() => readNotes(text, { title: 'x', description: 'x' })),
  'what was heard': (text) => heardTranscript({ ...spokenIn(text), language: 'en' }, HEARD),
  'the speaker of a word': (text) =>
    heardTranscript({ ...spokenIn('x'), words: [{ text, startMs: 0, endMs: 1, speaker: text }] }, HEARD),
  'a line of the log': redact,
  'a line': cleanLine,
  paragraphs: cleanParagraphs,
  'a beginning': (text) => clipText(text, 4000),
  'a file name': (text) => fileNameOf(text, 'mp3'),
  sentences: (text) => sentencesOf(wordsOf(text)),
  'captions as WebVTT': (text) => toVtt(wordsOf(text)),
  'captions as SubRip': (text) => toSrt(wordsOf(text)),
}

const CHARS = 20_000
const TIMES = 16
/** Of the processor time, at so many times the length: linear work takes 16, the rest is for what sorting and memory add. */
const GROWTH_MAX = 40
/** Less than this cannot be told from the machine's own moods; what grew with the square would take far more. */
const MS_MIN = 60

describe('time in proportion to the length of a text is all that is taken', () => {
  test.each(Object.entries(FUNCTIONS))('by %s', async (_name, compute) => {
    const steep: string[] = []
    for (const [kind, textOf] of Object.entries(STEEP_TEXTS)) {
      const growth = await growthOf(compute, textOf)
      if (growth > GROWTH_MAX) steep.push(`${kind}: ${growth.toFixed(0)} times as long for ${TIMES} times the length`)
    }
    expect(steep).toEqual([])
  })
})

/** A machine that does other work as well may be slow once: what is steep is so each time. */
const LOOKS_MAX = 4

/** How many times as long it takes for so many times the length; 0 where it is too short to tell. */
async function growthOf(compute: (text: string) => unknown, textOf: (chars: number) => string): Promise<number> {
  const [small, large] = [textOf(CHARS), textOf(TIMES * CHARS)]
  let [smallMs, largeMs] = [0, Infinity]
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    smallMs = Math.max(smallMs, await processorMs(() => compute(small)), MS_MIN / GROWTH_MAX)
    largeMs = Math.min(largeMs, await processorMs(() => compute(large)))
    if (largeMs < MS_MIN) return 0
    if (largeMs / smallMs < GROWTH_MAX) break
  }
  return largeMs / smallMs
}
