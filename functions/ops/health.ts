import * as z from 'zod'

import { healthDependencies } from '../../shared/dependencies/health.ts'
import { HttpError } from '../../shared/http/http-error.ts'
import { callerWithin } from '../../shared/http/caller.ts'
import { healthReport } from '../../shared/operations/health/report.ts'
import { serveEdge } from '../serve-edge.ts'

/** Of the 800 ms in which it must have answered. */
const WAIT_MS = 700
/** To who may be an admin, and must not be kept waiting. */
const UNKNOWN_CALLER = 'the token could not be checked in time; ask again for the details'
const MEDIA_TYPE = 'application/health+json; charset=utf-8'

const RELEASE = { version: process.env['K_SERVICE'] ?? 'local', releaseId: process.env['K_REVISION'] ?? 'local' }

const { firestore, objects } = healthDependencies()
for (const client of [firestore, objects]) client.preload()

/** Whether what Steadycast needs is there; admins are told what is not, and what people notice of it. */
export default serveEdge(
  'ops-health',
  {
    input: z.unknown(),
    async handle({ header }, { tokens, config, lookouts }) {
      const url = `${config.functionsBaseUrl}/ops-health`
      const [caller, report] = await Promise.all([
        callerWithin(WAIT_MS, header('authorization'), tokens, url),
        healthReport(lookouts, WAIT_MS, RELEASE),
      ])
      const isAdmin = caller?.kind === 'user' && caller.admin
      const unknown = caller === undefined && { output: UNKNOWN_CALLER }
      const json = isAdmin ? report : { status: report.status, ...unknown }
      const headers = { 'Content-Type': MEDIA_TYPE }
      if (report.status !== 'fail') return { status: 200, json, headers }
      const failure = new HttpError('service_unavailable', {
        technical: 'What Steadycast cannot do without is not there',
      })
      return { status: 503, json, headers, failure }
    },
  },
  healthDependencies,
)
