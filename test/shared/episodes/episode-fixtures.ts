import { freshSteps } from '../../../shared/episodes/moves.ts'
import { SCHEMA_VERSION } from '../../../shared/episodes/schema.ts'
import type { Episode, EpisodeFault, Options } from '../../../shared/episodes/schema.ts'

export const FAULT: EpisodeFault = { code: 'attempts_exhausted', message: 'gave up', retryable: true, error_id: 'e1' }

/** A draft with a pinned recording, created at time 0. */
export function draft(options: Options = { intro: { text: 'Hello.' } }): Episode {
  return {
    schemaVersion: SCHEMA_VERSION,
    id: '0123456789abcdef01234567',
    userId: 'alice',
    title: 'A draft',
    language: 'en',
    options,
    status: 'draft',
    generation: 0,
    audio: { key: 'episodes/x/source/y', contentType: 'audio/flac', sizeBytes: 10, objectGeneration: '1' },
    steps: freshSteps(),
    results: {},
    createdAtMs: 0,
    updatedAtMs: 0,
  }
}
