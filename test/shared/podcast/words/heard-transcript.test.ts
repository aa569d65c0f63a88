import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { HeardWord } from '../../../../shared/podcast/ports.ts'
import { heardTranscript } from '../../../../shared/podcast/words/heard-transcript.ts'
import { Transcript } from '../../../../shared/podcast/words/transcript.ts'

const WORDS = [
  { text: 'Hello', startMs: 100, endMs: 400, speaker: 'A' },
  { text: 'there.', startMs: 500, endMs: 900, speaker: 'A' },
]
const HEARD = { language: 'en', durationSeconds: 11, text: 'Hello there.', words: WORDS }
const RECORDING = { language: 'en-GB', measuredSeconds: 10.6, secondsMax: 500 }
const wordsAt = (...times: [startMs: number, endMs: number][]): HeardWord[] =>
  times.map(([startMs, endMs]) => ({ text: 'word', startMs, endMs }))

describe('the length of a recording', () => {
  test.each<[string, theirs: number | undefined, measured: number | undefined, seconds: number]>([
    ['is ours where the provider only rounds', 11, 10.6, 10.6],
    ["is the provider's where a header tells half of it", 120, 60.2, 120],
    ["is the provider's where the file does not say", 11, undefined, 11],
    ['is ours where the provider says nothing', undefined, 10.6, 10.6],
    ['ends with the last word where nobody knows', undefined, undefined, 0.9],
    ['is ours where the provider says what the bytes cannot be', 2 ** 32, 10.6, 10.6],
    ['is what the bytes can be where the header lies, too', 2 ** 32, 50_000, 500],
  ])('%s', (_name, durationSeconds, measuredSeconds, seconds) => {
    const transcript = heardTranscript({ ...HEARD, durationSeconds }, { ...RECORDING, measuredSeconds })
    expect(transcript?.durationSeconds).toBe(seconds)
  })

  test('is that of what was said in it when the provider rounds down', () => {
    const heard = { ...HEARD, durationSeconds: 1, words: wordsAt([0, 1400]) }
    expect(heardTranscript(heard, { ...RECORDING, measuredSeconds: undefined })?.durationSeconds).toBe(1.4)
  })
})

describe('words', () => {
  test('are clipped to the recording and put in order', () => {
    const heard = { ...HEARD, durationSeconds: undefined, words: wordsAt([500, 300], [-80, 40], [9000, 99_000_000]) }
    const transcript = heardTranscript(heard, { ...RECORDING, measuredSeconds: 10 })
    expect(transcript?.words.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([
      [0, 40],
      [500, 500],
      [9000, 11_500],
    ])
  })

  test('lose what no reader may get', () => {
    const words = [
      { text: 'a\u0000b\u202Ec', startMs: 0, endMs: 1 },
      { text: '\u2069', startMs: 1, endMs: 2 },
    ]
    expect(heardTranscript({ ...HEARD, words }, RECORDING)?.words).toEqual([{ text: 'a b c', startMs: 0, endMs: 1 }])
  })

  test('and the names of their speakers are no longer than those of a transcript by hand', () => {
    const words = [{ text: 'w'.repeat(100_000), startMs: 0, endMs: 1, speaker: `S\n${'p'.repeat(100_000)}` }]
    const [word] = heardTranscript({ ...HEARD, words }, RECORDING)?.words ?? []
    expect(word?.text).toHaveLength(1000)
    expect(word?.speaker).toMatch(/^S p{58}$/)
  })

  test('are as many as a transcript by hand has, and as long together', () => {
    const many = Array.from({ length: 300_000 }, () => ({ text: 'w', startMs: 0, endMs: 1 }))
    const long = Array.from({ length: 20_000 }, () => ({ text: 'w'.repeat(999), startMs: 0, endMs: 1 }))
    expect(heardTranscript({ ...HEARD, words: many }, RECORDING)?.words).toHaveLength(250_000)
    const text = 'w'.repeat(20_000_000)
    const heard = heardTranscript({ ...HEARD, text, words: long }, RECORDING)
    expect(heard?.words).toHaveLength(5242)
    expect(heard?.text).toHaveLength(5 * 1024 * 1024)
  })

  test('that are missing are laid over the text, and said to be estimated', () => {
    const transcript = heardTranscript({ ...HEARD, words: [] }, RECORDING)
    expect(transcript).toMatchObject({ estimated: true, text: 'Hello there.', durationSeconds: 10.6 })
    expect(transcript?.words.map(({ text }) => text)).toEqual(['Hello', 'there.'])
    expect(transcript?.words.at(-1)?.endMs).toBe(10_600)
  })
})

describe('nothing was said', () => {
  test.each<[string, string, HeardWord[]]>([
    ['no word, no text', '', []],
    ['blanks', '  \n', []],
    ['punctuation', '. , …', []],
    [
      'words of punctuation',
      '. ♪',
      [
        { text: '.', startMs: 0, endMs: 1 },
        { text: '♪', startMs: 2, endMs: 3 },
      ],
    ],
    ['empty words', '', [{ text: '', startMs: 0, endMs: 1 }]],
  ])('%s', (_name, text, words) => {
    expect(heardTranscript({ ...HEARD, text, words }, RECORDING)).toBeUndefined()
  })
})

describe('the language', () => {
  test.each([
    ['is what its owner said', 'zh-Hant-TW', 'zh', 'zh-Hant-TW'],
    ['is what was heard when that was asked for', 'auto', 'fr', 'fr'],
    ['is nobody’s when nothing was heard', 'auto', undefined, 'und'],
  ])('%s', (_name, said, heard, language) => {
    const transcript = heardTranscript({ ...HEARD, language: heard }, { ...RECORDING, language: said })
    expect(transcript?.language).toBe(language)
  })
})

test('whatever is heard is a transcript that can be read again, or none', () => {
  const times = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -1, 0))
  const word = fc.record({ text: fc.string({ unit: 'binary' }), startMs: times, endMs: times })
  const seconds = fc.option(fc.double({ min: 1e-9, max: 1e6, noNaN: true }), { nil: undefined })
  const heard = fc.record({
    language: fc.constant('en'),
    durationSeconds: seconds,
    text: fc.string({ unit: 'binary' }),
    words: fc.array(word),
  })
  fc.assert(
    fc.property(heard, seconds, (what, measuredSeconds) => {
      const transcript = heardTranscript(what, { language: 'en', measuredSeconds, secondsMax: 1_000 })
      if (transcript === undefined) return
      expect(Transcript.parse(JSON.parse(JSON.stringify(transcript)))).toEqual(transcript)
      const endMs = transcript.durationSeconds * 1000
      expect(transcript.words.filter((one) => one.startMs > one.endMs || one.endMs > endMs)).toEqual([])
    }),
    { verbose: 1 },
  )
})
