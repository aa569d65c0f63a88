/**
 * CRC-32C (RFC 3720, section 12.1) of bytes that come in parts, eight bytes at a time: Google's own JavaScript takes them
 * one by one, at a fifth of the speed, and every byte that is stored passes here.
 */
export class Crc32c {
  #state = -1

  update(bytes: Uint8Array): void {
    let state = this.#state
    let at = 0
    for (const end = bytes.length - 7; at < end; at += 8) {
      state ^= word(bytes, at)
      const next = word(bytes, at + 4)
      state =
        step(7, state) ^
        step(6, state >>> 8) ^
        step(5, state >>> 16) ^
        step(4, state >>> 24) ^
        step(3, next) ^
        step(2, next >>> 8) ^
        step(1, next >>> 16) ^
        step(0, next >>> 24)
    }
    for (; at < bytes.length; at++) state = step(0, state ^ byteAt(bytes, at)) ^ (state >>> 8)
    this.#state = state
  }

  /** As Cloud Storage writes it: big-endian, in base64. */
  digest(): string {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(~this.#state)
    return bytes.toString('base64')
  }
}

const POLYNOMIAL_REVERSED = 0x82f63b78

/** `TABLES[distance * 256 + byte]`: what a byte does to the checksum when `distance` bytes follow it. */
const TABLES = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL_REVERSED : value >>> 1
    tables[byte] = value
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256] ?? 0
    tables[index] = (before >>> 8) ^ (tables[before & 255] ?? 0)
  }
  return tables
}

function step(distance: number, byte: number): number {
  return TABLES[distance * 256 + (byte & 255)] ?? 0
}

function word(bytes: Uint8Array, at: number): number {
  return (
    byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24)
  )
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
