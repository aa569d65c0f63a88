import { FUNCTIONS } from '../../../functions/functions.ts'
import type { Clients } from '../clients.ts'
import { observing } from './observe.ts'
import { LAG_MS } from './observe.ts'

/** How long a source runs in staging before it may go to production. */
const PROVEN_MS = 24 * 3_600_000
const REQUESTS_MIN = 1_000
const ERROR_SHARE_MAX = 0.001
const P95_MAX_MS = 2_000
/** Of these the time is somebody else's: a provider's, or that of the line of who uploads. */
const PATIENT = /^(work-|episodes-upload$)/

/**
 * Why a source may not go to production yet: it has not run in staging for 24 hours, or did not do well there.
 * @returns nothing when it may
 */
export async function notProven(
  staging: Clients,
  place: { project: string; region: string },
  sourceHash: string,
  nowMs: number,
): Promise<string[]> {
  const parent = `projects/${place.project}/locations/${place.region}`
  const [deployed] = await staging.functions.listFunctions({ parent })
  const names = Object.keys(FUNCTIONS)
  const problems: string[] = []
  for (const name of names) {
    const found = deployed.find((one) => one.name === `${parent}/functions/${name}`)
    const sinceMs = Number(found?.updateTime?.seconds ?? Infinity) * 1000
    if (found?.labels?.['source'] !== sourceHash) problems.push(`${name} in ${place.project} is of another source`)
    else if (nowMs - sinceMs < PROVEN_MS)
      problems.push(
        `${name} has run in ${place.project} for ${Math.max(0, Math.round((nowMs - sinceMs) / 3_600_000))} of 24 hours`,
      )
  }
  if (problems.length > 0) return problems

  const splits = await Promise.all(
    names.map(async (name) => {
      const service = `${parent}/services/${name}`
      const [{ latestReadyRevision }] = await staging.run.getService({ name: service })
      const revision = String(latestReadyRevision)
      return { name, service, old: revision, new: revision, percent: 100 }
    }),
  )
  const seen = await observing(staging, place.project)(splits, nowMs - PROVEN_MS, nowMs - LAG_MS)
  const samples = Object.entries(seen).map(([name, { new: sample }]) => ({ name, ...sample }))
  const requests = samples.reduce((sum, sample) => sum + sample.requests, 0)
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0)
  if (requests < REQUESTS_MIN)
    problems.push(`${requests} requests in 24 hours say nothing: at least ${REQUESTS_MIN} (the load test makes them)`)
  if (errors > requests * ERROR_SHARE_MAX)
    problems.push(`${errors} of ${requests} requests failed, over ${ERROR_SHARE_MAX * 100} %`)
  for (const { name, p95Ms } of samples)
    if (!PATIENT.test(name) && p95Ms !== undefined && p95Ms > P95_MAX_MS)
      problems.push(`the 95th percentile of ${name} is ${Math.round(p95Ms)} ms, over ${P95_MAX_MS}`)
  return problems
}
