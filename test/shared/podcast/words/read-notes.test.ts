import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { Notes } from '../../../../shared/podcast/words/notes.ts'
import { readNotes } from '../../../../shared/podcast/words/read-notes.ts'
import { processorMs } from '../../processor-time.ts'

const GOOD = {
  title: 'Why lighthouses still matter',
  description: 'Ada and Bo talk about keepers, lamps and the sea.',
  chapters: [
    { startSeconds: 0, title: 'Hello' },
    { startSeconds: 62.5, title: 'The keepers' },
  ],
  tags: ['lighthouses', 'the sea'],
}
const SPARE = { title: 'Episode 7', description: 'Welcome to the show.' }
const JSON_TEXT = JSON.stringify(GOOD)

const read = (value: unknown) => readNotes(typeof value === 'string' ? value : JSON.stringify(value), SPARE)
const chaptersOf = (...chapters: unknown[]) => read({ ...GOOD, chapters })?.chapters
const startsOf = (...starts: unknown[]) =>
  chaptersOf(...starts.map((startSeconds, index) => ({ startSeconds, title: `c${index}` })))?.map(
    ({ startSeconds }) => startSeconds,
  )

describe('what is around the notes', () => {
  test.each([
    ['nothing', JSON_TEXT],
    ['a code fence', `\`\`\`json\n${JSON_TEXT}\n\`\`\``],
    ['a code fence that was not closed', `\`\`\`\n${JSON_TEXT}`],
    ['a byte order mark', `\uFEFF${JSON_TEXT}`],
    ['words', `Here are the notes {as you asked}:\n${JSON_TEXT}\nLet me know what you think! {}`],
    ['another object', `{"plan": ["read", "write"]}\n${JSON_TEXT}`],
    ['a list', `[${JSON_TEXT}]`],
    ['an envelope', `{"notes": ${JSON_TEXT}}`],
    ['the same once more', `${JSON_TEXT}\n${JSON_TEXT}`],
  ])('is left out: %s', (_around, text) => {
    expect(read(text)).toEqual(GOOD)
  })

  test.each([
    ['a comma too many', JSON_TEXT.replace(']', ',]')],
    ['a comma too few', JSON_TEXT.replace('","', '" "')],
    ['a raw line break in a text', JSON_TEXT.replace('Why ', 'Why\n')],
    ['an escape that there is not', JSON_TEXT.replace('Hello', String.raw`H\ello`)],
    ['an escaped character', JSON_TEXT.replace('Hello', String.raw`\u0048ello`)],
  ])('is read although it has %s', (_fault, text) => {
    expect(read(`x ${text}`)).toEqual(GOOD)
  })

  test('keeps the paragraphs of a description, escaped or not', () => {
    expect(read(String.raw`{"title": "T", "description": "one\n\ntwo"}`)?.description).toBe('one\n\ntwo')
    expect(read('{"title": "T", "description": "one\n\ntwo"}')?.description).toBe('one\n\ntwo')
  })

  test('may be cut off: what was complete by then is used', () => {
    expect(read(JSON_TEXT.slice(0, JSON_TEXT.indexOf(' and the sea')))?.description).toBe(SPARE.description)
    const inChapters = JSON_TEXT.slice(0, JSON_TEXT.indexOf('62.5') + 2)
    expect(read(inChapters)).toEqual({ ...GOOD, chapters: GOOD.chapters.slice(0, 1), tags: [] })
    expect(read('{"title": "Why ligh')).toBeUndefined()
  })
})

