/** One part of a multipart body: its headers in lower case, and its bytes as they come in. */
export type Part = { readonly headers: ReadonlyMap<string, string>; readonly bytes: AsyncIterable<Buffer> }

/** Thrown when a body is not what its boundary says. */
export class MalformedMultipart extends Error {
  override readonly name = 'MalformedMultipart'
}

const HEAD_BYTES_MAX = 16 * 1024
/** Blanks that may follow a boundary on its line (RFC 2046, section 5.1.1). */
const PADDING_BYTES_MAX = 1024
const CRLF = Buffer.from('\r\n')
const [SPACE, TAB] = [0x20, 0x09]

/**
 * The parts of a `multipart/related` body, one after another; each has to be read to its end before the next comes. A
 * line break before a boundary is the boundary's, and everything else is the part's (RFC 2046, section 5.1.1).
 * @throws MalformedMultipart when the body ends before its last boundary
 */
export async function* readParts(body: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<Part> {
  const input = new Input(body)
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // The first boundary may stand at the very beginning, without a line break before it.
  input.unread(CRLF)
  const preamble = readTo(input, delimiter)
  while ((await preamble.next()).done !== true) continue
  while (!(await isLast(input))) {
    const headers = await readHeaders(input)
    yield { headers, bytes: readTo(input, delimiter) }
  }
  await input.drain()
}

/** What is left of a body, as far as it has come in. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>
  bytes: Buffer = Buffer.alloc(0)

  constructor(body: AsyncIterable<Buffer>) {
    this.#chunks = body[Symbol.asyncIterator]()
  }

  unread(bytes: Buffer): void {
    this.bytes = Buffer.concat([bytes, this.bytes])
  }

  skip(count: number): void {
    this.bytes = this.bytes.subarray(count)
  }

  /** @throws MalformedMultipart when there is no more */
  async more(): Promise<void> {
    const { value, done } = await this.#chunks.next()
    if (done === true) throw new MalformedMultipart('The body ends before its last boundary.')
    this.bytes = this.bytes.length === 0 ? value : Buffer.concat([this.bytes, value])
  }

  async drain(): Promise<void> {
    while ((await this.#chunks.next()).done !== true) continue
  }
}

/** Everything before the next boundary, whose line is read up to the blanks that may follow it. */
async function* readTo(input: Input, delimiter: Buffer): AsyncGenerator<Buffer> {
  for (;;) {
    const at = input.bytes.indexOf(delimiter)
    // Without one, all but what may be the beginning of one is certain.
    const certain = at >= 0 ? at : Math.max(0, input.bytes.length - delimiter.length + 1)
    const head = input.bytes.subarray(0, certain)
    input.skip(certain)
    if (head.length > 0) yield head
    if (at >= 0) {
      if (await endsBoundary(input, delimiter.length)) return input.skip(delimiter.length)
      yield input.bytes.subarray(0, delimiter.length)
      input.skip(delimiter.length)
    } else await input.more()
  }
}

/** Whether a boundary ends here, so that no longer word was begun by it. */
async function endsBoundary(input: Input, at: number): Promise<boolean> {
  while (input.bytes.length < at + 2) await input.more()
  const [first, second] = [input.bytes[at], input.bytes[at + 1]]
  return (
    first === SPACE || first === TAB || (first === CRLF[0] && second === CRLF[1]) || (first === 0x2d && second === 0x2d)
  )
}

/** Reads the rest of a boundary's line. */
async function isLast(input: Input): Promise<boolean> {
  if (input.bytes.subarray(0, 2).toString('latin1') === '--') return true
  const end = await find(input, CRLF, PADDING_BYTES_MAX)
  // Its line break stays: a part without headers goes on with an empty line right away.
  input.skip(end)
  return false
}

async function readHeaders(input: Input): Promise<Map<string, string>> {
  const end = await find(input, Buffer.from('\r\n\r\n'), HEAD_BYTES_MAX)
  const lines = input.bytes.toString('latin1', 0, end).split('\r\n').filter(Boolean)
  input.skip(end + 4)
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}

async function find(input: Input, bytes: Buffer, withinBytes: number): Promise<number> {
  for (;;) {
    const at = input.bytes.indexOf(bytes)
    if (at >= 0) return at
    if (input.bytes.length > withinBytes) throw new MalformedMultipart('A part has no head.')
    await input.more()
  }
}
