/** Recordings whose parsing costs a parser far more than their size: each is of about so many bytes. */

type Costly = { readonly contentType: string; readonly bytes: Buffer }

const ascii = (text: string) => Buffer.from(text, 'latin1')

function uint(value: number, bytes: number, order: 'BE' | 'LE' = 'BE'): Buffer {
  const buffer = Buffer.alloc(bytes)
  if (order === 'BE') buffer.writeUIntBE(value, 0, bytes)
  else buffer.writeUIntLE(value, 0, bytes)
  return buffer
}

/** The beginning, and then one thing again and again. */
function filled(sizeBytes: number, beginning: Buffer, again: Buffer): Buffer {
  return Buffer.concat([beginning, Buffer.alloc(sizeBytes, again)])
}

const box = (type: string, content: Buffer) => Buffer.concat([uint(8 + content.length, 4), ascii(type), content])
const FTYP = box('ftyp', ascii('M4A \0\0\0\0M4A mp42'))
const sevenBits = (size: number) => Buffer.from([21, 14, 7, 0].map((shift) => (size >>> shift) & 0x7f))

function nestedBoxes(depth: number): Buffer {
  const boxes = Buffer.alloc(depth * 8)
  for (let level = 0; level < depth; level++) {
    boxes.writeUInt32BE((depth - level) * 8, level * 8)
    boxes.write(level % 2 === 0 ? 'moov' : 'udta', level * 8 + 4, 'latin1')
  }
  return Buffer.concat([FTYP, boxes])
}

/** An ID3v2.4 tag full of titles of two bytes. */
export function tagOfTitles(sizeBytes: number): Buffer {
  const title = Buffer.concat([ascii('TIT2'), sevenBits(2), Buffer.from([0, 0, 3, 0x61])])
  const count = Math.floor(sizeBytes / title.length)
  const content = Buffer.alloc(count * title.length, title)
  return Buffer.concat([ascii('ID3'), Buffer.from([4, 0, 0]), sevenBits(content.length), content])
}

const WAV_FORMAT = Buffer.concat([
  ascii('RIFF'),
  uint(0x7fffffff, 4, 'LE'),
  ascii('WAVEfmt '),
  uint(16, 4, 'LE'),
  Buffer.from('01000100401f0000803e000002001000', 'hex'),
])
const aiffHead = (sizeBytes: number) => Buffer.concat([ascii('FORM'), uint(sizeBytes, 4), ascii('AIFF')])

export const COSTLY_RECORDINGS: Readonly<Record<string, (sizeBytes: number) => Costly>> = {
  'nothing but 0xFF': (size) => ({ contentType: 'audio/mpeg', bytes: Buffer.alloc(size, 0xff) }),
  'ADTS frames of eight bytes': (size) => ({
    contentType: 'audio/aac',
    bytes: Buffer.alloc(size, Buffer.from('fff15040011ffc00', 'hex')),
  }),
  'boxes without content': (size) => ({
    contentType: 'audio/mp4',
    bytes: filled(size, FTYP, box('free', Buffer.alloc(0))),
  }),
  'nested boxes': (size) => ({ contentType: 'audio/mp4', bytes: nestedBoxes(Math.floor(size / 8)) }),
  'annotations of an AIFF': (size) => ({
    contentType: 'audio/aiff',
    bytes: filled(size, aiffHead(size), Buffer.concat([ascii('ANNO'), uint(2, 4), ascii('ab')])),
  }),
  'lists of a WAV': (size) => ({
    contentType: 'audio/wav',
    bytes: filled(size, WAV_FORMAT, Buffer.concat([ascii('LIST'), uint(4, 4, 'LE'), ascii('abcd')])),
  }),
  'a tag of titles': (size) => ({ contentType: 'audio/mpeg', bytes: tagOfTitles(size) }),
  'a tag of titles in an AIFF': (size) => {
    const tag = tagOfTitles(size)
    return {
      contentType: 'audio/aiff',
      bytes: Buffer.concat([aiffHead(size), ascii('ID3 '), uint(tag.length, 4), tag]),
    }
  },
}
