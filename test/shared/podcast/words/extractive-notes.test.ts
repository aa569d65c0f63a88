import { describe, expect, test } from 'vitest'

import { extractiveNotes } from '../../../../shared/podcast/words/extractive-notes.ts'
import { Notes } from '../../../../shared/podcast/words/notes.ts'
import { topicStarts } from '../../../../shared/podcast/words/topics.ts'
import type { Transcript } from '../../../../shared/podcast/words/transcript.ts'
import { seededRandom } from '../../seeded-random.ts'

/** Two subjects of equal length, a sentence every five seconds, a pause between them when asked. */
const GARDEN = [
  'The garden needs water every morning in summer.',
  'Tomatoes in the garden want sun and water.',
  'Good soil makes tomatoes sweet.',
  'Water the soil and not the tomatoes.',
  'A garden without soil is a floor.',
]
const SHIPS = [
  'The harbour was full of ships that winter.',
  'Captains of ships feared the harbour ice.',
  'Ice closed the harbour for the captains.',
  'Every ship waited while the ice grew.',
  'Captains told stories of ice and ships.',
]

function spoken(sentences: readonly string[], language = 'en', pauseAt?: number): Transcript {
  const words = sentences.flatMap((sentence, index) => {
    const fromMs = index * 5000 + (pauseAt !== undefined && index >= pauseAt ? 8000 : 0)
    const parts = sentence.split(' ')
    return parts.map((text, at) => ({
      text,
      startMs: Math.round(fromMs + (at * 4500) / parts.length),
      endMs: Math.round(fromMs + ((at + 1) * 4500) / parts.length),
    }))
  })
  const durationSeconds = (words.at(-1)?.endMs ?? 0) / 1000
  return { language, durationSeconds, text: sentences.join(' '), words }
}

const repeated = (sentences: readonly string[], times: number) => Array.from({ length: times }, () => sentences).flat()

describe('notes taken from a transcript', () => {
  test('are its own sentences and words, with chapters where the subject changes', async () => {
    const sentences = [...repeated(GARDEN, 5), ...repeated(SHIPS, 5)]
    const notes = Notes.parse(await extractiveNotes(spoken(sentences), undefined))
    for (const sentence of notes.description.split(/(?<=\.) /)) expect(sentences).toContain(sentence)
    expect(sentences.some((sentence) => sentence.startsWith(notes.title.replace('…', '')))).toBe(true)
    expect(notes.tags.map((tag) => tag.toLowerCase())).toEqual(expect.arrayContaining(['water', 'harbour', 'ice']))
    expect(notes.chapters).toHaveLength(2)
    expect(notes.chapters[0]?.startSeconds).toBe(0)
    expect(notes.chapters[1]?.startSeconds).toBeGreaterThan(110)
    expect(notes.chapters[1]?.startSeconds).toBeLessThan(140)
    expect(notes.chapters[1]?.title).toMatch(/harbour|ice|ship|captain/i)
  })

  test('keep the title the owner gave', async () => {
    expect((await extractiveNotes(spoken(GARDEN), 'My garden')).title).toBe('My garden')
  })

  test.each([
    ['de', ['Der Garten braucht im Sommer Wasser.', 'Der Garten und die Tomaten brauchen Sonne.'], 'Garten'],
    ['ja', ['庭には水が必要です。', '夏の庭にはトマトがあり、トマトは赤い。'], 'トマト'],
    ['xx', ['Zorb gleem zorb.', 'Zorb fnord zorb.'], 'Zorb'],
  ])('are taken in %s', async (language, sentences, tag) => {
    const notes = Notes.parse(await extractiveNotes(spoken(sentences, language), undefined))
    expect(notes.tags).toContain(tag)
    expect(notes.tags.map((one) => one.toLowerCase())).not.toContain('der')
  })

  test('come of a single word, and of ten thousand sentences in bounded time', async () => {
    expect(Notes.parse(await extractiveNotes(spoken(['Hm.']), undefined))).toMatchObject({ title: 'Hm' })
    const many = Array.from(
      { length: 10_000 },
      (_, index) => `Sentence ${index} speaks of topic${index % 97} and topic${index % 89}.`,
    )
    const notes = Notes.parse(await extractiveNotes(spoken(many), undefined))
    expect(notes.chapters.length).toBeLessThanOrEqual(12)
  })
})

describe('notes of texts that say little or nothing', () => {
  const textOf = (text: string): Transcript => {
    const parts = text.split(' ')
    const words = parts.map((part, index) => ({ text: part, startMs: index * 300, endMs: index * 300 + 250 }))
    return { language: 'en', durationSeconds: 600, text, words }
  }
  const PIECES = [
    '.',
    '…',
    '?!',
    '-->',
    '',
    ' ',
    '\u200B',
    '\u202E',
    '\0',
    '🎙️',
    '👩‍👩‍👧',
    '\uD83C',
    'a',
    'Ask',
    '不',
    '。',
    'ﷺ',
    '42',
    '<v x>',
  ]

  test.each([
    ['a full stop', '.'],
    ['emoji only', '🎙️🎧 👩‍👩‍👧‍👦'],
    ['one word of 60 kB', 'x'.repeat(60_000)],
    ['one emoji 40,000 times', '🎙'.repeat(40_000)],
    ['a thousand dots', '.'.repeat(1000)],
    ['what nobody can see', '\u200B \u2060 \u202E'],
    ['half an emoji', '\uD83C'],
    ['no words', ''],
  ])('are such as a reader accepts: %s', async (_name, text) => {
    for (const given of [undefined, '!!!', 'Given']) {
      const notes = await extractiveNotes(textOf(text), given)
      expect(Notes.parse(notes)).toEqual(notes)
      expect(notes.chapters.length).toBeGreaterThan(0)
      expect(JSON.stringify(notes)).not.toMatch(/\\ud[89a-f]/)
    }
    const { title } = await extractiveNotes({ ...textOf(text), words: [] }, undefined)
    expect(title).not.toBe('')
  })

  test('are such as a reader accepts, for 500 texts of odd pieces', async () => {
    const random = seededRandom(14)
    for (let run = 0; run < 500; run++) {
      const count = Math.floor(random() * 60)
      const pieces = Array.from({ length: count }, () => PIECES[Math.floor(random() * PIECES.length)] ?? '')
      const text = pieces.join(random() < 0.7 ? ' ' : '')
      const notes = await extractiveNotes(textOf(text), random() < 0.2 ? '…' : undefined)
      expect({ text, notes: Notes.safeParse(notes).data }).toEqual({ text, notes })
    }
  })
})

describe('a chapter', () => {
  const plain = (count: number, pauseAt?: number) =>
    Array.from({ length: count }, (_, index) => {
      const startMs = index * 5000 + (pauseAt !== undefined && index >= pauseAt ? 8000 : 0)
      return { startMs, endMs: startMs + 4500, terms: ['same', 'words'] }
    })

  test('begins at a long pause, even where the words stay the same', () => {
    expect(topicStarts(plain(60, 30), 310)).toEqual([0, 30])
  })

  test('does not begin where nothing changes, nor near the start or the end', () => {
    expect(topicStarts(plain(60), 300)).toEqual([0])
    expect(topicStarts(plain(60, 3), 310)).toEqual([0])
    expect(topicStarts(plain(60, 57), 310)).toEqual([0])
    expect(topicStarts([], 10)).toEqual([])
  })
})
