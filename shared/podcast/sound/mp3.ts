/**
 * Length of MPEG audio, layer III, by its frames (ISO/IEC 11172-3, 13818-3), whatever its headers say: those of a
 * variable bit rate may lack a length, and those of two joined files tell that of the first.
 */

export type Mp3Length = {
  /** What is heard, in seconds: the encoder's delay and padding are left out where the file says what they are. */
  readonly seconds: number
  readonly frames: number
  /** Everything that was written, tags included. */
  readonly bytes: number
  /** What is in no frame and in no tag. */
  readonly strayBytes: number
}

type Header = {
  readonly bytes: number
  readonly samples: number
  readonly rate: number
  readonly sideInfoBytes: number
}

const FIRST_BYTE = 0xff
const HEADER_BYTES = 4
const ID3 = 'ID3'
const FIRST_BYTE_OF_TAG = 0x49
const ID3_HEADER_BYTES = 10
const KBPS = {
  mpeg1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  mpeg2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const
/** By the header's two bits: MPEG-2.5, reserved, MPEG-2, MPEG-1. */
const RATES = [[11_025, 12_000, 8_000], undefined, [22_050, 24_000, 16_000], [44_100, 48_000, 32_000]] as const
const LAYER_III = 1
const MPEG_1 = 3

/**
 * Counts frames as bytes go by, and holds no more than one of them.
 *
 * @example
 * const meter = new Mp3Meter()
 * for await (const chunk of file) meter.write(chunk)
 * meter.end().seconds
 */
export class Mp3Meter {
  #rest: Buffer = Buffer.alloc(0)
  #skipBytes = 0
  #inStep = false
  #frames = 0
  #bytes = 0
  #strayBytes = 0
  #trimmedSamples = 0
  #sawFirst = false
  readonly #samplesAt = new Map<number, number>()

  /** So far. */
  get counted(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#frames, bytes: this.#bytes }
  }

  /** Within a tag, such as one with a large picture. */
  get isInTag(): boolean {
    return this.#skipBytes > 0
  }

  write(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    this.#read(false)
  }

  /** Nothing more comes. A last frame that is not all there is not counted. */
  end(): Mp3Length {
    this.#read(true)
    let seconds = 0
    for (const [rate, samples] of this.#samplesAt) seconds += samples / rate
    const [rate] = this.#samplesAt.keys()
    const heard = rate === undefined ? 0 : Math.max(0, seconds - this.#trimmedSamples / rate)
    return { seconds: heard, frames: this.#frames, bytes: this.#bytes, strayBytes: this.#strayBytes }
  }

  #read(isEnd: boolean): void {
    let at = 0
    for (;;) {
      const skipped = Math.min(this.#skipBytes, this.#rest.length - at)
      at += skipped
      this.#skipBytes -= skipped
      const taken = this.#skipBytes > 0 ? undefined : this.#take(at, isEnd)
      if (taken === undefined) break
      at += taken
    }
    this.#rest = this.#rest.subarray(at)
  }

  /** Reads what begins there. @returns its bytes; undefined when more must come first */
  #take(at: number, isEnd: boolean): number | undefined {
    const rest = this.#rest
    const left = rest.length - at
    if (left < ID3_HEADER_BYTES) return undefined
    this.#skipBytes = rest[at] === FIRST_BYTE_OF_TAG ? leadingTagBytes(rest.subarray(at, at + ID3_HEADER_BYTES)) : 0
    if (this.#skipBytes > 0) return 0
    const header = headerAt(rest, at)
    if (header === undefined) return this.#stray(at)
    // Two bytes of anything can look like a header: out of step, the next one must be where it should be.
    const neededBytes = header.bytes + (this.#inStep || isEnd ? 0 : HEADER_BYTES)
    if (left < neededBytes) return isEnd ? this.#stray(at) : undefined
    if (!this.#inStep && left >= header.bytes + HEADER_BYTES && headerAt(rest, at + header.bytes) === undefined)
      return this.#stray(at)
    this.#inStep = true
    this.#count(rest.subarray(at, at + header.bytes), header)
    return header.bytes
  }

  /** Goes on to where the next frame or tag may begin: bytes that cannot begin either are passed at once. */
  #stray(at: number): number {
    const rest = this.#rest
    let next = at + 1
    while (next < rest.length && !mayBeginAt(rest, next)) next++
    this.#inStep = false
    this.#strayBytes += next - at
    return next - at
  }

  #count(frame: Buffer, header: Header): void {
    const about = this.#sawFirst ? undefined : informationIn(frame, header)
    this.#sawFirst = true
    this.#frames++
    if (about !== undefined) this.#trimmedSamples = about.trimmedSamples
    else this.#samplesAt.set(header.rate, (this.#samplesAt.get(header.rate) ?? 0) + header.samples)
  }
}

/** Whether a frame or a tag may begin there, as far as its first bytes are there. */
function mayBeginAt(data: Buffer, at: number): boolean {
  const first = data[at]
  if (first === FIRST_BYTE_OF_TAG) return ID3.startsWith(data.toString('latin1', at, at + ID3.length))
  if (first !== FIRST_BYTE) return false
  const left = data.length - at
  return left < HEADER_BYTES || headerAt(data, at) !== undefined
}

function headerAt(data: Buffer, at: number): Header | undefined {
  const [first = 0, second = 0, third = 0, fourth = 0] = [data[at], data[at + 1], data[at + 2], data[at + 3]]
  if (first !== FIRST_BYTE || second < 0xe0 || ((second >> 1) & 3) !== LAYER_III) return undefined
  const version = (second >> 3) & 3
  const rate = RATES[version]?.[(third >> 2) & 3]
  const isMpeg1 = version === MPEG_1
  const kbps = KBPS[isMpeg1 ? 'mpeg1' : 'mpeg2'][third >> 4] ?? 0
  if (rate === undefined || kbps === 0) return undefined
  const samples = isMpeg1 ? 1152 : 576
  const bytes = Math.floor((samples * kbps * 125) / rate) + ((third >> 1) & 1)
  const isMono = fourth >> 6 === 3
  return { bytes, samples, rate, sideInfoBytes: isMpeg1 ? (isMono ? 17 : 32) : isMono ? 9 : 17 }
}

/**
 * A first frame that describes the file and is not heard, by the conventions of Xing, Fraunhofer (VBRI) and LAME.
 * `trimmedSamples`: what the encoder put before and after the sound; decoders leave it out.
 */
function informationIn(frame: Buffer, { sideInfoBytes }: Header): { readonly trimmedSamples: number } | undefined {
  const at = HEADER_BYTES + sideInfoBytes
  const name = frame.toString('latin1', at, at + 4)
  if (name !== 'Xing' && name !== 'Info')
    return frame.toString('latin1', 36, 40) === 'VBRI' ? { trimmedSamples: 0 } : undefined
  if (frame.length < at + 8) return { trimmedSamples: 0 }
  const flags = frame.readUInt32BE(at + 4)
  const fieldBytes = [4, 4, 100, 4].reduce((sum, bytes, bit) => sum + (flags & (1 << bit) ? bytes : 0), 0)
  const encoder = at + 8 + fieldBytes
  if (frame.length < encoder + 24 || !/^(LAME|Lavf|Lavc)/.test(frame.toString('latin1', encoder, encoder + 4)))
    return { trimmedSamples: 0 }
  const both = frame.readUIntBE(encoder + 21, 3)
  return { trimmedSamples: (both >> 12) + (both & 0xfff) }
}

const ID3_HAS_FOOTER = 0x10

/** Length of the ID3v2 tag that a file starts with, header and footer included: four bytes of seven bits say it. */
export function leadingTagBytes(head: Buffer): number {
  if (head.toString('latin1', 0, 3) !== ID3 || head.subarray(6, 10).some((byte) => byte > 0x7f)) return 0
  const size = [6, 7, 8, 9].reduce((sum, index) => sum * 128 + ((head[index] ?? 0) & 0x7f), 0)
  const footerBytes = (head[5] ?? 0) & ID3_HAS_FOOTER ? ID3_HEADER_BYTES : 0
  return ID3_HEADER_BYTES + size + footerBytes
}
