import { expect, test } from 'vitest'

import { loadConfiguration, SHARED_BREAKERS } from '../../../shared/dependencies/config.ts'
import { listBreakersInUse } from '../../../shared/dependencies/providers.ts'

const breakersWith = (variables: Record<string, string> = {}) =>
  listBreakersInUse(loadConfiguration({ GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b', ...variables }, [])).map(
    ({ name, provider, ports }) => `${name} of ${provider}: ${ports.join()}`,
  )

test('every provider has a breaker, and speech to text one of its own', () => {
  expect(breakersWith()).toEqual([
    'assemblyai of assemblyai: transcribers',
    'gemini of gemini: writers',
    'elevenlabs-stt of elevenlabs: transcribers',
    'elevenlabs of elevenlabs: speakers',
    'auphonic of auphonic: masterings',
  ])
  expect(SHARED_BREAKERS).toEqual(['assemblyai', 'gemini', 'elevenlabs', 'elevenlabs-stt', 'auphonic', 'gcs'])
})

test('a breaker of a port that goes to others is not in use', () => {
  expect(breakersWith({ TRANSCRIBERS: 'assemblyai' })).not.toContain('elevenlabs-stt of elevenlabs: transcribers')
})
