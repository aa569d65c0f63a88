import { assemblyAi } from '../providers/assemblyai.ts'
import type { AssemblyAi } from '../providers/assemblyai.ts'
import { auphonic } from '../providers/auphonic.ts'
import type { Auphonic } from '../providers/auphonic.ts'
import { elevenLabs } from '../providers/elevenlabs.ts'
import type { ElevenLabs } from '../providers/elevenlabs.ts'
import { gemini } from '../providers/gemini.ts'
import type { Gemini } from '../providers/gemini.ts'
import type { Guard } from '../providers/guarded-call.ts'
import { ConcurrencyLimit } from '../resilience/concurrency-limit.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import type { ProviderName } from '../config.ts'
import { dependencies } from './dependencies.ts'
import type { Dependencies } from './dependencies.ts'
import { once } from '../resilience/once.ts'

/** What workers use of the world: no user's call needs a provider. */
export type WorkDependencies = Dependencies & {
  random: () => number
  assemblyAi: AssemblyAi
  gemini: Gemini
  elevenLabs: ElevenLabs
  auphonic: Auphonic
}

/** Built once for this instance. */
export const workDependencies = once((): WorkDependencies => {
  const common = dependencies()
  const { providers } = common.config
  const guard = (provider: ProviderName): Guard => ({
    provider,
    breaker: common.breakers[provider],
    limit: new ConcurrencyLimit(() => performance.now()),
    budget: new RetryBudget(),
  })
  return {
    ...common,
    random: Math.random,
    assemblyAi: assemblyAi(providers.assemblyai, guard('assemblyai')),
    gemini: gemini(providers.gemini, guard('gemini')),
    elevenLabs: elevenLabs(providers.elevenlabs, guard('elevenlabs')),
    auphonic: auphonic(providers.auphonic, guard('auphonic')),
  }
})
