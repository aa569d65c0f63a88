import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { seededRandom } from '../../seeded-random.ts'
import { noise } from './made-sound.ts'
import { silentMp3 } from './mp3-frames.ts'

const SPEECH = readFileSync(fileURLToPath(new URL('../../../fixtures/speech.flac', import.meta.url)))
const MP3_FRAME_SECONDS = 1152 / 44_100
const MIB = 1024 * 1024

/** What a hostile file names: another file of the machine, and an address that somebody listens at. */
export type Canary = { readonly path: string; readonly url: string }

type Maker = (random: () => number, canary: Canary) => Buffer

const upTo = (random: () => number, most: number) => Math.floor(random() * (most + 1))
const oneOf = <T>(random: () => number, values: readonly [T, ...T[]]): T =>
  values[Math.floor(random() * values.length)] ?? values[0]
const bytesOf = (random: () => number, count: number) =>
  Buffer.from(Array.from({ length: count }, () => upTo(random, 255)))

/** Texts that have a player open what they name. */
const SCRIPTS: readonly [(target: string) => string, ...((target: string) => string)[]] = [
  (target) => `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n${target}\n#EXT-X-ENDLIST\n`,
  (target) => `#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="${target}"\n#EXTINF:3,\n${target}\n#EXT-X-ENDLIST\n`,
  (target) => `ffconcat version 1.0\nfile '${target}'\n`,
  (target) => `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation
    id="a"><BaseURL>${target}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
  (target) => `[playlist]\nFile1=${target}\nLength1=3\nNumberOfEntries=1\nVersion=2\n`,
  (target) => `<asx version="3.0"><entry><ref href="${target}"/></entry></asx>`,
  (target) => `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=${target}\nc=IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 14\n`,
  (target) => `RTSPtextRTSP://${target.replace(/^\w+:\/\//, '')}\n`,
  () => '-SE\n0:00 off: -\na: 200+10/50\nNOW a\n',
  (target) => `#!/bin/sh\ncat ${target}\n`,
  (target) => `<html><audio src="${target}"></html>`,
  (target) => `CUE\nFILE "${target}" MP3\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n`,
]

function script(random: () => number, { path, url }: Canary): Buffer {
  const target = oneOf(random, [
    path,
    `file:${path}`,
    `file://${path}`,
    url,
    `concat:${path}|${path}`,
    `subfile,,start,0,end,0,,:${path}`,
  ])
  return Buffer.from(oneOf(random, SCRIPTS)(target))
}

function soundOf(random: () => number): Buffer {
  const seconds = 0.2 + random()
  return oneOf(random, [
    () => silentMp3(Math.ceil(seconds / MP3_FRAME_SECONDS)),
    () => noise(seconds, 9000, 8000),
    () => SPEECH,
  ])()
}

/** A wav whose head says what the generator likes. */
function wavOf(
  data: Buffer,
  {
    rate,
    channels,
    bits,
    format,
    dataBytes,
    align,
  }: Record<'rate' | 'channels' | 'bits' | 'format' | 'dataBytes' | 'align', number>,
): Buffer {
  const head = Buffer.from(noise(0, 0).subarray(0, 44))
  head.writeUInt32LE((36 + data.length) >>> 0, 4)
  head.writeUInt16LE(format, 20)
  head.writeUInt16LE(channels, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE((rate * align) >>> 0, 28)
  head.writeUInt16LE(align, 32)
  head.writeUInt16LE(bits, 34)
  head.writeUInt32LE(dataBytes >>> 0, 40)
  return Buffer.concat([head, data])
}

/** An ID3v2.4 tag with one frame of so many bytes. */
function tagOf(frame: 'APIC' | 'TXXX' | 'PRIV', bytes: Buffer): Buffer {
  const sevenBits = (size: number) => [21, 14, 7, 0].map((shift) => (size >>> shift) & 0x7f)
  const head = Buffer.from([...Buffer.from(frame), ...sevenBits(bytes.length), 0, 0])
  return Buffer.concat([
    Buffer.from([0x49, 0x44, 0x33, 4, 0, 0, ...sevenBits(head.length + bytes.length)]),
    head,
    bytes,
  ])
}

/** A FLAC of nothing but silence, 8 kHz: every frame holds eight seconds in some fourteen bytes. */
function silentFlac(bytesMax: number): Buffer {
  const samples = 65_535
  const info = Buffer.alloc(34)
  info.writeUInt16BE(samples, 0)
  info.writeUInt16BE(samples, 2)
  // 20 bits of rate, 3 of channels less one, 5 of bits per sample less one; of how many samples it says nothing.
  info.writeUInt32BE(((8000 << 12) | (15 << 4)) >>> 0, 10)
  const parts = [Buffer.from('fLaC'), flacBlock(0, true, info)]
  for (let frame = 0, bytes = 42; bytes < bytesMax; frame++) {
    const number = Buffer.from(String.fromCodePoint(frame))
    const head = Buffer.from([0xff, 0xf8, 0x74, 0x08, ...number, (samples - 1) >> 8, (samples - 1) & 0xff])
    const body = Buffer.from([...head, checksum(head, 8, 0x07), 0, 0, 0])
    const sum = checksum(body, 16, 0x8005)
    parts.push(body, Buffer.from([sum >> 8, sum & 0xff]))
    bytes += body.length + 2
  }
  return Buffer.concat(parts)
}

/** A cyclic redundancy check, the highest bit first, from zero. */
function checksum(bytes: Buffer, width: 8 | 16, polynomial: number): number {
  const [top, mask] = [1 << (width - 1), (1 << width) - 1]
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << (width - 8)
    for (let bit = 0; bit < 8; bit++) sum = ((sum & top) === 0 ? sum << 1 : (sum << 1) ^ polynomial) & mask
  }
  return sum
}

