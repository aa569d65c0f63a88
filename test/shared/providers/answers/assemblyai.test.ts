import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { TranscriptState } from '../../../../shared/podcast/ports.ts'
import { meaningOf, ProviderError } from '../../../../shared/providers/provider-error.ts'
import { accountAt, CALL, makeJobTranscriber, TRANSCRIPTION } from '../provider-fixtures.ts'
import { ASSEMBLYAI_ANSWERS } from './assemblyai.ts'
import type { AssemblyaiAnswer } from './assemblyai.ts'

/** Every kind of answer of AssemblyAI, and what it means. */
let service: Server
let url: string
let answer: Pick<AssemblyaiAnswer, 'status' | 'headers' | 'body'>

beforeAll(async () => {
  service = createServer((request, response) => {
    request.resume().on('end', () => {
      const isPage = answer.body.startsWith('<')
      const headers = { 'Content-Type': isPage ? 'text/html' : 'application/json', ...answer.headers }
      response.writeHead(answer.status, headers).end(answer.body)
    })
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
})
afterAll(() => {
  service.closeAllConnections()
  service.close()
})

type Seen = Pick<AssemblyaiAnswer, 'kind' | 'canPass' | 'charged' | 'breaker'>

async function ask(row: AssemblyaiAnswer): Promise<Seen> {
  answer = row
  const transcriber = await makeJobTranscriber(accountAt('assemblyai', url))
  try {
    if (row.to === 'submit') throw new Error(`made ${(await transcriber.submit(TRANSCRIPTION, CALL)).id}`)
    return seenOf(await transcriber.read('t1', CALL), row)
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error
    const meaning = meaningOf(error)
    const breaker = typeof meaning === 'string' ? meaning : meaning.reason
    const { kind, canPass, cost } = error
    return { kind, canPass, charged: cost !== undefined, breaker: breaker as Seen['breaker'] }
  }
}

/** Only an answer of 400 or above has said anything to the breaker but that all is well. */
function seenOf(state: TranscriptState, { status }: AssemblyaiAnswer): Seen {
  const kind = state.state === 'failed' ? state.reason : state.state
  const charged = state.state === 'done' && (state.cost['jobs'] ?? 0) > 0
  return { kind, canPass: false, charged, breaker: status >= 400 ? 'ignored' : 'success' }
}

describe.each(['submit', 'read'] as const)('to %s', (to) => {
  const rows = ASSEMBLYAI_ANSWERS.filter((row) => row.to === to)
  test.each(rows.map((row) => [row.answer, row] as const))('%s', async (_name, row) => {
    const { kind, canPass, charged, breaker } = row
    expect(await ask(row)).toEqual({ kind, canPass, charged, breaker })
  })
})

test('a person is never refused for good by words that nobody knows', async () => {
  const final = ASSEMBLYAI_ANSWERS.filter(({ kind }) => ['not_audio', 'no_speech', 'refused'].includes(kind))
  expect(final.map(({ answer: what }) => what)).toEqual([
    'a file that is no recording',
    'a recording without speech',
    'a recording too short',
  ])
})

test('a language that it does not have is refused before anything is sent', async () => {
  answer = { status: 500, body: '' }
  const transcriber = await makeJobTranscriber(accountAt('assemblyai', url))
  const refused = transcriber.submit({ ...TRANSCRIPTION, language: 'tlh' }, CALL)
  await expect(refused).rejects.toMatchObject({ kind: 'invalid_input', status: undefined })
})
