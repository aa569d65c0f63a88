import type { ProviderChoice } from '../../../shared/engine/transitions/claim.ts'
import { freshSteps } from '../../../shared/engine/transitions/moved.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import type { Options } from '../../../shared/podcast/options.ts'
import { SCHEMA_VERSION } from '../../../shared/podcast/episode.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'
import { handsOn } from '../engine/hands-on.ts'

export { FAILED } from '../engine/hands-on.ts'

/* An episode in the hands of a test, and what can be done to it. */

export const RESULTS: { readonly [Name in StepName]: NonNullable<Episode['results'][Name]> } = {
  transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 },
  write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } },
  voice: { audioKey: 'v', characters: 5 },
  master: { audioKey: 'm', durationSeconds: 12, introSeconds: 2 },
  finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' },
}

const PROVIDERS: Readonly<Record<string, readonly ProviderChoice[]>> = {
  transcribe: [{ name: 'assemblyai', kind: 'job' }],
  write: [{ name: 'gemini', kind: 'call' }],
  voice: [{ name: 'elevenlabs', kind: 'call' }],
  master: [{ name: 'auphonic', kind: 'job' }],
}

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
    steps: freshSteps(PIPELINE) as Episode['steps'],
    results: {},
    createdAtMs: 0,
    updatedAtMs: 0,
  }
}

export function started(options?: Options, nowMs = 1): Moved<Episode> {
  return start(PIPELINE, draft(options), {}, nowMs)
}

export const { claimEvent, askFor, claimStep, doneAs, carryOutAll, taskFor } = handsOn<Episode, StepName>(PIPELINE, {
  providersOf: (step) => PROVIDERS[step] ?? [],
  resultOf: (step) => RESULTS[step],
})
