import { PROVIDER_NAMES } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import type { StandInOptions, WorkLog } from './stand-in.ts'
import { STAND_INS } from './stand-ins.ts'

const STAND_IN_KEY = 'stand-in-key'

type StandInWorld = Omit<StandInOptions, 'apiKey'> & { work: WorkLog }

/**
 * Starts a stand-in for every provider that the user has brought no key for.
 * @param say hears of each provider and where it is
 * @returns the variables by which functions find providers, and whether all of them are stand-ins: then nothing that
 *   happens here is charged; `resume` begins what was under way when an earlier start ended
 */
export async function startProviders(
  userEnvironment: Record<string, string | undefined>,
  world: StandInWorld,
  closers: (() => Promise<void> | void)[],
  say: (name: string, where: string) => void,
): Promise<{ variables: Record<string, string>; free: boolean; resume: () => void }> {
  const variables: Record<string, string> = {}
  const resumes: (() => void)[] = []
  let free = true
  for (const name of PROVIDER_NAMES) {
    const real = findRealService(name, userEnvironment)
    if (real !== undefined) free = false
    const found = real ?? (await startStandIn(name, world, closers))
    Object.assign(variables, found.variables)
    if (found.resume) resumes.push(found.resume)
    say(name, found.where)
  }
  return { variables, free, resume: () => resumes.forEach((resume) => resume()) }
}

type Found = { variables: Record<string, string>; where: string; resume?: (() => void) | undefined }

function findRealService(name: ProviderName, userEnvironment: Record<string, string | undefined>): Found | undefined {
  const prefix = name.toUpperCase()
  const key = userEnvironment[`${prefix}_API_KEY`]?.trim()
  if (!key) return undefined
  const baseUrl = userEnvironment[`${prefix}_BASE_URL`]?.trim()
  return {
    variables: { [`${prefix}_API_KEY`]: key, ...(baseUrl && { [`${prefix}_BASE_URL`]: baseUrl }) },
    where: `the real service${baseUrl ? ` at ${baseUrl}` : ''}`,
  }
}

async function startStandIn(
  name: ProviderName,
  { work, ...world }: StandInWorld,
  closers: (() => Promise<void> | void)[],
): Promise<Found> {
  const { basePath, makeServers } = STAND_INS[name]
  const { api, behind, resume } = makeServers({ ...world, apiKey: STAND_IN_KEY }, work)
  for (const server of [...behind, api]) {
    await server.start()
    closers.push(() => server.stop())
  }
  const prefix = name.toUpperCase()
  return {
    variables: { [`${prefix}_API_KEY`]: STAND_IN_KEY, [`${prefix}_BASE_URL`]: `${api.origin}${basePath}` },
    where: `${api.origin} (stand-in)`,
    resume,
  }
}
