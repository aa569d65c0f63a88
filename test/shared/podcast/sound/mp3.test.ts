import { Readable } from 'node:stream'

import { describe, expect, test } from 'vitest'

import { flawOf } from '../../../../shared/podcast/sound/checked-sound.ts'
import { durationSeconds } from '../../../../shared/podcast/sound/duration.ts'
import { id3Tag } from '../../../../shared/podcast/sound/id3.ts'
import { Mp3Meter } from '../../../../shared/podcast/sound/mp3.ts'
import { NotAudioError } from '../../../../shared/podcast/sound/not-audio.ts'
import { noise, secondsHeard, toMp3 } from './made-sound.ts'
import { silentMp3 } from './mp3-frames.ts'

function measure(mp3: Buffer, chunkBytes: number) {
  const meter = new Mp3Meter()
  for (let at = 0; at < mp3.length; at += chunkBytes) meter.write(mp3.subarray(at, at + chunkBytes))
  return meter.end()
}

const lengthOf = (audio: Readable, contentType: string, sizeBytes?: number) =>
  durationSeconds(audio, { contentType, sizeBytes, userId: 'ann' }, { signal: new AbortController().signal })

const tag = () =>
  id3Tag({ title: 'T', description: 'D'.repeat(9000), language: 'en', durationSeconds: 1, chapters: [] })

describe('the length of an mp3', () => {
  test.each([
    ['of a fraction of a second', 0.777, []],
    ['without a header that says it', 1.2345, ['-write_xing', '0']],
    ['of a variable bit rate', 2.3456, ['-b:a', '0', '-q:a', '5']],
    ['of MPEG-2, 22.05 kHz', 1.5432, ['-ar', '22050', '-b:a', '64k']],
    ['of MPEG-2.5, 8 kHz, one channel', 1.9, ['-ar', '8000', '-ac', '1', '-b:a', '16k']],
    ['of 48 kHz, two channels', 1.111, ['-ar', '48000', '-ac', '2']],
  ])('%s is what is heard of it', async (_name, seconds, more) => {
    const mp3 = await toMp3(noise(seconds, 9000), more)
    const heard = await secondsHeard(mp3)
    for (const chunkBytes of [mp3.length, 100, 1]) expect(measure(mp3, chunkBytes).seconds).toBeCloseTo(heard, 3)
  })

  test('that is joined from two, after cover art and between stray bytes, is that of both', async () => {
    const mp3 = await toMp3(noise(2, 9000))
    const stray = Buffer.from('junk \xff\xfb junk'.repeat(20), 'latin1')
    const joined = Buffer.concat([await tag(), stray, mp3, mp3, Buffer.from('TAG'.padEnd(128, '\0'))])
    const { seconds, strayBytes } = measure(joined, 1000)
    expect(Math.abs(seconds - 4)).toBeLessThan(0.1)
    expect(strayBytes).toBe(stray.length + 128)
    expect(await lengthOf(Readable.from([joined]), 'audio/mpeg')).toBeCloseTo(seconds, 5)
  })

  test('is nothing for what is no mp3', () => {
    for (const other of ['', '<html>not found</html>', '\0'.repeat(5000), noise(0.5, 9000).toString('latin1')])
      expect(measure(Buffer.from(other, 'latin1'), 64).seconds).toBeLessThan(0.06)
  })
})

test('other formats have the length that they say, and what is no audio has none', async () => {
  const wav = noise(1.25, 9000)
  expect(await lengthOf(Readable.from([wav]), 'audio/wav', wav.length)).toBeCloseTo(1.25, 3)
  const page = Readable.from([Buffer.from('<html>')])
  await expect(lengthOf(page, 'audio/mpeg')).rejects.toBeInstanceOf(NotAudioError)
})

test('a recording that cannot be read to its end is told as that, and not as no audio', async () => {
  const broken = new Error('storage broke off')
  async function* half() {
    yield silentMp3(50)
    throw broken
  }
  await expect(lengthOf(Readable.from(half()), 'audio/mpeg')).rejects.toBe(broken)
})

describe('a sound is kept', () => {
  const length = (seconds: number) => ({ seconds, frames: 1, bytes: Math.round(seconds * 16_000), strayBytes: 0 })
  const claims = (expected?: number, claimed?: number, bytes?: number) => ({
    expectedSeconds: expected,
    saidSeconds: claimed,
    saidBytes: bytes,
  })

  test.each([
    ['as long as expected', length(600), claims(600)],
    ['where its maker rounds, or is wrong', length(600.4), claims(600, 3600)],
    ['that is shorter, as its maker says', length(400), claims(600, 400)],
    ['twice as long as a first header said', length(600), claims(300)],
    ['of no known length', length(600), claims()],
    ['of no known length but its maker’s', length(600), claims(undefined, 600)],
    ['of a second', length(1.02), claims(1)],
  ])('%s', (_name, measured, known) => {
    expect(flawOf(measured, known)).toBeUndefined()
  })

  test.each([
    ['empty', length(0), claims(600), /no sound/],
    ['cut in half', length(300), claims(600, 600), /300.0 s of sound where 600.0 s were expected/],
    ['cut, although its maker says so', length(200), claims(600, 200), /200.0 s/],
    ['cut, of no length known to us', length(300), claims(undefined, 600), /300.0 s/],
    ['of fewer bytes than its maker says', length(600), claims(600, 600, 12_000_000), /9600000 bytes of 12000000/],
    ['mostly something else', { ...length(600), strayBytes: 9_000_000 }, claims(600), /are no sound/],
  ])('but not when it is %s', (_name, measured, known, words) => {
    expect(flawOf(measured, known)).toMatch(words)
  })
})
