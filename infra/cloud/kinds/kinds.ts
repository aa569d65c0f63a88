import type { Clients } from '../clients.ts'
import type { Deployment } from '../deployment.ts'
import type { Kinds } from '../resource.ts'
import { backupScheduleKind, databaseKind, fieldKind, indexKind } from './firestore.ts'
import { functionKind } from './functions.ts'
import type { Source } from './functions.ts'
import { alertPolicyKind, channelKind, dashboardKind, metricKind, uptimeCheckKind } from './monitoring.ts'
import { apiKind, grantKind, roleKind, serviceAccountKind } from './project.ts'
import { jobKind, queueKind } from './queues.ts'
import { secretKind, secretVersionKind } from './secrets.ts'
import { bucketKind } from './storage.ts'

/** How each kind of resource is kept as it must be, by Google's clients. */
export function kindsOf(
  clients: Clients,
  place: Pick<Deployment, 'project' | 'region'>,
  source: Source,
  candidate: boolean,
): Kinds {
  const { project } = place
  return {
    api: apiKind(clients),
    serviceAccount: serviceAccountKind(clients, project),
    role: roleKind(clients, project),
    bucket: bucketKind(clients),
    database: databaseKind(clients),
    index: indexKind(clients),
    field: fieldKind(clients),
    backupSchedule: backupScheduleKind(clients),
    secret: secretKind(clients),
    secretVersion: secretVersionKind(clients),
    queue: queueKind(clients),
    grant: grantKind(clients),
    function: functionKind(clients, place, source, candidate),
    invoker: grantKind(clients),
    job: jobKind(clients, place),
    metric: metricKind(clients, project),
    channel: channelKind(clients, project),
    uptimeCheck: uptimeCheckKind(clients, project),
    alertPolicy: alertPolicyKind(clients, project),
    dashboard: dashboardKind(clients, project),
  }
}
