import * as fc from 'fast-check'

import { conversation } from '../../shared/http/fuzz.ts'
import type { Conversation, Finding } from '../../shared/http/fuzz.ts'
import { Envelope, RawClient } from '../../shared/http/raw-client.ts'
import type { RawAnswer } from '../../shared/http/raw-client.ts'
import { BEHIND } from './gateway-fixture.ts'

const BATCH = 200
const AT_ONCE = 16
const ANSWER_MS = 60_000
/** Who has answered nothing for so long is taken to wait for more. */
const QUIET_MS = 150
/** What two parties do at the same time falls out either way: the same bytes are sent so often before it is told. */
const TRIES = 8

type Side = {
  where: number | string
  bytes: (conversation: Conversation) => Buffer
}

export type GatewayFuzz = { findings: Finding[]; answers: number; compared: number; repeated: number }

/**
 * Sends `count` conversations to a function itself and through the gateway, and says where the answers differ, are not in
 * the envelope, or lack. The same seed sends the same bytes.
 * @param ends where the function process listens, and where the gateway does
 */
export async function fuzzGateway(
  ends: { socketPath: string; port: number },
  count: number,
  seed: number,
): Promise<GatewayFuzz> {
  const direct: Side = { where: ends.socketPath, bytes: ({ bytes }) => bytes }
  const through: Side = { where: ends.port, bytes: throughGateway }
  const result: GatewayFuzz = { findings: [], answers: 0, compared: 0, repeated: 0 }
  for (let done = 0; done < count; done += BATCH) {
    const batch = fc.sample(conversation, { seed: seed + done, numRuns: Math.min(BATCH, count - done) })
    const lanes = Array.from({ length: AT_ONCE }, async () => {
      for (let next = batch.pop(); next !== undefined; next = batch.pop()) await compare(direct, through, next, result)
    })
    await Promise.all(lanes)
  }
  return result
}

async function compare(direct: Side, through: Side, sent: Conversation, result: GatewayFuzz): Promise<void> {
  const seen = { direct: new Set<string>(), through: new Set<string>() }
  for (let tries = 1; ; tries++) {
    // What has no path for the gateway to begin with is answered by itself.
    const expected =
      sent.pathsAt === undefined ? undefined : await converse(direct, sent, result.findings, { patience: tries })
    const got = await converse(through, sent, result.findings, { least: expected?.length ?? 0 })
    result.answers += got.length
    if (expected === undefined) return
    seen.direct.add(inWords(expected))
    seen.through.add(inWords(got))
    if (tries === 1) result.compared++
    if (tries === 2) result.repeated++
    if (isAlike(seen, sent.isCut)) return
    if (tries < TRIES) continue
    const wrong = `function: ${[...seen.direct].join(' or ')}; gateway: ${[...seen.through].join(' or ')}`
    result.findings.push({ wrong, bytes: throughGateway(sent).toString('latin1').slice(0, 2000) })
    return
  }
}

/** Whether both were seen to do the same; to who has left, either may have said the last words in vain. */
function isAlike(seen: { direct: Set<string>; through: Set<string> }, isCut: boolean): boolean {
  return [...seen.direct].some((one) =>
    [...seen.through].some((other) => one === other || (isCut && (one.startsWith(other) || other.startsWith(one)))),
  )
}

/** The same with every path under the function's name. */
function throughGateway({ bytes, pathsAt = [] }: Conversation): Buffer {
  const cuts = [0, ...pathsAt.filter((at) => at < bytes.length)]
  const parts = cuts.map((at, index) => bytes.subarray(at, cuts[index + 1]))
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(BEHIND), part])))
}

/** Who sends, and each time another: nothing that is remembered of one is told to another. */
let senders = 0
function byAnother(bytes: Buffer): Buffer {
  const name = (36 ** 4 + senders++).toString(36)
  const result = Buffer.from(bytes)
  for (let at = result.indexOf('a.alice.c'); at !== -1; at = result.indexOf('a.alice.c')) result.write(name, at + 2)
  return result
}

/** @param least so many answers are waited for, where it cannot be known when the last has come; `patience`: how much longer */
async function converse(
  side: Side,
  sent: Conversation,
  findings: Finding[],
  { least = 0, patience = 1 } = {},
): Promise<RawAnswer[]> {
  const bytes = byAnother(side.bytes(sent))
  const client = new RawClient(side.where).send(bytes)
  if (sent.isCut) client.socket.end()
  const answers: RawAnswer[] = []
  const wrong = (what: string) => findings.push({ wrong: what, bytes: bytes.toString('latin1').slice(0, 2000) })
  try {
    while (answers.length < sent.requests) {
      const mustCome = sent.isCut || answers.length < least
      const answer = await client
        .answer(mustCome ? ANSWER_MS : QUIET_MS * patience, sent.toHead)
        .catch((error: unknown) => {
          if (mustCome) wrong(error instanceof Error ? error.message : String(error))
        })
      if (answer === undefined) break
      answers.push(answer)
      if (answer.status >= 400 && !sent.toHead && codeOf(answer) === undefined)
        wrong(`not the envelope: ${answer.status} ${answer.body.slice(0, 200)}`)
      // What follows an answer to HEAD cannot be told from its body by one who does not know what was asked.
      if (sent.toHead || answer.headers['connection'] === 'close') break
    }
  } finally {
    client.close()
  }
  return answers
}

function inWords(answers: readonly RawAnswer[]): string {
  return answers
    .map((answer) => `[${answer.status} ${codeOf(answer) ?? ''} ${answer.headers['connection'] ?? ''}]`)
    .join('')
}

function codeOf({ body }: RawAnswer): string | undefined {
  try {
    return Envelope.safeParse(JSON.parse(body)).data?.error.code
  } catch {
    return undefined
  }
}
