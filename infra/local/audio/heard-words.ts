import { createHash } from 'node:crypto'

import { STAND_IN_NOTICE } from '../providers/stand-in.ts'

/** A word as a stand-in hears it: times in whole milliseconds. */
export type SpokenWord = { text: string; start: number; end: number; confidence: number; speaker: string | null }

/** SHA-256 of test/fixtures/speech.flac. */
const FIXTURE_SHA256 = '63a4b1e4c1dc655ac70961ffbf518acd249df237e5a0152faae9a4a836949715'

/** What is really said in the fixture (John F. Kennedy, inaugural address, 1961); times placed by its energy envelope. */
const FIXTURE_WORDS: readonly Spoken[] = [
  ['And', 330, 540],
  ['so,', 660, 980],
  ['my', 990, 1160],
  ['fellow', 1180, 1480],
  ['Americans,', 1500, 2110],
  ['ask', 3290, 3700],
  ['not', 4010, 4300],
  ['what', 5420, 5620],
  ['your', 5650, 5830],
  ['country', 5840, 6130],
  ['can', 6170, 6400],
  ['do', 6450, 6840],
  ['for', 6950, 7170],
  ['you,', 7190, 7530],
  ['ask', 8190, 8490],
  ['what', 8620, 8770],
  ['you', 8890, 9080],
  ['can', 9120, 9320],
  ['do', 9340, 9590],
  ['for', 9610, 9760],
  ['your', 9770, 9950],
  ['country.', 9960, 10600],
]

/** Said about a recording whose words nobody here can hear. */
const FILLER_SENTENCES = [
  `This transcript was ${STAND_IN_NOTICE}.`,
  'Its words are not those of the recording.',
  'Their times cover the whole of it, as those of a real transcript would.',
  'Put the real key of a transcriber into the environment to read what was said.',
  'Everything that follows from a transcript works the same with this one.',
  'Captions, chapters and show notes are made from it.',
]
const WORD_MS = 340
const GAP_MS = 60
const SENTENCE_PAUSE_MS = 650
const LEAD_MS = 200

/**
 * The words of a recording: the true ones of the fixture, filler over the clip's whole duration for any other.
 * @param namesSpeakers whether each word says who spoke it
 */
export function transcribeAudio(audio: Uint8Array, durationSeconds: number, namesSpeakers: boolean): SpokenWord[] {
  const hash = createHash('sha256').update(audio).digest('hex')
  const spoken = hash === FIXTURE_SHA256 ? FIXTURE_WORDS : filler(durationSeconds * 1000)
  return spoken.map(([text, start, end, speaker = 'A']) => {
    return { text, start, end, confidence: 0.97, speaker: namesSpeakers ? speaker : null }
  })
}

type Spoken = readonly [text: string, startMs: number, endMs: number, speaker?: string]

/** Two voices that take turns. */
function filler(durationMs: number): Spoken[] {
  const words: Spoken[] = []
  let atMs = LEAD_MS
  for (let sentence = 0; atMs + WORD_MS <= durationMs; sentence++) {
    for (const text of (FILLER_SENTENCES[sentence % FILLER_SENTENCES.length] ?? '').split(' ')) {
      if (atMs + WORD_MS > durationMs) break
      words.push([text, Math.round(atMs), Math.round(atMs + WORD_MS), sentence % 2 === 0 ? 'A' : 'B'])
      atMs += WORD_MS + GAP_MS
    }
    atMs += SENTENCE_PAUSE_MS
  }
  return words
}
