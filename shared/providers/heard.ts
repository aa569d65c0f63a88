import { extname } from 'node:path'

import { placesForLongTexts } from '../podcast/words/long-texts.ts'
import type { CallContext } from '../resilience/call-context.ts'
import { ChildEnded, ChildNotStarted, inChild } from '../resilience/in-child.ts'
import { readAnswer } from './heard-answer.ts'
import type { HeardReader } from './heard-answer.ts'
import { brokenJson, chunksOf, send, unusable } from './http.ts'
import type { ProviderRequest } from './http.ts'

/** What the process is sent that reads a long answer; the answer itself comes to its standard input. */
export type HeardTask = { readonly provider: string; readonly bytesMax: number }
export type HeardAnswer = ReturnType<typeof readAnswer>

/** Compiled, the child's module is a file beside this one's chunk; from source it is its neighbour. */
const CHILD = new URL(`./heard-child${extname(import.meta.url)}`, import.meta.url)
/** Shorter answers are read where they are, within some 20 ms: a process takes longer to start. */
const HERE_BYTES_MAX = 512 * 1024
/** Most that an answer may have: a day of speech has 40 MB. */
const BYTES_MAX = 64 * 1024 * 1024
/** Reading a day of speech takes two seconds and 250 MiB, and 50 MiB more in a script that is not Latin. */
const LIMITS = { timeMs: 60_000, memoryMiB: 192, residentMiB: 352 } as const

/**
 * Sends one request and reads its answer, which says what was heard in a recording. Whatever its length, nobody else
 * waits for it: a long one goes to a process of its own as it comes, and its words come back as JSON.
 * @param read the one that the provider's definition names, by which the process finds it
 * @throws ProviderError as `sendForJson` does, unusable for an answer that takes more time or memory than it may
 */
export async function sendForHeard<Said extends object>(
  request: ProviderRequest,
  read: HeardReader<Said>,
  context: CallContext,
  signal: AbortSignal,
): Promise<Said> {
  const response = await send(request, context, signal)
  const rest = chunksOf(request, response, BYTES_MAX, 'refuse')
  const { chunks, isWhole } = await beginningOf(rest)
  const answer = isWhole
    ? readAnswer(read, Buffer.concat(chunks))
    : await readInProcess(request, joinBytes(chunks, rest), { ...context, signal })
  if ('isJson' in answer) throw brokenJson(request, response)
  if ('lacks' in answer) throw unusable(request, `the answer lacks ${answer.lacks}`, answer.cost)
  return answer.read as Said
}

async function beginningOf(rest: AsyncGenerator<Uint8Array>): Promise<{ chunks: Uint8Array[]; isWhole: boolean }> {
  const chunks: Uint8Array[] = []
  for (let bytes = 0; bytes <= HERE_BYTES_MAX;) {
    const { value, done } = await rest.next()
    if (done === true) return { chunks, isWhole: true }
    chunks.push(value)
    bytes += value.length
  }
  return { chunks, isWhole: false }
}

async function* joinBytes(chunks: Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
  yield* rest
}

async function readInProcess(
  request: ProviderRequest,
  bytes: AsyncIterable<Uint8Array>,
  { signal, correlationId }: Pick<CallContext, 'signal' | 'correlationId'>,
): Promise<HeardAnswer> {
  const leave = await placesForLongTexts.take(correlationId, signal)
  try {
    const task: HeardTask = { provider: request.provider, bytesMax: BYTES_MAX }
    return await inChild<HeardAnswer>(CHILD, task, { ...LIMITS, signal }, bytes)
  } catch (error) {
    if (!(error instanceof ChildEnded) || error instanceof ChildNotStarted) throw error
    throw unusable(request, 'the answer takes more time or memory than it may')
  } finally {
    leave()
  }
}
