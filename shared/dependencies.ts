import { loadConfig } from './config.ts'
import type { Config } from './config.ts'
import type { IdempotencyRecords } from './http/idempotency.ts'
import { tokenVerifier } from './http/identity.ts'
import type { TokenVerifier } from './http/identity.ts'
import { assemblyAi } from './providers/assemblyai.ts'
import type { AssemblyAi } from './providers/assemblyai.ts'
import { auphonic } from './providers/auphonic.ts'
import type { Auphonic } from './providers/auphonic.ts'
import { elevenLabs } from './providers/elevenlabs.ts'
import type { ElevenLabs } from './providers/elevenlabs.ts'
import { gemini } from './providers/gemini.ts'
import type { Gemini } from './providers/gemini.ts'
import { episodeStore } from './store/episodes.ts'
import type { EpisodeStore } from './store/episodes.ts'
import { firestoreAccess } from './store/firestore.ts'
import { idempotencyRecords } from './store/idempotency.ts'
import { objectStore } from './store/objects.ts'
import type { ObjectStore } from './store/objects.ts'
import { stepQueue } from './tasks/step-queue.ts'
import type { StepQueue } from './tasks/step-queue.ts'

/** All that handlers and workers use of the world, in one argument. */
export type Dependencies = {
  config: Config
  now: () => number
  random: () => number
  tokens: TokenVerifier
  idempotency: IdempotencyRecords
  episodes: EpisodeStore
  objects: ObjectStore
  queue: StepQueue
  assemblyAi: AssemblyAi
  gemini: Gemini
  elevenLabs: ElevenLabs
  auphonic: Auphonic
}

/** Builds them from a configuration. Nothing heavy happens yet: clients are imported at their first call. */
function buildDependencies(config: Config): Dependencies {
  const firestore = firestoreAccess(config)
  return {
    config,
    now: Date.now,
    random: Math.random,
    tokens: tokenVerifier(config),
    idempotency: idempotencyRecords(firestore, Date.now),
    episodes: episodeStore(firestore),
    objects: objectStore(config),
    queue: stepQueue(config),
    assemblyAi: assemblyAi(config.providers.assemblyai),
    gemini: gemini(config.providers.gemini),
    elevenLabs: elevenLabs(config.providers.elevenlabs),
    auphonic: auphonic(config.providers.auphonic),
  }
}

let built: Dependencies | undefined

/** The dependencies of this instance, built once; a build that fails is tried again at the next call. */
export function dependencies(): Dependencies {
  return (built ??= buildDependencies(loadConfig(process.env)))
}
