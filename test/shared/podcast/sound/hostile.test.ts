import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { inputArgs } from '../../../../shared/podcast/sound/ffmpeg-input.ts'
import { ffmpegProgram, runFfmpeg } from '../../../../shared/podcast/sound/ffmpeg.ts'
import { masterLoudness, prependIntro } from '../../../../shared/podcast/sound/loudness.ts'
import { NotAudioError, unlessNotAudio } from '../../../../shared/podcast/sound/not-audio.ts'
import { noise } from './made-sound.ts'
import { silentMp3 } from './mp3-frames.ts'

/**
 * Files that have ffmpeg open others, or work without end. The canary is another recording on the machine: it lasts
 * three seconds, and what names it lasts one at most.
 */
const CANARY_FRAMES = 115
const OWN_FRAMES = 38
const SECONDS_HEARD_MAX = 1.1

const onPath = ffmpegProgram(undefined)
const programs = onPath === 'wasm' ? ['wasm'] : ['wasm', onPath]

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadycast-hostile-'))
  await writeFile(join(folder, 'canary.mp3'), silentMp3(CANARY_FRAMES))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const options = (program: string) => ({ program, signal: AbortSignal.timeout(30_000) })

/** Seconds that ffmpeg makes of an input; undefined where it reads none. The canary lies where a name would find it. */
async function secondsMade(program: string, args: readonly string[], inputs: string[]): Promise<number | undefined> {
  const command = { folder, args: [...args, '-f', 'null', '-'], inputs: [...inputs, 'canary.mp3'], outputs: [] }
  const { log } = await runFfmpeg(command, options(program))
  const [, minutes, seconds] = [...log.matchAll(/time=\d+:(\d\d):(\d\d\.\d+)/g)].at(-1) ?? []
  return seconds === undefined ? undefined : Number(minutes) * 60 + Number(seconds)
}

async function heardOf(program: string, content: string | Buffer): Promise<number> {
  await writeFile(join(folder, 'hostile'), content)
  const args = await unlessNotAudio(inputArgs(folder, 'hostile'))
  return (args && (await secondsMade(program, args, ['hostile']))) ?? 0
}

const SCRIPT = 'ffconcat version 1.0\nfile canary.mp3\n'
const hls = (url: string) => `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n${url}\n#EXT-X-ENDLIST\n`
const dash = (url: string) => `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"><Period>
<AdaptationSet mimeType="audio/mpeg"><Representation id="a" bandwidth="1"><BaseURL>${url}</BaseURL></Representation>
</AdaptationSet></Period></MPD>`

describe.each(programs)('ffmpeg (%s)', (program) => {
  const url = () => (program === 'wasm' ? 'file:canary.mp3' : pathToFileURL(join(folder, 'canary.mp3')).href)

  test('left to guess reads what a file names', async () => {
    await writeFile(join(folder, 'hostile'), SCRIPT)
    expect(await secondsMade(program, ['-i', 'hostile'], ['hostile'])).toBeGreaterThan(2.9)
  })

  test.each<[string, (canary: string) => string | Buffer]>([
    ['a playlist', hls],
    ['a concat script', () => SCRIPT],
    ['a session description', () => 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 4000 RTP/AVP 14\n'],
    ['a manifest', dash],
    ['tones without end', () => '-SE\n0:00 off: -\na: 200+10/50\nNOW a\n'],
    ['a playlist with an mp3 after it', (canary) => Buffer.concat([Buffer.from(hls(canary)), silentMp3(OWN_FRAMES)])],
    ['an mp3 with a playlist after it', (canary) => Buffer.concat([silentMp3(OWN_FRAMES), Buffer.from(hls(canary))])],
  ])('hears no more of %s than it holds itself', async (_name, content) => {
    expect(await heardOf(program, content(url()))).toBeLessThan(SECONDS_HEARD_MAX)
  })

  test.each([1, 100])('leaves a recording of %d Hz that lasts longer than it says', async (rate) => {
    const wav = noise(100_000, 9000, 1)
    wav.writeUInt32LE(rate, 24)
    await writeFile(join(folder, 'slow'), wav.subarray(0, 100_000))
    const mastering = { inputs: ['slow'], output: 'slow.mp3', targetLufs: -16, secondsMax: 20 }
    await expect(masterLoudness(folder, mastering, options(program))).rejects.toBeInstanceOf(NotAudioError)
  })
})

test('what is no recording is not given to ffmpeg at all', async () => {
  await writeFile(join(folder, 'text'), 'this is no recording')
  const never = options('/no/ffmpeg/here')
  const mastering = { inputs: ['canary.mp3', 'text'], output: 'none.mp3', targetLufs: -16 }
  await expect(masterLoudness(folder, mastering, never)).rejects.toThrow('no recording of a known kind')
})

test.each([
  ['text', 'this is no recording'],
  ['a script with an mp3 after it', SCRIPT],
  ['a tag and a script', `ID3\x04\0\0\0\0\0\x04text${SCRIPT}`],
  [
    'a tag with what passes for a footer, and a script',
    `ID3\x04\0\x10\0\0\0\x04text\xff\xfb\x90\0\0\0\0\0\0\0${SCRIPT}`,
  ],
])('no intro is put before %s', async (_name, head) => {
  await writeFile(join(folder, 'mastered'), Buffer.concat([Buffer.from(head, 'latin1'), silentMp3(OWN_FRAMES)]))
  const parts = { intro: 'canary.mp3', mastered: 'mastered', output: 'none.mp3', targetLufs: -16 }
  await expect(prependIntro(folder, parts, options('/no/ffmpeg/here'))).rejects.toThrow('no mp3')
})

test('ffmpeg is told nothing of our environment', async () => {
  const program = join(folder, 'tells')
  await writeFile(program, '#!/bin/sh\n/usr/bin/env >&2\n')
  await chmod(program, 0o700)
  process.env['SECRET_OF_OURS'] = 'canary'
  const { exitCode, log } = await runFfmpeg(
    { folder, args: [], inputs: [], outputs: [] },
    options(ffmpegProgram(program)),
  )
  delete process.env['SECRET_OF_OURS']
  expect(exitCode).toBe(0)
  expect(log).toContain('PWD=')
  expect(log).not.toMatch(/canary|NODE|HOME/)
})
