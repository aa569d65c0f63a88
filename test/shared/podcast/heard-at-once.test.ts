import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { beforeEach, describe, expect, test } from 'vitest'

import type { Attempt } from '../../../shared/engine/attempt.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { SourceFailed } from '../../../shared/podcast/errors.ts'
import type { CallTranscriber } from '../../../shared/podcast/ports.ts'
import { transcribe } from '../../../shared/podcast/steps/transcribe.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { draft } from './episode-fixtures.ts'
import { MemoryObjects } from './memory-objects.ts'

/** A transcriber that answers at once is paid for each answer: what it has heard is kept, whatever happens then. */
const SPEECH = readFileSync(fileURLToPath(new URL('../../fixtures/speech.flac', import.meta.url)))
const COST = { calls: 1, audioSeconds: 11 }
let objects: MemoryObjects
let told: string[]

const transcriber: CallTranscriber = {
  name: 'an-ear',
  kind: 'call',
  callsBack: false,
  takes: () => true,
  async transcribe() {
    told.push('transcribe')
    const words = [{ text: 'Ask.', startMs: 0, endMs: 400, speaker: 'A' }]
    return { language: 'en', durationSeconds: 11.2, text: 'Ask.', words, cost: COST }
  },
}

beforeEach(async () => {
  told = []
  objects = new MemoryObjects()
  await objects.create(recordingKey(), SPEECH, 'audio/flac')
})

function recordingKey(): string {
  return draft().audio?.key ?? ''
}

/** An attempt, in a storage of which a part may be away. */
function attemptWithout(away?: 'readStream' | 'create') {
  const { signal } = new AbortController()
  const { audio, ...rest } = draft()
  const workflow: Episode = { ...rest, audio: audio && { ...audio, sizeBytes: SPEECH.length } }
  const fail = () => Promise.reject(new SourceFailed(new Error('away')))
  if (away === 'readStream') objects.readStream = fail
  if (away === 'create') objects.create = fail
  const tools = { transcribers: [transcriber], objects } as unknown as Tools
  const attempt: Attempt<Episode> = {
    workflow,
    name: 'transcribe',
    step: workflow.steps.transcribe,
    provider: 'an-ear',
    signal,
    call: { signal, correlationId: 'c', random: () => 0 },
    resumesIntent: false,
    nowMs: () => 0,
    charge(cost) {
      told.push(`charge ${JSON.stringify(cost)}`)
      return { attempt: 'a', provider: 'p', cost }
    },
    tell: () => undefined,
    recordJob: async () => undefined,
  }
  return { attempt, tools }
}

describe('what it has heard', () => {
  test('is charged, and kept in the language and the length of the recording', async () => {
    const { attempt, tools } = attemptWithout()
    const ended = await transcribe.run(attempt, tools)
    expect(ended).toMatchObject({ kind: 'done', result: { durationSeconds: 11, wordCount: 1, language: 'en' } })
    expect(ended).not.toHaveProperty('cost')
    expect(told).toEqual(['transcribe', `charge ${JSON.stringify(COST)}`])
  })

  test('is told as charged before it is stored', async () => {
    const { attempt, tools } = attemptWithout('create')
    await expect(transcribe.run(attempt, tools)).rejects.toBeInstanceOf(SourceFailed)
    expect(told).toEqual(['transcribe', `charge ${JSON.stringify(COST)}`])
  })

  test('is not paid for while storage is away, where it could not be kept', async () => {
    const { attempt, tools } = attemptWithout('readStream')
    await expect(transcribe.run(attempt, tools)).rejects.toBeInstanceOf(SourceFailed)
    expect(told).toEqual([])
  })

  test('is found by the next attempt, and not asked for again', async () => {
    const { attempt, tools } = attemptWithout()
    expect(await transcribe.adopt?.(attempt, tools)).toBeUndefined()
    const ended = await transcribe.run(attempt, tools)
    const found = await transcribe.adopt?.(attempt, tools)
    expect(found?.result).toEqual(ended.kind === 'done' && ended.result)
    expect(found?.receipt).toMatchObject({ attempt: 'a', cost: expect.anything() as object })
    expect(told.filter((what) => what === 'transcribe')).toHaveLength(1)
  })
})
