import { cloudChecks } from '../operations/health/cloud-checks.ts'
import { Lookout } from '../operations/health/check.ts'
import { providerChecks } from '../operations/health/provider-checks.ts'
import { STEPS } from '../episodes/steps.ts'
import { once } from '../resilience/once.ts'
import { sweepRecords } from '../store/sweeps.ts'
import { queueStats } from '../tasks/queue-stats.ts'
import { workFunction } from '../tasks/step-queue.ts'
import { breakerOperations } from './breaker-operations.ts'
import { workDependencies } from './work.ts'
import type { WorkDependencies } from './work.ts'

export type HealthDependencies = WorkDependencies & { lookouts: readonly Lookout[] }

/** Built once for this instance: what was seen is remembered between requests. */
export const healthDependencies = once((): HealthDependencies => {
  const work = workDependencies()
  const { config, now, objects, firestore } = work
  const checks = [
    ...cloudChecks({
      config,
      now,
      objects,
      sweeps: sweepRecords(firestore),
      control: breakerOperations().control,
      queueStats: queueStats(config),
      queues: STEPS.map(workFunction),
    }),
    ...providerChecks({
      assemblyai: work.assemblyAi,
      gemini: work.gemini,
      elevenlabs: work.elevenLabs,
      auphonic: work.auphonic,
    }),
  ]
  return { ...work, lookouts: checks.map((check) => new Lookout(check, now)) }
})
