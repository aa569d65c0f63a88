import { randomBytes } from 'node:crypto'

import { entryPoint, FUNCTIONS } from '../../../functions/functions.ts'
import type { FunctionRow } from '../../../functions/functions.ts'
import { ConfigError } from '../../../shared/config.ts'
import type { SecretName } from '../../../shared/dependencies/config.ts'
import { functionUrl, placeOf } from '../deployment.ts'
import type { Deployment } from '../deployment.ts'
import { JOB_MARK } from '../kinds/queues.ts'
import { MARK } from '../resource.ts'
import type { Resource } from '../resource.ts'
import { schedulerJob } from '../schedule.ts'
import { accountEmail, grant, memberOf } from './accounts.ts'

const RUNTIME = 'nodejs24'

/** Versions of each secret that there are, or will be when the deployment is done: numbers, newest first. */
export type SecretVersions = Partial<Record<SecretName, readonly number[]>>

export function secretResource(project: string, name: SecretName): string {
  return `projects/${project}/secrets/${secretId(name)}`
}

function secretId(name: SecretName): string {
  return `steadycast-${name.toLowerCase().replaceAll('_', '-')}`
}

/** Every secret that some function is given. */
export const SECRET_NAMES = [...new Set(Object.values(FUNCTIONS).flatMap((row) => row.secrets ?? []))]

/**
 * Secrets, what they hold where that was brought along, and which accounts may read them. The webhook secret is made
 * here; asked for a new one, the one before stays good.
 * @throws ConfigError naming what is neither brought along nor there
 */
export function secrets(
  { project, secrets: brought, unusedSecrets }: Deployment,
  known: SecretVersions,
  rotateWebhookSecret: boolean,
): Resource[] {
  const absent = SECRET_NAMES.filter((name) => brought[name] === undefined && !known[name]?.length)
  const missing = absent.filter((name) => name !== 'WEBHOOK_SECRET' && !unusedSecrets.has(name))
  if (missing.length > 0)
    throw new ConfigError(
      `Configuration: ${missing.map((name) => `${name} is neither set nor in Secret Manager as ${secretId(name)}`).join('; ')}`,
    )
  const held = SECRET_NAMES.filter((name) => !(absent.includes(name) && unusedSecrets.has(name)))
  return held.flatMap((name) => {
    const makes = name === 'WEBHOOK_SECRET' && (rotateWebhookSecret || !known[name]?.length)
    const value = brought[name] ?? (makes ? randomBytes(32).toString('base64url') : undefined)
    return [
      {
        kind: 'secret',
        name: secretResource(project, name),
        fields: { replication: { automatic: {} }, labels: MARK },
      } satisfies Resource,
      ...(value === undefined
        ? []
        : [
            {
              kind: 'secretVersion',
              name: `${secretResource(project, name)}/versions/latest`,
              fields: { value },
            } satisfies Resource,
          ]),
      ...accountsThatRead(name).map((account) =>
        grant(
          {
            resource: secretResource(project, name),
            role: 'roles/secretmanager.secretAccessor',
            member: memberOf(project, account),
          },
          `${name} is given to its functions when they start`,
        ),
      ),
    ]
  })
}

function accountsThatRead(secret: SecretName): string[] {
  const reading = Object.values(FUNCTIONS).filter((row) => row.secrets?.includes(secret))
  return [...new Set(reading.map(({ account }) => account))]
}

/** The functions, who may call them, and what is called on a schedule. */
export function functions(deployment: Deployment, sourceHash: string, versions: SecretVersions): Resource[] {
  return Object.values(FUNCTIONS).flatMap((row) => {
    const { project, region } = deployment
    const job = schedulerJob(row, {
      project,
      region,
      functionsBaseUrl: functionUrl(deployment, '').slice(0, -1),
      serviceAccount: accountEmail(project, 'scheduler'),
    })
    const invoker = {
      resource: `projects/${project}/locations/${region}/services/${row.name}`,
      role: 'roles/run.invoker',
      member: 'allUsers',
    }
    const made: Resource[] = [
      functionResource(deployment, row, sourceHash, versions),
      // Who calls is checked in code: the platform would take the signature off the tokens that we check.
      { ...grant(invoker, 'callers are checked in code'), kind: 'invoker' },
    ]
    if (job !== undefined) {
      const { name, ...fields } = job
      made.push({ kind: 'job', name, fields: { ...fields, description: `${JOB_MARK}${row.purpose}` } })
    }
    return made
  })
}

function functionResource(
  deployment: Deployment,
  row: FunctionRow,
  sourceHash: string,
  versions: SecretVersions,
): Resource {
  const { project, region, settings } = deployment
  return {
    kind: 'function',
    name: `projects/${project}/locations/${region}/functions/${row.name}`,
    // Who takes webhooks must know a new secret before anybody signs with it.
    rank: row.caller === 'provider' ? 0 : 1,
    reason: row.purpose,
    fields: {
      environment: 'GEN_2',
      description: row.purpose,
      labels: { ...MARK, source: sourceHash },
      state: 'ACTIVE',
      buildConfig: {
        runtime: RUNTIME,
        entryPoint: entryPoint(row.name).path,
        serviceAccount: `projects/${project}/serviceAccounts/${accountEmail(project, 'build')}`,
        automaticUpdatePolicy: {},
      },
      serviceConfig: {
        availableMemory: `${row.memoryMiB}Mi`,
        availableCpu: String(row.cpu),
        timeoutSeconds: row.timeoutSeconds,
        maxInstanceRequestConcurrency: row.concurrency,
        minInstanceCount: 0,
        maxInstanceCount: row.instancesMax,
        ingressSettings: 'ALLOW_ALL',
        serviceAccountEmail: accountEmail(project, row.account),
        allTrafficOnLatestRevision: true,
        environmentVariables: { ...settings, ...placeOf(deployment) },
        secretEnvironmentVariables: (row.secrets ?? []).flatMap((name) => secretVariables(project, name, versions)),
      },
    },
  }
}

/** By number, so that a new version is a new revision, and one that fails can be gone back from. */
function secretVariables(project: string, name: SecretName, versions: SecretVersions) {
  const [newest, previous] = versions[name] ?? []
  const variable = (key: SecretName, version: number | undefined) =>
    version === undefined ? [] : [{ key, projectId: project, secret: secretId(name), version: String(version) }]
  return [
    ...variable(name, newest),
    ...(name === 'WEBHOOK_SECRET' ? variable('WEBHOOK_SECRET_PREVIOUS', previous) : []),
  ]
}
