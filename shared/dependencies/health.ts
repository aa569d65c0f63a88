import { cloudChecks } from '../operations/health/cloud-checks.ts'
import { Lookout } from '../operations/health/check.ts'
import { providerChecks } from '../operations/health/provider-checks.ts'
import { WITHOUT, WITHOUT_ONE } from '../operations/health/without.ts'
import { STEP_NAMES } from '../podcast/pipeline.ts'
import { PORT_NAMES } from '../podcast/ports.ts'
import type { PortName } from '../podcast/ports.ts'
import { providerNamed } from '../providers/providers.ts'
import type { ProviderName } from '../providers/providers.ts'
import { once } from '../resilience/once.ts'
import { sweepRecords } from '../store/sweeps.ts'
import { queueStats } from '../tasks/queue-stats.ts'
import { workFunction } from '../tasks/step-queue.ts'
import { breakerOperations } from './breaker-operations.ts'
import type { Configuration } from './config.ts'
import { dependencies } from './dependencies.ts'
import type { Dependencies } from './dependencies.ts'
import { accountOf, listBreakersInUse, listProvidersInUse } from './providers.ts'

export type HealthDependencies = Dependencies & { lookouts: readonly Lookout[] }

/** Built once for this instance: what was seen is remembered between requests. */
export const healthDependencies = once((): HealthDependencies => {
  const common = dependencies()
  const { config, now, objects, firestore } = common
  const breakers = listBreakersInUse(config).map(({ name, provider, ports }) => ({
    name,
    meaning: describeLoss(provider, ports, config),
  }))
  const providers = listProvidersInUse(config).map((name) => ({
    name,
    meaning: describeLoss(name, PORT_NAMES, config),
  }))
  const checks = [
    ...cloudChecks({
      config,
      now,
      time: firestore.time,
      clockOffMs: firestore.clock.offMs,
      objects,
      sweeps: sweepRecords(firestore),
      control: breakerOperations().control,
      queueStats: queueStats(config),
      queues: STEP_NAMES.map(workFunction),
      breakers: [...breakers, { name: 'gcs', meaning: WITHOUT.gcs }],
    }),
    ...providerChecks(
      providers.map((provider) => ({
        ...provider,
        check: (signal) => providerNamed(provider.name).check(accountOf(config, provider.name), signal),
      })),
    ),
  ]
  return { ...common, lookouts: checks.map((check) => new Lookout(check, Date.now)) }
})

/** What people notice while a provider cannot be used for some ports. */
function describeLoss(name: ProviderName, ports: readonly PortName[], { providerOrder }: Configuration): string {
  const served = ports.filter((port) => providerOrder[port].includes(name))
  return served.map((port) => (providerOrder[port].length > 1 ? WITHOUT_ONE : WITHOUT)[port]).join('; ')
}
