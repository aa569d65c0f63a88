import type { PortLists, PortName } from '../podcast/ports.ts'
import { dependencies } from './dependencies.ts'
import type { Dependencies } from './dependencies.ts'
import { loadPorts } from './providers.ts'

/** What workers use of the world: no user's call needs a provider. */
export type WorkDependencies = Dependencies & PortLists & { random: () => number }

/**
 * Loads what this instance works with, once: an instance serves one function.
 * @param ports those that the function speaks to; the lists of the others stay empty
 */
export async function loadWorkDependencies(ports: readonly PortName[]): Promise<WorkDependencies> {
  const common = dependencies()
  return { ...common, ...(await loadPorts(common.config, common.breakers, ports)), random: Math.random }
}
