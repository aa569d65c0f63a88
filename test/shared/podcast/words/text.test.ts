import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { shiftChapters, tidyChapters } from '../../../../shared/podcast/words/notes.ts'
import { Title } from '../../../../shared/podcast/content.ts'
import { cleanLine, fileNameOf } from '../../../../shared/podcast/words/text.ts'

describe('text from users', () => {
  test('keeps no control, bidi or line-breaking character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(cleanLine(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
      { verbose: 1 },
    )
  })

  test.each([
    ['Evil\r\nX-Header: 1', 'Evil X-Header: 1'],
    ['  spaced \t out  ', 'spaced out'],
    ['abc\u202Etxt.exe', 'abctxt.exe'],
  ])('%j becomes %j', (text, clean) => {
    expect(cleanLine(text)).toBe(clean)
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
