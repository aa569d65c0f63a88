import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { CommandRefused } from '../../infra/command-line.ts'
import { readArguments } from '../../infra/demo/arguments.ts'
import { describeWaits } from '../../infra/demo/progress.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'

const folder = mkdtempSync(join(tmpdir(), 'demo-arguments-'))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'takes'))
for (const name of ['takes/one.mp3', 'takes/two.mp3', 'takes/two.txt']) writeFileSync(join(folder, name), 'x')

/** The words of the refusal. */
function refusal(words: string[], environment: Record<string, string> = {}): string {
  try {
    readArguments(words, environment, folder)
  } catch (error) {
    if (error instanceof CommandRefused) return error.message
    throw error
  }
  return 'nothing was refused'
}

describe('npm run demo', () => {
  test('refuses what cannot be, in a line that says the path as it was given', () => {
    expect(refusal(['takes/none.mp3'])).toBe('There is no file takes/none.mp3.')
    expect(refusal(['takes'])).toBe('takes is not a file. Name a recording.')
    expect(refusal(['takes/one.mp3', 'README.md'])).toBe('One recording at a time: README.md is one too many.')
    expect(refusal(['--outage', 'somebody'])).toMatch(/^--outage: expected .*; there is no somebody$/)
    expect(refusal([], { FIRESTORE_EMULATOR_HOST: 'nothere' })).toMatch(/^FIRESTORE_EMULATOR_HOST: expected host:port/)
    expect(refusal(['--firestore='])).toMatch(/^--firestore: expected embedded, official or host:port/)
  })

  test('asks for the words of a recording that nobody will transcribe, before anything starts', () => {
    const missing = /^There is no takes\/one\.txt; with assemblyai and elevenlabs down .* put the words .* there\.$/
    expect(refusal(['takes/one.mp3', '--outage=all'])).toMatch(missing)
    expect(refusal(['takes/one.mp3', '--outage=elevenlabs,assemblyai'])).toMatch(missing)
    const only = { TRANSCRIBERS: 'assemblyai' }
    expect(refusal(['takes/one.mp3', '--outage=assemblyai'], only)).toMatch(/^There is no takes\/one\.txt; /)
  })

  test('takes the .txt beside the recording, and needs none while somebody transcribes', () => {
    const file = join(folder, 'takes/two.txt')
    expect(readArguments(['takes/two.mp3', '--outage=all'], {}, folder).byHand).toEqual({ file })
    expect(readArguments(['takes/one.mp3', '--outage=assemblyai'], {}, folder).byHand).toBeUndefined()
    expect(readArguments(['--outage=all'], {}, folder).byHand).toHaveProperty('words')
  })

  test('takes an empty FIRESTORE_EMULATOR_HOST for none', () => {
    expect(readArguments([], { FIRESTORE_EMULATOR_HOST: ' ' }, folder).firestore).toBe('embedded')
  })

  test('says of each step that waits for whom and why', () => {
    const problem = { code: 'service_unavailable', message: 'Away.', retryable: true, error_id: '1' }
    const rest = { state: 'pending', attempt: 0 } as const
    const episode = {
      steps: {
        transcribe: {
          state: 'waiting',
          attempt: 1,
          provider: 'assemblyai',
          error: { ...problem, technical_message: 'gcs: 503' },
        },
        write: { state: 'waiting', attempt: 1, provider: 'gemini', error: problem },
        voice: { state: 'waiting', attempt: 1, provider: 'elevenlabs' },
        master: rest,
        finish: rest,
      },
      waitingFor: { provider: 'gcs', until: '2026-01-01T00:00:00.000Z' },
    } as unknown as EpisodeView
    expect(describeWaits(episode)).toEqual(['transcribe waits for gcs: gcs: 503', 'write waits for gemini: Away.'])
    const left = { at: '', by: 'attempt 1', from: 'running', to: 'pending' }
    const history = [
      { ...left, what: 'write', why: 'other: No.' },
      { ...left, what: 'transcribe' },
    ]
    expect(describeWaits(episode, history)[1]).toBe('write waits for gemini: Away. (before: other: No.)')
  })
})
