import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { shiftChapters, tidyChapters } from '../../../../shared/podcast/words/notes.ts'
import { Title } from '../../../../shared/podcast/content.ts'
import { cleanLine, cleanParagraphs, clipText, fileNameOf } from '../../../../shared/podcast/words/text.ts'

describe('text from users', () => {
  test('keeps no control, bidi or line-breaking character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const clean = cleanLine(text)
        expect(clean.replace(/[\u200C\u200D]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
        expect(clean).not.toMatch(/(^|\s)[\u200C\u200D]|[\u200C\u200D](\s|$)/u)
        expect(cleanLine(clean)).toBe(clean)
      }),
      { verbose: 1 },
    )
  })

  test.each([
    ['Evil\r\nX-Header: 1', 'Evil X-Header: 1'],
    ['  spaced \t out  ', 'spaced out'],
    ['abc\u202Etxt.exe', 'abctxt.exe'],
    ['half \uD83D of an emoji', 'half of an emoji'],
    ['a family 👩\u200D👩\u200D👦', 'a family 👩\u200D👩\u200D👦'],
    ['می\u200Cخواهم', 'می\u200Cخواهم'],
    ['\u200Dleft \u200D\u200D alone\u200C', 'left alone'],
    ['می\u200C\u200D\u200Cخواهم', 'می\u200Cخواهم'],
    ['England 🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'England 🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    ['hidden \u{E0048}\u{E0049}', 'hidden'],
  ])('%j becomes %j', (text, clean) => {
    expect(cleanLine(text)).toBe(clean)
  })

  test('keeps its paragraphs, where it has some', () => {
    expect(cleanParagraphs('One\r\n\r\n\r\n\u202Etwo\u0000\u2028 three \n')).toBe('One\n\ntwo\nthree')
  })

  test('is clipped between what a reader takes for characters', () => {
    const family = '👩\u200D👩\u200D👦'
    expect(clipText(`ab${family}`, 2 + family.length)).toBe(`ab${family}`)
    expect(clipText(`ab${family}c`, 1 + family.length)).toBe('ab')
    expect(clipText('e\u0301'.repeat(10), 5)).toBe('e\u0301'.repeat(2))
    expect(clipText('🇩🇪🇫🇷', 6)).toBe('🇩🇪')
    expect(clipText('one two', 4)).toBe('one')
    expect(clipText(`a${'\u0301'.repeat(50)}`, 10)).toHaveLength(10)
  })

  test('is never longer than it may be, and is clean still, wherever it is clipped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, charsMax) => {
        const clipped = clipText(cleanLine(text), charsMax)
        expect(clipped.length).toBeLessThanOrEqual(charsMax)
        expect(cleanLine(clipped)).toBe(clipped)
        const paragraphs = clipText(cleanParagraphs(text), charsMax)
        expect(cleanParagraphs(paragraphs)).toBe(paragraphs)
      }),
      { verbose: 1, numRuns: 1000 },
    )
  })

  test('makes file names that are safe everywhere', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (title) => {
        expect(fileNameOf(title, 'mp3')).toMatch(/^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?\.mp3$/)
      }),
      { verbose: 1 },
    )
    expect(fileNameOf('../../etc/passwd"; rm -rf', 'mp3')).toBe('etc-passwd-rm-rf.mp3')
    expect(fileNameOf('Über Élan', 'vtt')).toBe('uber-elan.vtt')
  })

  test('is refused as a title when nothing is left of it', () => {
    expect(Title.safeParse('\u0000\u200B').success).toBe(false)
  })
})

describe('chapters', () => {
  test('are put in order, inside the recording, one per start, the first at 0', () => {
    const chapters = [
      { startSeconds: 30, title: 'c' },
      { startSeconds: 2, title: 'a' },
      { startSeconds: 30, title: 'd' },
      { startSeconds: 999, title: 'beyond' },
    ]
    expect(tidyChapters(chapters, 60)).toEqual([
      { startSeconds: 0, title: 'a' },
      { startSeconds: 30, title: 'c' },
    ])
  })

  test('start later by the intro, but for the first', () => {
    const chapters = [
      { startSeconds: 0, title: 'a' },
      { startSeconds: 10, title: 'b' },
    ]
    expect(shiftChapters(chapters, 2.5).map(({ startSeconds }) => startSeconds)).toEqual([0, 12.5])
  })
})
