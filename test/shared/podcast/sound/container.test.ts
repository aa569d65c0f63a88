import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { containerOf, readContainer } from '../../../../shared/podcast/sound/container.ts'
import type { Container } from '../../../../shared/podcast/sound/container.ts'
import { inputArgs } from '../../../../shared/podcast/sound/ffmpeg-input.ts'
import { runFfmpeg } from '../../../../shared/podcast/sound/ffmpeg.ts'
import { noise } from './made-sound.ts'
import { silentMp3 } from './mp3-frames.ts'

const fixture = (name: string) => readFile(new URL(`../../../fixtures/${name}`, import.meta.url))
const latin1 = (text: string) => Buffer.from(text, 'latin1')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadycast-containers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function readAs(content: Buffer): Promise<Container | undefined> {
  const path = join(folder, 'recording')
  await writeFile(path, content)
  return readContainer(path)
}

/** An ID3v2 tag that holds so many bytes. */
function tagOf(bytes: number): Buffer {
  const size = [21, 14, 7, 0].map((shift) => (bytes >> shift) & 0x7f)
  return Buffer.concat([latin1('ID3\x04\0\0'), Buffer.from(size), Buffer.alloc(bytes, 0x41)])
}

describe('a container is known by the first bytes', () => {
  test.each<[string, string, Container]>([
    ['wav, big-endian', 'RIFX\0\0\0\x24WAVEfmt ', 'wav'],
    ['wav of broadcasters', 'BW64\xff\xff\xff\xffWAVEds64', 'wav'],
    ['QuickTime with its sound first', '\0\0\x10\0mdat\0\0', 'mov'],
    ['QuickTime with its index first', '\0\0\x10\0moov\0\0\0\0mvhd', 'mov'],
    ['QuickTime with room before it', '\0\0\0\x08wide\0\0', 'mov'],
    ['AIFF-C', 'FORM\0\0\0\0AIFCFVER', 'aiff'],
    ['AMR', '#!AMR\n\x3c', 'amr'],
    ['AMR-WB', '#!AMR-WB\n\x3c', 'amr'],
    ['MPEG-2.5', '\xff\xe3\x18\xc4', 'mp3'],
    ['MPEG-1, layer II', '\xff\xfd\x84\x00', 'mp3'],
    ['ADTS of MPEG-2', '\xff\xf9\x50\x80', 'aac'],
    ['packets with a time before each', `\0\0\0\0G${'x'.repeat(191)}G${'x'.repeat(191)}G`, 'mpegts'],
  ])('%s', (_name, head, container) => {
    expect(containerOf(latin1(head))).toBe(container)
  })

  test.each<[string, Container]>([
    ['recordings/joined.mp3.head', 'mp3'],
    ['recordings/media-recorder.webm.head', 'matroska'],
    ['recordings/rf64.wav.head', 'wav'],
    ['recordings/size-zero.wav.head', 'wav'],
    ['recordings/voice-memo.caf.head', 'caf'],
    ['speech.flac', 'flac'],
  ])('that recorders wrote: %s', async (name, container) => {
    expect(await readAs(await fixture(name))).toBe(container)
  })

  test('that begins in the middle of an mp3, or with zeros', () => {
    expect(containerOf(silentMp3(20).subarray(100))).toBe('mp3')
    expect(containerOf(Buffer.concat([Buffer.alloc(4096), silentMp3(20)]))).toBe('mp3')
  })
})

describe('behind an ID3v2 tag', () => {
  test.each([0, 100, 300_000, 5_000_000])('of %d bytes', async (bytes) => {
    expect(await readAs(Buffer.concat([tagOf(bytes), silentMp3(5)]))).toBe('mp3')
    expect(await readAs(Buffer.concat([tagOf(bytes), latin1('fLaC\0')]))).toBe('flac')
    expect(await readAs(Buffer.concat([tagOf(bytes), latin1('\xff\xf1\x50\x80')]))).toBe('aac')
  })

  test('that has a footer', async () => {
    const tag = tagOf(100)
    tag[5] = 0x10
    expect(await readAs(Buffer.concat([tag, latin1('3DI\x04\0\x10\0\0\0\x64fLaC')]))).toBe('flac')
  })

  test('two of them are read, a hundred are not', async () => {
    expect(await readAs(Buffer.concat([tagOf(9), tagOf(200_000), silentMp3(5)]))).toBe('mp3')
    expect(await readAs(Buffer.concat([...Array.from({ length: 100 }, () => tagOf(9)), silentMp3(5)]))).toBeUndefined()
  })

  test('nothing is known of a file that ends in it', async () => {
    expect(await readAs(tagOf(5000).subarray(0, 3000))).toBeUndefined()
    expect(await readAs(Buffer.concat([tagOf(100), latin1('#EXTM3U\n')]))).toBeUndefined()
  })
})

test.each([
  ['nothing', ''],
  ['half a signature', 'RIFF'],
  ['a picture', 'RIFF\0\0\0\0WEBPVP8 '],
  ['a JPEG', '\xff\xd8\xff\xe0\0\x10JFIF'],
  ['a playlist', '#EXTM3U\n#EXTINF:5,\na.mp3\n'],
  ['a page', '<!DOCTYPE html><html>'],
  ['text that begins with a G', 'Good morning, and welcome. '.repeat(40)],
  ['a reserved rate', '\xff\xfb\x9c\x00'],
])('%s is no recording', (_name, head) => {
  expect(containerOf(latin1(head))).toBeUndefined()
})

/** What ffmpeg itself writes, each with a codec that the build has. */
const WRITTEN: readonly (readonly [Container, string, ...string[]])[] = [
  ['mp3', 'mp3'],
  ['aac', 'adts'],
  ['ac3', 'ac3'],
  ['wav', 'wav'],
  ['w64', 'w64'],
  ['aiff', 'aiff'],
  ['flac', 'flac'],
  ['ogg', 'ogg', '-c:a', 'libopus', '-ar', '48000'],
  ['mov', 'ipod'],
  ['mov', 'mov', '-c:a', 'pcm_s16le'],
  ['matroska', 'webm', '-c:a', 'libopus', '-ar', '48000'],
  ['caf', 'caf'],
  ['asf', 'asf'],
  ['au', 'au'],
  ['avi', 'avi'],
  ['mpegts', 'mpegts'],
  ['mpeg', 'mpeg'],
]

test('what ffmpeg writes is known, and read by the demuxer that it is known by', async () => {
  const outputs = WRITTEN.map((_written, index) => `out${index}`)
  const options = { program: 'wasm', signal: AbortSignal.timeout(60_000) }
  await writeFile(join(folder, 'in'), noise(0.5, 9000))
  const writing = WRITTEN.flatMap(([, muxer, ...codec], index) => ['-map', '0:a', ...codec, '-f', muxer, `out${index}`])
  const source = await inputArgs(folder, 'in')
  const made = await runFfmpeg({ folder, args: [...source, ...writing], inputs: ['in'], outputs }, options)
  expect(made).toMatchObject({ exitCode: 0 })
  expect(await Promise.all(outputs.map((output) => readContainer(join(folder, output))))).toEqual(
    WRITTEN.map(([container]) => container),
  )
  const sources = await Promise.all(outputs.map((output) => inputArgs(folder, output)))
  const nowhere = outputs.flatMap((_output, index) => ['-map', `${index}:a:0`, '-f', 'null', '-'])
  const read = await runFfmpeg({ folder, args: [...sources.flat(), ...nowhere], inputs: outputs, outputs: [] }, options)
  expect(read).toMatchObject({ exitCode: 0 })
})
