import { PROVIDER_NAMES } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import type { StandIn } from './stand-in.ts'

/** The stand-in of every provider: what `NAME/stand-in.ts` exports under the provider's name. */
export const STAND_INS = Object.fromEntries(
  await Promise.all(PROVIDER_NAMES.map(async (name) => [name, await loadStandIn(name)] as const)),
) as Readonly<Record<ProviderName, StandIn>>

async function loadStandIn(name: ProviderName): Promise<StandIn> {
  const path = `./${name}/stand-in.ts`
  const { [name]: standIn } = (await import(path)) as Readonly<Record<string, StandIn | undefined>>
  if (standIn === undefined) throw new Error(`infra/local/providers/${name}/stand-in.ts exports no ${name}`)
  return standIn
}
