import { TITLE_DEFAULT } from '../defaults.ts'
import { Notes } from './notes.ts'
import { countsOf, termsOf } from './terms.ts'
import { cleanLine, withoutEnd } from './text.ts'
import { topicStarts } from './topics.ts'
import { sentencesOf } from './transcript.ts'
import type { Sentence, Transcript, Word } from './transcript.ts'

const SUMMARY_SENTENCES = 3
const SUMMARY_CHARS_MAX = 700
/** Sentences beyond these are sampled evenly: what an episode is about does not hide in the last of ten thousand. */
const SENTENCES_MAX = 2000
const TITLE_CHARS_MAX = 70
const CHAPTER_TITLE_CHARS_MAX = 60
const TAGS_MAX = 8
/** A longer term is a stretch of text without spaces. */
const TAG_CHARS_MAX = 40
/** Shorter sentences greet and agree. */
const TELLING_TERMS_MIN = 2

/**
 * Show notes made of the transcript alone, for when nobody can be asked: its most telling sentences (SumBasic: Nenkova
 * and Vanderwende, 2005), its most frequent terms, and chapters where the words or a pause say that the subject changes.
 * Whatever the words are, or are not, nothing of it is empty.
 * @param givenTitle what the owner called the episode, if anything
 */
export async function extractiveNotes(transcript: Transcript, givenTitle: string | undefined): Promise<Notes> {
  const terms = await termsOf(transcript.language)
  const words = transcript.words.flatMap(readableWord)
  const said = sentencesOf(words).filter(({ text }) => saysSomething(text))
  const sentences = sampleEvenly(said).map((sentence) => ({ ...sentence, terms: terms(sentence.text) }))
  const frequency = countsOf(sentences.flatMap((sentence) => sentence.terms))
  const telling = summarySentences(sentences, frequency, SUMMARY_SENTENCES)
  const [first] = telling.toSorted((a, b) => b.score - a.score)
  const text = cleanLine(transcript.text)
  const opening = [first?.text, sentences[0]?.text, text].find((one) => one && saysSomething(one)) ?? TITLE_DEFAULT
  const title = givenTitle ?? clip(opening, TITLE_CHARS_MAX)
  return Notes.parse({
    title,
    description: description(telling.map((sentence) => sentence.text)) || clip(text, SUMMARY_CHARS_MAX) || title,
    chapters: chapters(sentences, transcript.durationSeconds, frequency, opening),
    tags: tagsOf(sentences, frequency),
  })
}

/** What a reader can see of a word; nothing where that is all invisible. */
function readableWord(word: Word): Word[] {
  const text = cleanLine(word.text)
  return text === '' ? [] : [{ ...word, text }]
}

/** Whether a text has anything but punctuation. */
function saysSomething(text: string): boolean {
  return /[\p{L}\p{N}\p{S}]/u.test(text)
}

type Termed = Sentence & { terms: string[] }

function sampleEvenly(sentences: Sentence[]): Sentence[] {
  if (sentences.length <= SENTENCES_MAX) return sentences
  const stride = sentences.length / SENTENCES_MAX
  return Array.from({ length: SENTENCES_MAX }, (_unused, index) => sentences[Math.floor(index * stride)]).filter(
    (sentence) => sentence !== undefined,
  )
}

/** The sentences whose terms come up most, each time less for what is said already; in the order they were spoken. */
function summarySentences(
  sentences: readonly Termed[],
  frequency: ReadonlyMap<string, number>,
  count: number,
): (Termed & { score: number })[] {
  const total = [...frequency.values()].reduce((sum, one) => sum + one, 0)
  const weight = new Map([...frequency].map(([term, times]) => [term, times / Math.max(1, total)]))
  const candidates = sentences.filter((sentence) => sentence.terms.length >= TELLING_TERMS_MIN)
  const left = new Set(candidates.length > 0 ? candidates : sentences)
  const chosen: (Termed & { score: number })[] = []
  while (chosen.length < count && left.size > 0) {
    let best: (Termed & { score: number }) | undefined
    let from: Termed | undefined
    for (const sentence of left) {
      const sum = sentence.terms.reduce((all, term) => all + (weight.get(term) ?? 0), 0)
      const score = sentence.terms.length === 0 ? 0 : sum / sentence.terms.length
      if (best === undefined || score > best.score) [best, from] = [{ ...sentence, score }, sentence]
    }
    if (best === undefined || from === undefined) break
    left.delete(from)
    chosen.push(best)
    for (const term of best.terms) weight.set(term, (weight.get(term) ?? 0) ** 2)
  }
  return chosen.toSorted((a, b) => a.startMs - b.startMs)
}

function description(sentences: readonly string[]): string {
  let text = ''
  for (const sentence of sentences) {
    if (text.length + sentence.length > SUMMARY_CHARS_MAX) break
    text = text === '' ? capitalise(sentence) : `${text} ${capitalise(sentence)}`
  }
  return text || clip(sentences[0] ?? '', SUMMARY_CHARS_MAX)
}

function chapters(
  sentences: readonly Termed[],
  durationSeconds: number,
  frequency: ReadonlyMap<string, number>,
  opening: string,
): Notes['chapters'] {
  const starts = topicStarts(sentences, durationSeconds)
  const parts = starts.map((start, index) => sentences.slice(start, starts[index + 1] ?? sentences.length))
  const found = parts.map((part, index) => ({
    startSeconds: index === 0 ? 0 : (part[0]?.startMs ?? 0) / 1000,
    title: clip(summarySentences(part, frequency, 1)[0]?.text ?? opening, CHAPTER_TITLE_CHARS_MAX),
  }))
  return found.length > 0 ? found : [{ startSeconds: 0, title: clip(opening, CHAPTER_TITLE_CHARS_MAX) }]
}

/** The terms that come up most, as they are spelled most often; the longer first among equals. */
function tagsOf(sentences: readonly Termed[], frequency: ReadonlyMap<string, number>): string[] {
  const short = [...frequency].filter(([term]) => term.length <= TAG_CHARS_MAX)
  const ranked = short.toSorted(([a, x], [b, y]) => y - x || b.length - a.length)
  const often = ranked.filter(([, times]) => times > 1)
  return (often.length >= TAGS_MAX / 2 ? often : ranked)
    .slice(0, TAGS_MAX)
    .map(([term]) => usualSpelling(term, sentences))
}

function usualSpelling(term: string, sentences: readonly Termed[]): string {
  const forms = sentences.flatMap(
    ({ text }) => text.match(new RegExp(`(?<!\\p{L})${RegExp.escape(term)}(?!\\p{L})`, 'giu')) ?? [],
  )
  return [...countsOf(forms)].toSorted(([, x], [, y]) => y - x)[0]?.[0] ?? term
}

/** Cut between words, without what a cut leaves hanging; empty when the text is nothing but punctuation. */
function clip(text: string, charsMax: number): string {
  const whole = capitalise(text.trim())
  if (!saysSomething(whole)) return ''
  if (whole.length <= charsMax) return whole.replace(/[.,;:]$/, '')
  const cut = whole.slice(0, charsMax)
  const kept = cut.slice(0, Math.max(cut.lastIndexOf(' '), charsMax / 2))
  return `${withoutEnd(kept.replace(/[\uD800-\uDBFF]$/, ''), /[\s.,;:–-]/)}…`
}

function capitalise(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
