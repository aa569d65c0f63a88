import type { Readable } from 'node:stream'

import { HEAD_BYTES } from './container.ts'
import { leadingTagBytes } from './mp3.ts'

const TAG_HEADER_BYTES = 10

type Beginning = {
  /** At least 64 KiB, or all there is. */
  readonly head: Buffer
  /** Of the ID3v2 tags before the head. */
  readonly tagBytes: number
  /** The head, and what follows it; can be read once. */
  readonly bytes: AsyncIterable<Buffer>
}

/**
 * Reads the first bytes behind any ID3v2 tags, which are passed over by their length: whatever fills them, it is not
 * parsed, nor held. @throws what reading throws
 */
export async function readBeginning(audio: Readable): Promise<Beginning> {
  const chunks = audio[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let head: Buffer = Buffer.alloc(0)
  let tagBytes = 0
  const readMore = async (): Promise<boolean> => {
    const { done, value } = await chunks.next()
    if (done === true) return false
    head = head.length === 0 ? value : Buffer.concat([head, value])
    return true
  }
  const fill = async (bytes: number) => {
    while (head.length < bytes && (await readMore()));
  }
  for (;;) {
    if (head.length < TAG_HEADER_BYTES) await fill(TAG_HEADER_BYTES)
    let skipBytes = leadingTagBytes(head)
    if (skipBytes === 0) break
    tagBytes += skipBytes
    for (let isMore = true; isMore && skipBytes > head.length; isMore = await readMore()) {
      skipBytes -= head.length
      head = head.subarray(head.length)
    }
    head = head.subarray(skipBytes)
  }
  await fill(HEAD_BYTES)
  return { head, tagBytes, bytes: readOn(head, chunks) }
}

async function* readOn(head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
}
