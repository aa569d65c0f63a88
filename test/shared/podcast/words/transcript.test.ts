import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebVTTParser } from 'webvtt-parser'

import { cues, shiftTranscript, toSrt, toVtt } from '../../../../shared/podcast/words/transcript.ts'
import type { Word } from '../../../../shared/podcast/words/transcript.ts'

const anyWords: fc.Arbitrary<Word[]> = fc
  .array(
    fc.record({
      text: fc.oneof(
        fc.string({ minLength: 1, maxLength: 12 }).map((text) => text.replace(/\s/g, '') || 'x'),
        fc.constantFrom('-->', '<b>', '&amp;', 'end.'),
      ),
      gapMs: fc.nat(2000),
      lengthMs: fc.nat(1500),
    }),
    { maxLength: 60 },
  )
  .map((words) => {
    let atMs = 0
    return words.map(({ text, gapMs, lengthMs }) => {
      const startMs = atMs + gapMs
      atMs = startMs + lengthMs
      return { text, startMs, endMs: atMs }
    })
  })

/** SubRip as players read it: numbered blocks, times in order. */
function parseSrt(srt: string): { startMs: number; endMs: number }[] {
  const toMs = (clock: string) => {
    const [hours = 0, minutes = 0, seconds = 0, ms = 0] = clock.split(/[:,]/).map(Number)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
  }
  return srt
    .split('\n\n')
    .filter((block) => block.trim() !== '')
    .map((block, index) => {
      const [number, times = '', ...text] = block.trimEnd().split('\n')
      expect(number).toBe(String(index + 1))
      const [, from = '', to = ''] = /^(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})$/.exec(times) ?? []
      expect(text.length).toBeGreaterThan(0)
      return { startMs: toMs(from), endMs: toMs(to) }
    })
}

describe('captions', () => {
  test('are valid WebVTT whatever the words are', () => {
    fc.assert(
      fc.property(anyWords, (words) => {
        const { errors, cues: parsed } = new WebVTTParser().parse(toVtt(words))
        expect(errors).toEqual([])
        expect(parsed.length).toBe(cues(words).length)
      }),
      { verbose: 1 },
    )
  })

  test('are valid SubRip, in order and without overlap', () => {
    fc.assert(
      fc.property(anyWords, (words) => {
        const parsed = parseSrt(toSrt(words))
        for (const [index, cue] of parsed.entries()) {
          expect(cue.endMs).toBeGreaterThan(cue.startMs)
          expect(cue.startMs).toBeGreaterThanOrEqual(parsed[index - 1]?.endMs ?? 0)
        }
        expect(parsed.length).toBe(cues(words).length)
      }),
      { verbose: 1 },
    )
  })

  test('break at the end of a sentence and at a pause', () => {
    const words = [
      { text: 'One', startMs: 0, endMs: 200 },
      { text: 'sentence.', startMs: 250, endMs: 600 },
      { text: 'Another', startMs: 650, endMs: 900 },
      { text: 'later', startMs: 3000, endMs: 3300 },
    ]
    expect(cues(words).map(({ text }) => text)).toEqual(['One sentence.', 'Another', 'later'])
  })

  test('cannot be broken out of by what somebody said', () => {
    expect(toVtt([{ text: '<c.x>-->&', startMs: 0, endMs: 500 }])).toContain('&lt;c.x&gt;--&gt;&amp;')
  })

  test('move with the intro', () => {
    const transcript = {
      language: 'en',
      durationSeconds: 1,
      text: 'a',
      words: [{ text: 'a', startMs: 100, endMs: 200 }],
    }
    expect(shiftTranscript(transcript, 1500)).toMatchObject({
      durationSeconds: 2.5,
      words: [{ startMs: 1600, endMs: 1700 }],
    })
  })
})
