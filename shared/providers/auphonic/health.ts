import * as z from 'zod'

import type { CreditsLeft } from '../../operations/health/provider-checks.ts'
import type { Account } from '../definition.ts'
import { askForHealth, requestsOf } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import type { Settings } from './client.ts'

/** Hours of audio that are paid for and not used. */
const AccountAnswer = z.object({ data: z.object({ credits: z.number() }) })
/** About one long episode. */
const CREDIT_HOURS_LOW = 2
/** What can be asked for, by name. */
const AlgorithmsAnswer = z.object({ data: z.record(z.string(), z.unknown()) })
const FormatsAnswer = z.object({
  data: z.looseObject({ mp3: z.looseObject({ bitrates: z.array(z.coerce.string()) }) }),
})

/**
 * What is left of what was paid for, and whether what we are set up to ask for is still to be had: all of it is free to
 * ask. Lists of an unknown form say nothing.
 * @throws ProviderError misconfigured, naming what Auphonic does not have
 */
export async function checkAccount(account: Account<Settings>, signal: AbortSignal): Promise<CreditsLeft> {
  const buildRequest = requestsOf(account, { Authorization: `Bearer ${account.config.apiKey}` })
  const get = <T>(path: string, schema: z.ZodType<T>) =>
    askForHealth(buildRequest('check', 'GET', path), schema, signal)
  const { credits } = (await get('/user.json', AccountAnswer)).data
  const [algorithms, formats] = await Promise.all([
    get('/info/algorithms.json', AlgorithmsAnswer).catch(ignoreForm),
    get('/info/output_files.json', FormatsAnswer).catch(ignoreForm),
  ])
  const { AUPHONIC_ALGORITHMS: chosen, AUPHONIC_BITRATE_KBPS: bitrate } = account.config.settings
  const isOffered = (name: string) => algorithms === undefined || Object.hasOwn(algorithms.data, name)
  const lacking = Object.keys(chosen).filter((name) => chosen[name] !== false && !isOffered(name))
  if (formats !== undefined && !formats.data.mp3.bitrates.includes(bitrate)) lacking.push(`mp3 of ${bitrate} kbit/s`)
  if (lacking.length === 0) return { left: credits, unit: 'h', low: credits < CREDIT_HOURS_LOW }
  const message = `there is no ${lacking.join(', no ')}: see AUPHONIC_ALGORITHMS and AUPHONIC_BITRATE_KBPS`
  throw new ProviderError(account.name, 'check', { kind: 'misconfigured', message })
}

function ignoreForm(error: unknown): undefined {
  if (error instanceof ProviderError && ['unusable', 'bad_response', 'not_found'].includes(error.kind)) return undefined
  throw error
}
