import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { JobEnded, StepRefused } from '../../../shared/engine/failure.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { NO_SPEECH } from '../../../shared/podcast/problems.ts'
import { transcribe } from '../../../shared/podcast/steps/transcribe.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { Transcript } from '../../../shared/podcast/words/transcript.ts'
import { accountAt, makePort } from '../providers/provider-fixtures.ts'
import { draft } from './episode-fixtures.ts'
import { attemptToHear } from './heard-attempt.ts'

/** What a transcriber has answered about a recording of 11 s becomes a transcript, or is told; nothing is paid twice. */
const RECORDING = fileURLToPath(new URL('../../fixtures/speech.flac', import.meta.url))
let service: Server
let url: string
let answer: object

beforeAll(async () => {
  service = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
})
afterAll(() => {
  service.closeAllConnections()
  service.close()
})

/** Asks for the job once, and reads what was stored. */
async function hear(
  job: object,
  { language = 'en', recording = (): Readable => createReadStream(RECORDING) } = {},
): Promise<Transcript> {
  answer = { id: 't1', status: 'completed', audio_url: 'https://s.example/a', ...job }
  let stored = ''
  const tools = {
    transcribers: [await makePort('transcribers', accountAt('assemblyai', url))],
    objects: {
      requireReachable: async () => undefined,
      within() {
        return this
      },
      readStream: async () => recording(),
      create: async (_key: string, content: string) => {
        stored = content
      },
    },
  } as unknown as Tools
  const workflow: Episode = { ...draft(), language, audio: { key: 'recording', contentType: 'audio/flac' } }
  const attempt = attemptToHear(workflow, 'assemblyai')
  const ended = await transcribe.run(attempt, tools)
  const transcript = Transcript.parse(JSON.parse(stored))
  const { durationSeconds, words } = transcript
  expect(ended).toMatchObject({ kind: 'done', result: { durationSeconds, wordCount: words.length }, cost: { jobs: 1 } })
  return transcript
}

const WORDS = [
  { text: 'Ask', start: -20, end: 400, confidence: 1, speaker: 'B' },
  { text: 'not.', start: 10_900, end: 14_000, confidence: 1, speaker: 'B' },
]

describe('a transcript', () => {
  test.each([11, 10, 0, null, undefined, -1, 'eleven'])(
    'lasts as long as its recording, when %s is said',
    async (said) => {
      const { durationSeconds, words } = await hear({ text: 'Ask not.', words: WORDS, audio_duration: said })
      expect(durationSeconds).toBeGreaterThanOrEqual(11)
      expect(durationSeconds).toBeLessThanOrEqual(12.5)
      expect(words[0]).toEqual({ text: 'Ask', startMs: 0, endMs: 400, speaker: 'B' })
      expect(words[1]?.endMs).toBeLessThanOrEqual(durationSeconds * 1000)
    },
  )

  test('lasts as long as its provider says where the file cannot be measured', async () => {
    const recording = () => Readable.from([Buffer.from('no header at all')])
    const heard = { text: 'Ask not.', words: WORDS.slice(0, 1), audio_duration: 90 }
    expect((await hear(heard, { recording })).durationSeconds).toBe(90)
  })

  test.each([null, undefined, [], [{ text: 3 }]])('is made of the text when its words are %o', async (words) => {
    expect(await hear({ text: 'Ask not.', words, audio_duration: 11 })).toMatchObject({ estimated: true })
  })

  test('is in the language that was heard only where that was asked for', async () => {
    const heard = { text: 'Ask.', words: WORDS, audio_duration: 11, language_code: 'en_uk' }
    expect((await hear(heard, { language: 'auto' })).language).toBe('en-GB')
    expect((await hear(heard, { language: 'zh-Hant-TW' })).language).toBe('zh-Hant-TW')
    expect((await hear({ ...heard, language_code: null }, { language: 'auto' })).language).toBe('und')
  })
})

describe('no speech is told at once', () => {
  test.each([
    { text: '', words: [] },
    { text: null, words: null },
    { text: '. . ,', words: [{ text: '.', start: 0, end: 10 }] },
    { text: ' \u0000', words: null },
  ])('%j', async (job) => {
    const refused: unknown = await hear({ ...job, audio_duration: 0 }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StepRefused)
    expect((refused as StepRefused).words).toEqual(NO_SPEECH)
  })
})

test('what may pass is asked for once more as a job of its own', async () => {
  const lost = hear({ status: 'error', error: 'Upload failed, please try again' })
  await expect(lost).rejects.toBeInstanceOf(JobEnded)
  const deleted = hear({ text: 'Deleted by user.', words: null, audio_url: 'http://deleted_by_user' })
  await expect(deleted).rejects.toBeInstanceOf(JobEnded)
})