describe('what is in the notes', () => {
  test.each([
    ['an empty tag', { tags: ['lighthouses', '', ' \u200B ', 'the sea'] }, GOOD],
    ['tags of null', { tags: null }, { ...GOOD, tags: [] }],
    ['no tags', { tags: undefined }, { ...GOOD, tags: [] }],
    ['tags in one text', { tags: '#lighthouses, the sea' }, GOOD],
    ['a tag twice', { tags: ['lighthouses', '#Lighthouses', 'the sea'] }, GOOD],
    ['a number for a tag', { tags: [2026, {}, null] }, { ...GOOD, tags: ['2026'] }],
    ['chapters of null', { chapters: null }, { ...GOOD, chapters: [] }],
    ['a chapter without a title', { chapters: [...GOOD.chapters, { startSeconds: 90, title: ' ' }, null, 7] }, GOOD],
    ['what we did not ask for', { mood: 'calm', chapters: GOOD.chapters.map((each) => ({ ...each, end: 1 })) }, GOOD],
    ['no title', { title: ' \u0000 ' }, { ...GOOD, title: SPARE.title }],
    ['no description', { description: null }, { ...GOOD, description: SPARE.description }],
  ])('is used although there is %s', (_fault, change, expected) => {
    expect(read({ ...GOOD, ...change })).toEqual(expected)
  })

  test('is of use as soon as there is a title, a description or a chapter, and not before', () => {
    expect(read({ title: 'T' })).toEqual({ ...SPARE, title: 'T', chapters: [], tags: [] })
    expect(read({ description: 'D. And more.' })).toEqual({
      ...SPARE,
      description: 'D. And more.',
      chapters: [],
      tags: [],
    })
    expect(read({ chapters: [{ startSeconds: 0, title: 'C' }] })).toMatchObject(SPARE)
    for (const text of ['', '{}', 'null', '"x"', '[]', '{"tags": ["a"]}', 'I cannot help with that.', '{"title": {}}'])
      expect([text, read(text)]).toEqual([text, undefined])
  })

  test('gives a title where nobody has given one', () => {
    const unnamed = { title: '', description: '' }
    expect(readNotes(JSON.stringify({ description: 'First one. And more.' }), unnamed)?.title).toBe('First one.')
    expect(readNotes(JSON.stringify({ chapters: [{ startSeconds: 0, title: 'C' }] }), unnamed)).toEqual({
      title: 'C',
      description: 'C',
      chapters: [{ startSeconds: 0, title: 'C' }],
      tags: [],
    })
  })

  test('is clipped where there is too much of it', () => {
    const flood = read({
      title: '👩\u200D👩\u200D👦'.repeat(100),
      description: 'word '.repeat(5000),
      chapters: Array.from({ length: 300 }, (_unused, index) => ({ startSeconds: index, title: 'c'.repeat(999) })),
      tags: Array.from({ length: 21 }, (_unused, index) => `tag ${index} ${'x'.repeat(99)}`),
    })
    expect(flood?.title).toBe('👩\u200D👩\u200D👦'.repeat(25))
    expect(flood?.description.length).toBeLessThanOrEqual(4000)
    expect(flood?.chapters).toHaveLength(100)
    expect(flood?.tags).toHaveLength(20)
  })

  test('loses what must never be shown', () => {
    expect(read(String.raw`{"title": "a\u0000b\u202Ec\ud83d", "description": "x\u2066y\r\nz"}`)).toMatchObject({
      title: 'a bc',
      description: 'xy\nz',
    })
  })
})

describe('the time of a chapter', () => {
  test.each([
    [60, 60],
    ['60', 60],
    ['60.5 s', 60.5],
    ['12:30', 750],
    ['00:12:30', 750],
    ['01:00:00', 3600],
    ['00:12:30,500', 750.5],
    [' 90:00 ', 5400],
  ])('%j is %j s', (given, seconds) => {
    expect(startsOf(0, given)).toEqual([0, seconds])
  })

  test.each([[-1], [null], ['soon'], [''], ['1:2:3:4'], [{}], [true], ['-5']])('%j is none', (given) => {
    expect(startsOf(0, given, 9)).toEqual([0, 9])
    // The first chapter begins where the episode does.
    expect(startsOf(given, 9)).toEqual([0, 9])
  })

  test('is in order, and each only once', () => {
    expect(
      chaptersOf({ startSeconds: 9, title: 'b' }, { startSeconds: '0', title: 'a' }, { startSeconds: 9, title: 'c' }),
    ).toEqual([
      { startSeconds: 0, title: 'a' },
      { startSeconds: 9, title: 'b' },
    ])
  })
})

