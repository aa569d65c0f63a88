import * as fc from 'fast-check'

import { Envelope, RawClient } from './raw-client.ts'
import type { RawAnswer } from './raw-client.ts'

/** Bytes of one connection, and whether its client then says that it has nothing more to say. */
export type Conversation = {
  bytes: Buffer
  halfCloses: boolean
  toHead: boolean
  /** How many requests it has, and where in its bytes their paths begin; undefined when not all of them have one. */
  requests: number
  pathsAt: number[] | undefined
  /** Whether it ends in the middle of something. */
  isCut: boolean
}

/** What was wrong with an answer, or with its lack. */
export type Finding = { wrong: string; bytes: string; answer?: RawAnswer | undefined }

const ROWS = ['noop', 'echo', 'upload', 'task', 'hook', 'misbehave', 'effect']
/** The same value so many times: it is picked that much more often. */
const often = (times: number, value: string) => Array.from({ length: times }, () => value)

const FITTING = 'fitting'
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'get', 'P\u00d6ST', 'BREW']
const TARGETS = [
  ...often(60, '/'),
  '/?ms=1',
  '/?what=string',
  '/?what=getter',
  '/?what=proxy',
  '/x',
  '//',
  '*',
  '/%ff',
  '/?%',
  '/?a=1&a=2',
  'http://h/',
  'http://[',
  '/favicon.ico',
  '',
  '/ /',
  '/../..',
  `/?${'q'.repeat(3000)}`,
]
const ENCODINGS = ['gzip', 'deflate', 'br', 'identity', 'zip', 'gzip, br', '', 'x'.repeat(500)]
const TYPES = [
  ...often(12, 'application/json'),
  'application/json; charset=utf-8',
  'application/json;charset="latin1"',
  'text/plain',
  'multipart/form-data; boundary=x',
  '',
  ';;;',
  'application/vnd.x+json',
]
const TOKENS = [
  ...often(6, 'Bearer a.alice.c'),
  ...often(3, 'Bearer a.tasks.c'),
  'Bearer a.nobody.c',
  'Bearer',
  'Basic YTpi',
  `Bearer ${'x'.repeat(9000)}`,
  'Bearer a.b',
]
const LENGTHS = ['-1', '0', '1', '2', '1e3', '0x10', '+5', '5, 5', '5,6', '99999999', '9'.repeat(30), 'NaN', ' ', '2 3']
const BODIES = [
  '',
  '{}',
  '{"a":1}',
  '{"name":"x"}',
  '[',
  'null',
  '"\\ud800"',
  '{"__proto__":{"a":1}}',
  'x'.repeat(70_000),
  `{"a":"${'y'.repeat(1_100_000)}"}`,
  '['.repeat(20_000),
]

const headerName = fc.oneof(
  { weight: 40, arbitrary: fc.stringMatching(/^x-[a-z]{1,20}$/) },
  { weight: 1, arbitrary: fc.string({ maxLength: 10 }) },
)
const headerValue = fc.oneof(
  { weight: 40, arbitrary: fc.stringMatching(/^[ -~]{0,40}$/) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
)
const pick = (...values: string[]) => fc.constantFrom(...values)
/** Once in so many, null otherwise. */
const sometimes = <T>(arbitrary: fc.Arbitrary<T>, oneIn: number) =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })

/** Mostly there when it matters, sometimes there when it should not. */
const known = (name: string, values: readonly string[], absentOneIn: number) => {
  const value = fc.constantFrom(...values).map((chosen): [string, string] => [name, chosen])
  return absentOneIn > 1 ? fc.option(value, { freq: absentOneIn }) : sometimes(value, 4)
}

const framing = fc.oneof(
  { weight: 40, arbitrary: fc.constant('right' as const) },
  { weight: 4, arbitrary: fc.constantFrom('chunked', 'broken chunks', 'none', 'both') },
  { weight: 2, arbitrary: fc.record({ length: pick(...LENGTHS) }) },
)

const request = fc
  .record({
    method: fc.oneof({ weight: 9, arbitrary: fc.constant(FITTING) }, { weight: 1, arbitrary: pick(...METHODS) }),
    target: pick(...TARGETS),
    version: fc.oneof(
      { weight: 60, arbitrary: fc.constant('HTTP/1.1') },
      { weight: 1, arbitrary: pick('HTTP/1.0', 'HTTP/2.0', 'HTTP/9', 'XTTP/1.1', '') },
    ),
    headers: fc.tuple(
      known('x-row', ROWS, 20),
      known('Host', [...often(12, 'x'), '', 'a b'], 40),
      known('Authorization', TOKENS, 8),
      known('Content-Type', TYPES, 8),
      known('Content-Encoding', ENCODINGS, 1),
      known('Expect', [...often(6, '100-continue'), 'nothing'], 1),
      known('Connection', ['close', 'keep-alive', 'Upgrade'], 1),
      known('Upgrade', ['websocket', 'h2c'], 1),
      known('Idempotency-Key', ['k', 'x'.repeat(300), 'a b'], 1),
      known('Origin', ['https://evil.example', 'null'], 1),
      known('traceparent', ['00-x', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'], 1),
    ),
    others: fc.array(fc.tuple(headerName, headerValue), { maxLength: 3 }),
    many: sometimes(fc.integer({ min: 50, max: 3000 }), 40),
    body: pick(...BODIES),
    framing,
  })
  .map((parts) => ({ ...encode(parts), toHead: parts.method === 'HEAD' }))

type Parts = {
  method: string
  target: string
  version: string
  headers: ([string, string] | null)[]
  others: [string, string][]
  many: number | null
  body: string
  framing: string | { length: string }
}

function encode({ method, target, version, headers, others, many, body, framing: how }: Parts): {
  bytes: Buffer
  pathAt: number | undefined
} {
  const fields = [...headers.filter((header) => header !== null), ...others]
  for (let count = 0; count < (many ?? 0); count++) fields.push([`x-${count}`, 'y'])
  const [length, sent] = frame(body, how)
  const fitting = fitMethod(method, headers)
  const lines = [
    `${fitting} ${target} ${version}`,
    ...[...fields, ...length].map(([name, value]) => `${name}: ${value}`),
  ]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), sent])
  const origin = /^(?:http:\/\/[^/]*)?(?=\/|$)/.exec(target === '' ? '*' : target)?.[0]
  return { bytes, pathAt: origin === undefined ? undefined : `${fitting} `.length + origin.length }
}

