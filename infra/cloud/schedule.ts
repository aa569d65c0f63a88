import type { FunctionRow } from '../../functions/functions.ts'

type Place = { project: string; region: string; functionsBaseUrl: string; serviceAccount: string }

/** Longer than any scheduled function runs; what is not done by then is due for the next run. */
const ATTEMPT_DEADLINE_SECONDS = 180

/** The Cloud Scheduler job that calls a function on its schedule, or undefined when it has none. */
export function schedulerJob({ name, schedule }: FunctionRow, place: Place) {
  if (schedule === undefined) return undefined
  const uri = `${place.functionsBaseUrl}/${name}`
  return {
    name: `projects/${place.project}/locations/${place.region}/jobs/${name}`,
    schedule,
    timeZone: 'Etc/UTC',
    attemptDeadline: { seconds: ATTEMPT_DEADLINE_SECONDS },
    httpTarget: {
      uri,
      httpMethod: 'POST' as const,
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from('{}'),
      oidcToken: { serviceAccountEmail: place.serviceAccount, audience: uri },
    },
  }
}
