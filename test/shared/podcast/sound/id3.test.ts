import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import fc from 'fast-check'
import { parseBuffer } from 'music-metadata'
import { expect, test } from 'vitest'

import { id3Tag, stripId3 } from '../../../../shared/podcast/sound/id3.ts'

const tags = {
  title: 'Title with ünïcode & "quotes"',
  description: 'What it is about',
  language: 'en',
  durationSeconds: 60,
  chapters: [
    { startSeconds: 0, title: 'One' },
    { startSeconds: 30.5, title: 'Two' },
  ],
}

/** Splits bytes anywhere, as a network would. */
function inPieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...places]
    .map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
    .filter(({ length }) => length > 0)
}

test('an old tag is replaced by the new one, however the bytes arrive', async () => {
  const fresh = await id3Tag(tags)
  const old = await id3Tag({ ...tags, title: 'Old', description: 'x'.repeat(300) })
  const audio = Buffer.from([0xff, 0xfb, 0x90, 0x00, ...Array.from({ length: 500 }, (_unused, index) => index % 256)])
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(fc.nat(2000), { maxLength: 8 }), async (hadTag, cuts) => {
      const source = Readable.from(inPieces(hadTag ? Buffer.concat([old, audio]) : audio, cuts))
      expect((await buffer(source.compose(stripId3(fresh)))).equals(Buffer.concat([fresh, audio]))).toBe(true)
    }),
    { verbose: 1 },
  )
})

test('a file too short to hold a tag only gets the new one', async () => {
  const fresh = await id3Tag(tags)
  expect(await buffer(Readable.from([Buffer.from('abc')]).compose(stripId3(fresh)))).toEqual(
    Buffer.concat([fresh, Buffer.from('abc')]),
  )
})

test('the tag says title, description and chapters', async () => {
  const tag = await id3Tag(tags)
  const { common, native } = await parseBuffer(Buffer.concat([tag, Buffer.alloc(2000)]), { mimeType: 'audio/mpeg' })
  expect(common.title).toBe(tags.title)
  const frames = Object.values(native)
    .flat()
    .map(({ id }) => id)
  expect(frames.filter((id) => id === 'CHAP')).toHaveLength(2)
  expect(frames).toContain('CTOC')
})

test.each([
  ['zh-Hant-TW', 'zho'],
  ['en-GB', 'eng'],
  ['nb', 'nob'],
  ['haw', 'haw'],
  ['und', undefined],
  ['auto', undefined],
])('an episode in %s says so in three letters', async (language, code) => {
  const audio = Buffer.from([0xff, 0xfb, 0x90, 0x00, ...Array.from({ length: 500 }, () => 0)])
  const { common } = await parseBuffer(Buffer.concat([await id3Tag({ ...tags, language }), audio]), 'audio/mpeg')
  expect([common.language, common.comment?.[0]?.language]).toEqual([code, code ?? 'XXX'])
})