/** The method that the row takes, so that most requests get further than the door. */
function fitMethod(method: string, headers: Parts['headers']): string {
  if (method !== FITTING) return method
  const row = headers.find((header) => header?.[0] === 'x-row')?.[1] ?? ''
  return ['noop', 'misbehave', ''].includes(row) ? 'GET' : 'POST'
}

function frame(body: string, how: string | { length: string }): [[string, string][], Buffer] {
  const bytes = Buffer.from(body)
  const chunked: [string, string] = ['Transfer-Encoding', 'chunked']
  const chunks = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])
  if (typeof how === 'object') return [[['Content-Length', how.length]], bytes]
  switch (how) {
    case 'chunked':
      return [[chunked], bytes.length === 0 ? Buffer.from('0\r\n\r\n') : chunks]
    case 'broken chunks':
      return [[chunked], Buffer.concat([Buffer.from('zz\r\n'), bytes])]
    case 'both':
      return [[chunked, ['Content-Length', String(bytes.length)]], chunks]
    case 'none':
      return [[], bytes]
    default:
      return [[['Content-Length', String(bytes.length)]], bytes]
  }
}

/** One to four requests on one connection, sometimes cut off in the middle, sometimes with a byte turned. */
export const conversation: fc.Arbitrary<Conversation> = fc
  .record({
    requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    cutAt: sometimes(fc.double({ min: 0, max: 1, noNaN: true }), 5),
    flip: sometimes(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 255 })), 8),
    halfCloses: fc.boolean(),
  })
  .map(({ requests, cutAt, flip, halfCloses }) => {
    const whole = Buffer.concat(requests.map(({ bytes }) => bytes))
    const flipAt = flip === null ? -1 : Math.floor(flip[0] * Math.min(whole.length, 2000))
    if (flip !== null) whole[flipAt] = flip[1]
    const bytes = cutAt === null ? whole : whole.subarray(0, Math.floor(cutAt * whole.length))
    let startAt = 0
    const pathsAt = requests.map((one) => {
      const at = one.pathAt === undefined ? undefined : startAt + one.pathAt
      startAt += one.bytes.length
      return at === flipAt ? undefined : at
    })
    return {
      bytes,
      halfCloses: halfCloses || cutAt !== null,
      toHead: requests.some(({ toHead }) => toHead),
      requests: requests.length,
      pathsAt: pathsAt.every((at) => at !== undefined) ? pathsAt : undefined,
      isCut: cutAt !== null,
    }
  })

const ANSWER_MS = 60_000
const BATCH = 200
const AT_ONCE = 16

/** Sends `count` conversations and says what was wrong. The same seed sends the same bytes. */
export async function fuzz(
  port: number,
  count: number,
  seed: number,
): Promise<{ findings: Finding[]; answers: number; statuses: Map<number, number> }> {
  const findings: Finding[] = []
  const statuses = new Map<number, number>()
  let answers = 0
  for (let done = 0; done < count; done += BATCH) {
    const batch = fc.sample(conversation, { seed: seed + done, numRuns: Math.min(BATCH, count - done) })
    const lanes = Array.from({ length: AT_ONCE }, async () => {
      for (let next = batch.pop(); next !== undefined; next = batch.pop())
        for await (const answer of converse(port, next, findings)) {
          answers++
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        }
    })
    await Promise.all(lanes)
  }
  return { findings, answers, statuses }
}

async function* converse(
  port: number,
  { bytes, halfCloses, toHead }: Conversation,
  findings: Finding[],
): AsyncGenerator<RawAnswer> {
  const client = new RawClient(port).send(bytes)
  const wrong = (what: string, answer?: RawAnswer) =>
    findings.push({ wrong: what, bytes: bytes.toString('latin1').slice(0, 2000), answer })
  if (halfCloses) client.socket.end()
  try {
    for (;;) {
      const answer = await client.answer(halfCloses || toHead ? ANSWER_MS : 50, toHead)
      if (answer === undefined) return
      yield answer
      if (answer.status >= 400 && !toHead && !isEnvelope(answer.body)) wrong('not the envelope', answer)
      if (/\n\s+at |\/node_modules\/|\.ts:\d/.test(answer.body)) wrong('a stack trace', answer)
      // What follows an answer to HEAD cannot be told from its body by one who does not know what was asked.
      if (toHead) return
    }
  } catch (error) {
    // A client that leaves its side open may be waited for; one that has ended must hear something.
    if (halfCloses) wrong(error instanceof Error ? error.message : String(error))
  } finally {
    client.close()
  }
}

function isEnvelope(body: string): boolean {
  try {
    return Envelope.safeParse(JSON.parse(body)).success
  } catch {
    return false
  }
}
