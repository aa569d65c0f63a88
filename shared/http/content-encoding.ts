import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

type Inflated =
  { kind: 'bytes'; bytes: Buffer } | { kind: 'tooLarge' } | { kind: 'unknown' } | { kind: 'damaged'; cause: unknown }

type Inflate = (bytes: Buffer, options: { maxOutputLength: number }) => Buffer

const INFLATERS: Readonly<Record<string, Inflate>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  // `deflate` means the zlib format, which begins with 8 in its low bits; some senders leave that wrapper out.
  deflate: (bytes, options) => ((bytes[0] ?? 0) % 16 === 8 ? inflateSync : inflateRawSync)(bytes, options),
  br: brotliDecompressSync,
}

/**
 * The bytes that `encoding` hides, at most `bytesMax` of them. In one go, and not in the background: the work ends at
 * `bytesMax`, takes no longer than parsing that much JSON afterwards, and holds one inflated body at a time.
 */
export function inflate(sent: Buffer, encoding: string, bytesMax: number): Inflated {
  const inflateAll = Object.hasOwn(INFLATERS, encoding) ? INFLATERS[encoding] : undefined
  if (inflateAll === undefined) return { kind: 'unknown' }
  try {
    return { kind: 'bytes', bytes: inflateAll(sent, { maxOutputLength: bytesMax }) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return { kind: 'tooLarge' }
    return { kind: 'damaged', cause: error }
  }
}
