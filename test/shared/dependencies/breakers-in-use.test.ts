import { expect, test } from 'vitest'

import { loadConfiguration, SHARED_BREAKERS } from '../../../shared/dependencies/config.ts'
import { listBreakersInUse } from '../../../shared/dependencies/providers.ts'
import { PROVIDERS } from '../../../shared/providers/providers.ts'

const breakersWith = (variables: Record<string, string> = {}) =>
  listBreakersInUse(loadConfiguration({ GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b', ...variables }, [])).map(
    ({ name, provider, ports }) => `${name} of ${provider}: ${ports.join()}`,
  )

test('every provider has a breaker, and what can fail alone one of its own', () => {
  expect(breakersWith()).toEqual(
    expect.arrayContaining(['elevenlabs-stt of elevenlabs: transcribers', 'elevenlabs of elevenlabs: speakers']),
  )
  const guarded = breakersWith().flatMap((line) => {
    const [, provider, ports = ''] = / of (.+): (.+)$/.exec(line) ?? []
    return ports.split(',').map((port) => `${provider} for ${port}`)
  })
  const implemented = PROVIDERS.flatMap(({ name, make }) => Object.keys(make).map((port) => `${name} for ${port}`))
  expect(guarded.toSorted()).toEqual(implemented.toSorted())
  const named = PROVIDERS.flatMap(({ name, breakers }) => [name, ...Object.values(breakers)])
  expect(SHARED_BREAKERS).toEqual([...named, 'gcs'])
})

test('a breaker of a port that goes to others is not in use', () => {
  expect(breakersWith({ TRANSCRIBERS: 'assemblyai' })).not.toContain('elevenlabs-stt of elevenlabs: transcribers')
})
