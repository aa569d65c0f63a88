import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

import { leadingTagBytes, Mp3Meter } from './mp3.ts'

/** What a recording is packed in, by the name of the ffmpeg demuxer that reads it. */
export type Container =
  | 'aac'
  | 'ac3'
  | 'aiff'
  | 'amr'
  | 'asf'
  | 'au'
  | 'avi'
  | 'caf'
  | 'flac'
  | 'matroska'
  | 'mov'
  | 'mp3'
  | 'mpeg'
  | 'mpegts'
  | 'ogg'
  | 'w64'
  | 'wav'

const ANY_BYTE = 0x3f
const TS_PACKET = 'G'.padEnd(188, '?')
/** As cameras record it: each packet has a time before it. */
const TIMED_TS_PACKET = '????G'.padEnd(192, '?')

/** How files begin, in Latin-1; a question mark stands for any byte. */
const SIGNATURES: readonly (readonly [Container, readonly string[]])[] = [
  ['wav', ['RIFF????WAVE', 'RIFX????WAVE', 'RF64????WAVE', 'BW64????WAVE']],
  ['avi', ['RIFF????AVI ']],
  ['w64', ['riff\x2e\x91\xcf\x11']],
  ['aiff', ['FORM????AIFF', 'FORM????AIFC']],
  ['flac', ['fLaC']],
  ['ogg', ['OggS']],
  ['matroska', ['\x1a\x45\xdf\xa3']],
  ['caf', ['caff']],
  ['asf', ['\x30\x26\xb2\x75\x8e\x66\xcf\x11']],
  ['amr', ['#!AMR']],
  ['au', ['.snd']],
  ['ac3', ['\x0b\x77']],
  ['mpeg', ['\x00\x00\x01\xba']],
  // The first box of MP4 names the brand; QuickTime had files before there were brands.
  ['mov', ['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip', 'pnot'].map((type) => `????${type}`)],
  ['mpegts', [`${TS_PACKET}${TS_PACKET}G`, `${TIMED_TS_PACKET}${TIMED_TS_PACKET}????G`]],
]

/** Enough for the first frames of an mp3 that begins in the middle of one, or with zeros. */
export const HEAD_BYTES = 64 * 1024
const MP3_FRAMES_MIN = 3
const LAYER_III = 1
/** Taggers that do not know of each other put one tag before another. */
const TAGS_MAX = 4

/**
 * Container of the recording that is stored there, as its first bytes say, behind any ID3v2 tags. Undefined for what is
 * no recording, such as a playlist. Reads at most 64 KiB at a time, five times.
 */
export async function readContainer(path: string): Promise<Container | undefined> {
  const head = await readBehindTags(path)
  return head && containerOf(head)
}

/** Whether a frame of MPEG audio is the first thing behind the tags: nobody can take the file for anything else. */
export async function beginsWithFrame(path: string): Promise<boolean> {
  const head = await readBehindTags(path)
  return head !== undefined && isMpegAudioFrame(head)
}

/** Container of what begins like this, with no tag before it. @param head up to 64 KiB */
export function containerOf(head: Buffer): Container | undefined {
  const signed = SIGNATURES.find(([, beginnings]) => beginnings.some((beginning) => beginsWith(head, beginning)))
  if (signed !== undefined) return signed[0]
  if (isAdtsFrame(head)) return 'aac'
  return isMpegAudioFrame(head) || hasMp3Frames(head) ? 'mp3' : undefined
}

/** Whether what begins like this is MPEG audio of layer III beyond doubt: several frames follow one another. */
export function isMp3(head: Buffer): boolean {
  const isOfOtherLayer = isMpegAudioFrame(head) && (((head[1] ?? 0) >> 1) & 3) !== LAYER_III
  return containerOf(head) === 'mp3' && !isOfOtherLayer && hasMp3Frames(head)
}

function beginsWith(head: Buffer, beginning: string): boolean {
  return Buffer.from(beginning, 'latin1').every((byte, index) => byte === ANY_BYTE || byte === head[index])
}

/** ISO/IEC 13818-7: twelve bits of sync, layer 0, and one of thirteen rates. */
function isAdtsFrame([first, second = 0, third = 0]: Buffer): boolean {
  return first === 0xff && (second & 0xf6) === 0xf0 && ((third >> 2) & 15) < 13
}

/** ISO/IEC 11172-3, any layer: eleven bits of sync, then no value that is reserved. */
function isMpegAudioFrame([first, second = 0, third = 0]: Buffer): boolean {
  const [version, layer, bitRate, rate] = [(second >> 3) & 3, (second >> 1) & 3, third >> 4, (third >> 2) & 3]
  return first === 0xff && second >= 0xe0 && version !== 1 && layer !== 0 && bitRate % 15 !== 0 && rate !== 3
}

function hasMp3Frames(head: Buffer): boolean {
  const meter = new Mp3Meter()
  meter.write(head)
  return meter.counted.frames >= MP3_FRAMES_MIN
}

/** Undefined where there are too many tags. */
async function readBehindTags(path: string): Promise<Buffer | undefined> {
  const file = await open(path)
  try {
    let at = 0
    for (let tags = 0; tags <= TAGS_MAX; tags++) {
      const head = await readHead(file, at)
      const tagBytes = leadingTagBytes(head)
      if (tagBytes === 0) return head
      at += tagBytes
    }
    return undefined
  } finally {
    await file.close()
  }
}

async function readHead(file: FileHandle, at: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, at)
  return buffer.subarray(0, bytesRead)
}
