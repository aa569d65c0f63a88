/**
 * The length in seconds that a FLAC (RFC 9639) or a plain WAV says in its first fields, as music-metadata reads it.
 * Undefined for all else, whose length is not that easily told. Takes no more than one look at each chunk of the head.
 * @param sizeBytes of the file that begins like this, where it is known
 */
export function secondsInHead(head: Buffer, sizeBytes: number | undefined): number | undefined {
  const begin = head.subarray(0, SEARCHED_BYTES)
  return secondsOfFlac(begin) ?? secondsOfWav(begin, sizeBytes)
}

const SEARCHED_BYTES = 64 * 1024
const STREAMINFO_BYTES = 34
/** 'fLaC', then the header of the block that must come first. */
const STREAMINFO_AT = 8
const nameAt = (head: Buffer, at: number) => head.toString('latin1', at, at + 4)

function secondsOfFlac(head: Buffer): number | undefined {
  if (head.length < STREAMINFO_AT + STREAMINFO_BYTES || nameAt(head, 0) !== 'fLaC') return undefined
  const type = head.readUInt8(4) & 0x7f
  if (type !== 0 || head.readUIntBE(5, 3) !== STREAMINFO_BYTES) return undefined
  // 20 bits of samples per second, 8 of something else, 36 of samples in all.
  const rate = head.readUIntBE(STREAMINFO_AT + 10, 3) >> 4
  const samples = (head.readUInt8(STREAMINFO_AT + 13) & 0xf) * 2 ** 32 + head.readUInt32BE(STREAMINFO_AT + 14)
  return rate > 0 && samples > 0 ? samples / rate : undefined
}

const CHUNKS_AT = 12
const CHUNK_HEAD_BYTES = 8
const FORMAT_BYTES_MIN = 16
/** PCM, floating point, and either of them described at length. */
const PLAIN_FORMATS = new Set([1, 3, 0xfffe])
/** As a program writes it that does not know the length yet. */
const UNKNOWN_BYTES = 0xffffffff

function secondsOfWav(head: Buffer, sizeBytes: number | undefined): number | undefined {
  if (nameAt(head, 0) !== 'RIFF' || nameAt(head, 8) !== 'WAVE') return undefined
  let format: { readonly rate: number; readonly blockBytes: number } | undefined
  for (let at = CHUNKS_AT; at + CHUNK_HEAD_BYTES + FORMAT_BYTES_MIN <= head.length;) {
    const [name, bytes, contentAt] = [nameAt(head, at), head.readUInt32LE(at + 4), at + CHUNK_HEAD_BYTES]
    // It counts samples otherwise.
    if (name === 'fact') return undefined
    if (name === 'fmt ') {
      if (bytes < FORMAT_BYTES_MIN || !PLAIN_FORMATS.has(head.readUInt16LE(contentAt))) return undefined
      format = { rate: head.readUInt32LE(contentAt + 4), blockBytes: head.readUInt16LE(contentAt + 12) }
    }
    if (name === 'data') {
      if (format === undefined || bytes === 0 || bytes === UNKNOWN_BYTES) return undefined
      const dataBytes = Math.min(bytes, (sizeBytes ?? Infinity) - contentAt)
      const seconds = dataBytes / format.blockBytes / format.rate
      return seconds > 0 && Number.isFinite(seconds) ? seconds : undefined
    }
    at = contentAt + bytes + (bytes % 2)
  }
  return undefined
}
