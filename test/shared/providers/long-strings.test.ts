import { describe, expect, test } from 'vitest'

import type { PortName } from '../../../shared/podcast/ports.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import { accountAt, CALL, makePort, MASTERING, PORT_CALLS, TRANSCRIPTION } from './provider-fixtures.ts'
import { serviceOfTest } from './service-of-test.ts'

/** However long a string of an answer is, what is stored, told or logged of it is not. */
const LONG = 'x'.repeat(1_500_000)
const CHARS_MAX = 2_000
let answer: unknown
const service = serviceOfTest((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
  })
})

function port<Port extends PortName>(name: ProviderName, which: Port) {
  return makePort(which, accountAt(name, service.url))
}

/** What comes of a call, and what it throws, as text. */
async function told(call: Promise<unknown>): Promise<string> {
  const said = await call.catch((error: unknown) => ({ threw: String(error), ...(error as object) }))
  return JSON.stringify(said)
}

async function transcriptions() {
  const transcriber = await port('assemblyai', 'transcribers')
  if (transcriber.kind !== 'job') throw new Error('expected one that works in jobs')
  return transcriber
}

const enveloped = (data: object) => ({ status_code: 200, error_code: '', error_message: '', data })
const production = (fields: object) => enveloped({ uuid: 'p1', ...fields })
const said = { language_code: 'eng', text: 'Hello.', audio_duration_secs: 1 }

describe('an answer with a string of a million characters', () => {
  test.each<[what: string, answer: unknown, call: () => Promise<unknown>]>([
    ['the id of a job', { id: LONG }, async () => (await transcriptions()).submit(TRANSCRIPTION, CALL)],
    [
      'the id of a job in a list',
      { transcripts: [{ id: LONG, audio_url: 'https://s.example/?job=n' }] },
      async () => (await transcriptions()).find({ key: 'n', uploadedTo: undefined }, CALL),
    ],
    ['why a job failed', { status: 'error', error: LONG }, async () => (await transcriptions()).read('t1', CALL)],
    [
      'the language of a job',
      { status: 'completed', language_code: `en-x-${'abcdefgh-'.repeat(100_000)}z`, text: 'Hello.' },
      async () => (await transcriptions()).read('t1', CALL),
    ],
    [
      'the language that Scribe heard',
      { ...said, language_code: `en-x-${'abcdefgh-'.repeat(100_000)}z` },
      async () => PORT_CALLS.transcribers.charged(await port('elevenlabs', 'transcribers')),
    ],
    [
      'the id of a production',
      production({ uuid: LONG }),
      async () => (await port('auphonic', 'masterings')).create(MASTERING, CALL),
    ],
    [
      'why a production failed',
      production({ status: 2, error_message: LONG }),
      async () => (await port('auphonic', 'masterings')).read('p1', CALL),
    ],
    [
      'the link to a mastered sound',
      production({ status: 3, output_files: [{ format: 'mp3', download_url: `https://s.example/${LONG}` }] }),
      async () => (await port('auphonic', 'masterings')).read('p1', CALL),
    ],
    [
      'how notes ended',
      { candidates: [{ finishReason: LONG }] },
      async () => PORT_CALLS.writers.charged(await port('gemini', 'writers')),
    ],
    [
      'why a prompt was blocked',
      { promptFeedback: { blockReason: LONG } },
      async () => PORT_CALLS.writers.charged(await port('gemini', 'writers')),
    ],
  ])('%s', async (_what, given, call) => {
    answer = given
    expect((await told(call())).length).toBeLessThan(CHARS_MAX)
  })
})
