import type { Clients } from '../clients.ts'
import type { Deployment } from '../deployment.ts'
import { latestValue, versionsOf } from '../kinds/secrets.ts'
import type { Resource } from '../resource.ts'
import { accounts } from './accounts.ts'
import { functions, secretResource, secrets, SECRET_NAMES } from './functions.ts'
import type { SecretVersions } from './functions.ts'
import { channels, alertPolicies } from '../monitoring/policies.ts'
import { dashboard } from '../monitoring/dashboard.ts'
import { logMetrics } from '../monitoring/metrics.ts'
import { uptimeCheck } from '../monitoring/uptime.ts'
import { apis, bucket, firestore, queues } from './stores.ts'

/** How many versions of a secret can be in use at once: the newest, and the one before. */
const VERSIONS_IN_USE = 2

/**
 * Everything that a deployment consists of. Which versions of secrets there are is looked up, because functions name
 * them by number; one that is going to be made counts already.
 */
export async function desiredResources(
  deployment: Deployment,
  clients: Clients,
  sourceHash: string,
  rotateWebhookSecret: boolean,
): Promise<Resource[]> {
  const known: SecretVersions = {}
  const next = new Map<string, number>()
  for (const name of SECRET_NAMES) {
    const { usable, next: number } = await versionsOf(clients, secretResource(deployment.project, name))
    known[name] = usable
    next.set(name, number)
  }
  const wanted = secrets(deployment, known, rotateWebhookSecret)
  const versions: SecretVersions = {}
  for (const name of SECRET_NAMES) {
    const version = wanted.find(
      ({ name: full }) => full === `${secretResource(deployment.project, name)}/versions/latest`,
    )
    const isNew = version !== undefined && (await isNews(clients, version))
    versions[name] = [...(isNew ? [next.get(name) ?? 1] : []), ...(known[name] ?? [])].slice(0, VERSIONS_IN_USE)
  }
  return [
    ...apis(deployment),
    ...accounts(deployment),
    bucket(deployment),
    ...firestore(deployment),
    ...wanted,
    ...queues(deployment),
    ...functions(deployment, sourceHash, versions),
    ...logMetrics(deployment),
    ...channels(deployment),
    uptimeCheck(deployment),
    ...alertPolicies(deployment),
    dashboard(),
  ]
}

/** Whether what a secret should hold is not what it holds; one that cannot be read, the plan tells of by itself. */
async function isNews({ secrets: client }: Clients, { name, fields }: Resource): Promise<boolean> {
  return (await latestValue(client, name).catch(() => undefined)) !== fields['value']
}
