import type { Deployment } from '../deployment.ts'
import type { Resource } from '../resource.ts'

/** As often as there is. It also has ops-health look at everything once a minute, which is how late queues are noticed. */
const PERIOD_SECONDS = 60
const TIMEOUT_SECONDS = 10

/** The host of every function's URL. */
export function functionsHost({ project, region }: Pick<Deployment, 'project' | 'region'>): string {
  return `${region}-${project}.cloudfunctions.net`
}

/** Asks ops-health from several continents; 503 is down, a degraded provider is not. */
export function uptimeCheck(deployment: Deployment): Resource {
  const host = functionsHost(deployment)
  return {
    kind: 'uptimeCheck',
    name: 'health',
    reason: 'whether the service is up, seen from outside',
    fields: {
      displayName: 'Steadycast: ops-health',
      monitoredResource: { type: 'uptime_url', labels: { project_id: deployment.project, host } },
      httpCheck: {
        requestMethod: 'GET',
        path: '/ops-health',
        port: 443,
        useSsl: true,
        validateSsl: true,
        acceptedResponseStatusCodes: [{ statusClass: 'STATUS_CLASS_2XX' }],
      },
      period: { seconds: PERIOD_SECONDS },
      timeout: { seconds: TIMEOUT_SECONDS },
      checkerType: 'STATIC_IP_CHECKERS',
    },
  }
}