describe('whatever is answered', () => {
  const odd = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      undefined,
      '',
      -1,
      Infinity,
      '00:12:30',
      '\uD83D',
      '\u202E\u0000',
      [],
      {},
      [null],
      true,
    ),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.double(),
    fc.jsonValue({ maxDepth: 3 }),
  )
  const chapter = fc.record({ startSeconds: odd, title: odd }, { requiredKeys: [] })
  const answer = fc
    .record(
      {
        title: fc.oneof(fc.constant(GOOD.title), odd),
        description: fc.oneof(fc.constant(GOOD.description), odd),
        chapters: fc.oneof(fc.array(fc.oneof(chapter, odd), { maxLength: 120 }), odd),
        tags: fc.oneof(fc.array(odd, { maxLength: 30 }), odd),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value))
  /** A text with a piece cut out, doubled or exchanged. */
  const damaged = fc
    .tuple(fc.oneof(answer, fc.constant(JSON_TEXT)), fc.nat(), fc.nat(40), fc.string({ unit: 'binary', maxLength: 10 }))
    .map(([text, at, length, piece]) => {
      const from = at % (text.length + 1)
      return text.slice(0, from) + piece + text.slice(from + length)
    })

  test('what is read of it is as it is stored, and nothing is thrown', () => {
    let usable = 0
    fc.assert(
      fc.property(fc.oneof(answer, damaged, fc.string({ unit: 'binary' })), (text) => {
        const notes = readNotes(text, SPARE)
        if (notes === undefined) return
        usable++
        expect(Notes.parse(JSON.parse(JSON.stringify(notes)))).toEqual(notes)
        expect(Object.keys(notes)).toEqual(['title', 'description', 'chapters', 'tags'])
      }),
      { verbose: 1, numRuns: 3000 },
    )
    expect(usable).toBeGreaterThan(1000)
  })

  test('what was good in a damaged answer is never changed', () => {
    fc.assert(
      fc.property(fc.nat(JSON_TEXT.length), (end) => {
        const notes = readNotes(JSON_TEXT.slice(0, end), SPARE)
        if (notes === undefined) return
        expect([GOOD.title]).toContain(notes.title)
        expect([GOOD.description, SPARE.description]).toContain(notes.description)
        expect(GOOD.chapters.slice(0, notes.chapters.length)).toEqual(notes.chapters)
        expect(GOOD.tags.slice(0, notes.tags.length)).toEqual(notes.tags)
      }),
      { verbose: 1, numRuns: 300 },
    )
  })

  test.each([
    ['braces', '{'.repeat(1_000_000)],
    ['nested lists', `{"title":${'['.repeat(1_000_000)}`],
    ['nested objects', '{"a":'.repeat(200_000)],
    ['quotes', '{"'.repeat(500_000)],
    ['backslashes', `{"title": "${'\\'.repeat(1_000_001)}`],
    ['joiners', JSON.stringify({ title: `a${'\u200D'.repeat(500_000)}b`, description: '\u200D '.repeat(250_000) })],
    ['accents', JSON.stringify({ title: `a${'\u0301'.repeat(1_000_000)}` })],
    ['digits', `{"chapters": [{"startSeconds": ${'9'.repeat(1_000_000)}, "title": "c"}]}`],
    ['a time', JSON.stringify({ chapters: [{ startSeconds: '1'.repeat(1_000_000), title: 'c' }] })],
    ['line breaks', JSON.stringify({ title: 'T', description: `${'\n'.repeat(500_000)}x${' '.repeat(500_000)}` })],
    ['spaces', `{"title"${' '.repeat(1_000_000)}`],
    ['tags', JSON.stringify({ title: 'T', tags: ','.repeat(500_000) })],
  ])('two megabytes of %s take no longer than they should', async (_what, text) => {
    expect(await processorMs(() => readNotes(text, SPARE))).toBeLessThan(5000)
  })
})
