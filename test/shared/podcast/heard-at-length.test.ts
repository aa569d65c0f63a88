import { describe, expect, test } from 'vitest'

import type { Episode } from '../../../shared/podcast/episode.ts'
import { finish } from '../../../shared/podcast/steps/finish.ts'
import { transcribe } from '../../../shared/podcast/steps/transcribe.ts'
import { write } from '../../../shared/podcast/steps/write.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { accountAt, makePort } from '../providers/provider-fixtures.ts'
import { serviceOfTest } from '../providers/service-of-test.ts'
import { longestStretch } from '../processor-time.ts'
import { draft } from './episode-fixtures.ts'
import { attemptToHear } from './heard-attempt.ts'
import { longJob, longScribe, LONG_WORDS } from './long-answers.ts'
import { MemoryObjects } from './memory-objects.ts'

/** Whatever is heard in a day of speech, nobody else of the instance waits for it. */
const STRETCH_MS_MAX = 100
const ANSWERS = { assemblyai: longJob(), elevenlabs: longScribe() }

const service = serviceOfTest((request, response) => {
  request.resume()
  const isNotes = request.url?.includes('generateContent') === true
  const body = request.method === 'GET' ? ANSWERS.assemblyai : isNotes ? JSON.stringify(GEMINI) : ANSWERS.elevenlabs
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(body)
})

async function attemptWith(provider: keyof typeof ANSWERS) {
  const objects = new MemoryObjects()
  const transcriber = await makePort('transcribers', accountAt(provider, service.url))
  const writers = [await makePort('writers', accountAt('gemini', service.url))]
  const notesCache = { reserve: async () => ({ kind: 'ours' }), keep: async () => undefined }
  const tools = { transcribers: [transcriber], writers, notesCache, objects } as unknown as Tools
  const episode = draft()
  const workflow = { ...episode, audio: { key: 'recording', contentType: 'audio/flac', sizeBytes: 10 ** 9 } } as Episode
  await objects.create('recording', Buffer.alloc(10), 'audio/flac')
  const attempt = attemptToHear(workflow, provider)
  return { attempt, tools }
}

const NOTES = { title: 'A day', description: 'All of it.', chapters: [], tags: [] }
const GEMINI = { candidates: [{ content: { parts: [{ text: JSON.stringify(NOTES) }] }, finishReason: 'STOP' }] }

describe.each(['assemblyai', 'elevenlabs'] as const)('a day of speech, heard by %s,', (provider) => {
  test('becomes an episode while others come to their turn', async () => {
    const { attempt, tools } = await attemptWith(provider)
    const heard = await longestStretch(async () => transcribe.run(attempt, tools))
    expect(heard.result).toMatchObject({ kind: 'done', result: { wordCount: LONG_WORDS, durationSeconds: 80_000 } })
    const found = await longestStretch(async () => transcribe.adopt?.(attempt, tools))
    const transcribed = 'result' in heard.result ? heard.result.result : undefined
    const isCall = provider === 'elevenlabs'
    expect(found.result?.result).toEqual(isCall ? transcribed : undefined)
    const mastered = { audioKey: 'recording', durationSeconds: 80_000, introSeconds: 2 }
    const workflow = { ...attempt.workflow, results: { transcribe: transcribed, master: mastered } } as Episode
    const writing = { ...attempt, workflow, name: 'write', provider: 'gemini' }
    const written = await longestStretch(async () => write.run(writing, tools))
    const notes = 'result' in written.result ? written.result.result : undefined
    expect(notes).toMatchObject({ notes: { title: 'A day' } })
    const finishing = {
      ...writing,
      workflow: { ...workflow, results: { ...workflow.results, write: notes } } as Episode,
    }
    const finished = await longestStretch(async () => finish.run(finishing, tools))
    expect(finished.result).toMatchObject({ kind: 'done' })
    const stretches = { heard: heard.ms, found: found.ms, written: written.ms, finished: finished.ms }
    expect(Object.entries(stretches).filter(([, ms]) => ms > STRETCH_MS_MAX)).toEqual([])
  })
})
