import { Transform } from 'node:stream'

import { iso639Of } from '../words/language.ts'
import { leadingTagBytes } from './mp3.ts'

/** As ID3v2.4 has it where the language of a text is not known. */
const LANGUAGE_UNKNOWN = 'XXX'

export type EpisodeTags = {
  title: string
  description: string
  /** BCP 47. */
  language: string
  durationSeconds: number
  chapters: readonly { startSeconds: number; title: string }[]
}

/** An ID3v2 tag with title, description and chapters (id3.org, "ID3v2 Chapter Frame Addendum"). */
export async function id3Tag(tags: EpisodeTags): Promise<Buffer> {
  const { default: NodeID3 } = await import('node-id3')
  const endMs = Math.round(tags.durationSeconds * 1000)
  const startsMs = tags.chapters.map(({ startSeconds }) => Math.round(startSeconds * 1000))
  const chapter = tags.chapters.map(({ title }, index) => ({
    elementID: `ch${index}`,
    startTimeMs: startsMs[index] ?? 0,
    endTimeMs: startsMs[index + 1] ?? endMs,
    tags: { title },
  }))
  const language = iso639Of(tags.language)
  return NodeID3.create({
    title: tags.title,
    length: String(endMs),
    ...(language !== undefined && { language }),
    comment: { language: language ?? LANGUAGE_UNKNOWN, text: tags.description },
    ...(chapter.length > 0 && {
      chapter,
      tableOfContents: [{ elementID: 'toc', isOrdered: true, elements: chapter.map(({ elementID }) => elementID) }],
    }),
  })
}

const HEADER_BYTES = 10

/** Passes an mp3 through with its leading ID3v2 tag, if any, replaced by `tag`; holds no more than the tag's header. */
export function stripId3(tag: Buffer): Transform {
  let head: Buffer | undefined = Buffer.alloc(0)
  let skipBytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      let rest = chunk
      if (head !== undefined) {
        head = Buffer.concat([head, chunk])
        if (head.length < HEADER_BYTES) return callback()
        skipBytes = leadingTagBytes(head)
        this.push(tag)
        rest = head
        head = undefined
      }
      const skipped = Math.min(skipBytes, rest.length)
      skipBytes -= skipped
      callback(null, rest.subarray(skipped))
    },
    flush(callback) {
      if (head !== undefined && head.length > 0) callback(null, Buffer.concat([tag, head]))
      else callback()
    },
  })
}