function flacBlock(type: number, isLast: boolean, body: Buffer): Buffer {
  const head = Buffer.from([
    type | (isLast ? 0x80 : 0),
    body.length >> 16,
    (body.length >> 8) & 0xff,
    body.length & 0xff,
  ])
  return Buffer.concat([head, body])
}

/** Files that somebody could upload, by what is wrong with them. */
const HOSTILE_RECORDINGS: Readonly<Record<string, Maker>> = {
  'a script': script,
  'a script, then sound': (random, canary) => Buffer.concat([script(random, canary), soundOf(random)]),
  'sound, then a script': (random, canary) => Buffer.concat([soundOf(random), script(random, canary)]),
  'a tag with a script in it': (random, canary) =>
    Buffer.concat([tagOf(oneOf(random, ['APIC', 'TXXX', 'PRIV']), script(random, canary)), soundOf(random)]),
  'a script under the name of a box': (random, canary) => {
    const text = script(random, canary)
    const head = Buffer.from('\0\0\0\x18ftypM4A \0\0\0\0M4A mp42', 'latin1')
    return Buffer.concat([head, text])
  },
  'a wav whose head lies': (random) => {
    const data = bytesOf(random, upTo(random, 20_000))
    return wavOf(data, {
      rate: oneOf(random, [0, 1, 2, 100, 8000, 44_100, 96_000, 384_000, 768_000, 0xffffffff]),
      channels: oneOf(random, [0, 1, 2, 6, 255, 65_535]),
      bits: oneOf(random, [0, 1, 8, 16, 24, 32, 64, 255]),
      format: oneOf(random, [1, 3, 6, 7, 0x11, 0x55, 0xff, 0x161, 0xfffe, upTo(random, 65_535)]),
      dataBytes: oneOf(random, [0, 1, data.length, 0x7fffffff, 0xffffffff]),
      align: oneOf(random, [0, 1, 2, 4, 510, 65_535]),
    })
  },
  'a wav of very few samples a second': (random) =>
    wavOf(Buffer.alloc(1000 + upTo(random, 99_000)), {
      rate: 1 + upTo(random, 99),
      channels: 1,
      bits: 8,
      format: 1,
      dataBytes: 0xffffffff,
      align: 1,
    }),
  'hours of silence in a hundred kilobytes': (random) => silentFlac(20_000 + upTo(random, 80_000)),
  'sound with its middle missing': (random) => {
    const sound = soundOf(random)
    const from = upTo(random, sound.length)
    return Buffer.concat([sound.subarray(0, from), sound.subarray(from + upTo(random, sound.length - from))])
  },
  'sound with bytes that are wrong': (random) => {
    const sound = Buffer.from(soundOf(random))
    for (let times = upTo(random, 200); times > 0; times--) sound[upTo(random, sound.length - 1)] = upTo(random, 255)
    return sound
  },
  'a head whose bytes are wrong': (random) => {
    const sound = Buffer.from(soundOf(random))
    for (let times = 1 + upTo(random, 12); times > 0; times--) sound[upTo(random, 64)] = upTo(random, 255)
    return sound
  },
  'a signature, then noise': (random) => {
    const signatures = [
      'OggS',
      'fLaC',
      'RIFF????WAVE',
      'FORM????AIFF',
      'caff',
      '\x1a\x45\xdf\xa3',
      '#!AMR\n',
      '.snd',
    ] as const
    const signature = oneOf(random, [...signatures, '\x0b\x77', '\0\0\x01\xba', '????ftypM4A ', 'riff\x2e\x91\xcf\x11'])
    return Buffer.concat([Buffer.from(signature, 'latin1'), bytesOf(random, upTo(random, 5000))])
  },
  'megabytes of tags before a second of sound': (random) =>
    Buffer.concat([
      tagOf(oneOf(random, ['APIC', 'PRIV']), Buffer.alloc(1 + upTo(random, 20 * MIB), 'a')),
      silentMp3(38),
    ]),
  'megabytes of pictures in a flac': (random) => {
    const picture = flacBlock(6, false, Buffer.alloc(upTo(random, 16 * MIB - 1)))
    return Buffer.concat([SPEECH.subarray(0, 42), picture, SPEECH.subarray(42)])
  },
  'a tag that says it is longer than the file': (random) => {
    const tag = tagOf('PRIV', Buffer.alloc(10))
    for (let byte = 6; byte < 10; byte++) tag[byte] = upTo(random, 127)
    return Buffer.concat([tag, silentMp3(38)])
  },
  noise: (random) => bytesOf(random, upTo(random, 5000)),
  nothing: () => Buffer.alloc(0),
}

/** The hostile recording of a seed, and what is wrong with it. */
export function hostileRecording(seed: number, canary: Canary): { what: string; bytes: Buffer } {
  const random = seededRandom(seed)
  const kinds = Object.entries(HOSTILE_RECORDINGS)
  const [what, make] = kinds[seed % kinds.length] ?? ['nothing', () => Buffer.alloc(0)]
  return { what, bytes: make(random, canary) }
}
