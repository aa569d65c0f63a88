import { readFileSync } from 'node:fs'

import { FUNCTIONS } from '../../../functions/functions.ts'
import type { Deployment } from '../deployment.ts'
import type { Fields, Resource } from '../resource.ts'
import { MARK } from '../resource.ts'

const DAY_SECONDS = 86_400
/** What is kept of one episode for its owner's others is kept for so long. */
const CACHE_DAYS = 30

/** What the platform itself must be able to do. */
const APIS: Record<string, string> = {
  'artifactregistry.googleapis.com': 'images of functions',
  'cloudbuild.googleapis.com': 'builds functions',
  'cloudfunctions.googleapis.com': 'functions',
  'cloudresourcemanager.googleapis.com': 'who may do what in the project',
  'cloudscheduler.googleapis.com': 'the schedule of the sweep',
  'cloudtasks.googleapis.com': 'tasks of steps',
  'firestore.googleapis.com': 'episodes, breakers, usage',
  'iam.googleapis.com': 'accounts and roles',
  'iamcredentials.googleapis.com': 'signs links without a key file',
  'identitytoolkit.googleapis.com': 'people sign in (Firebase Auth)',
  'logging.googleapis.com': 'the log, and metrics out of it',
  'monitoring.googleapis.com': 'alerts, dashboard, uptime',
  'run.googleapis.com': 'what functions run on',
  'secretmanager.googleapis.com': 'keys of providers',
  'storage.googleapis.com': 'recordings and results',
}

export function apis({ project }: Deployment): Resource[] {
  return Object.entries(APIS).map(([api, reason]) => ({
    kind: 'api',
    name: `projects/${project}/services/${api}`,
    fields: { state: 'ENABLED' },
    reason,
  }))
}

/** Browsers upload straight to the bucket, by links that we sign. */
export function bucket({ bucket: name, region, settings, retention }: Deployment): Resource {
  const origins = (settings['CORS_ALLOWED_ORIGINS'] ?? '').split(',').flatMap((one) => one.trim() || [])
  const cors =
    origins.length === 0
      ? []
      : [
          {
            origin: origins,
            method: ['GET', 'HEAD', 'PUT'],
            responseHeader: ['Content-Type', 'x-goog-if-generation-match', 'x-goog-content-length-range'],
            maxAgeSeconds: 3600,
          },
        ]
  return {
    kind: 'bucket',
    name,
    fields: {
      location: region.toUpperCase(),
      storageClass: 'STANDARD',
      iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
      // What was removed by mistake can be had back meanwhile.
      softDeletePolicy: { retentionDurationSeconds: String(retention.softDeleteDays * DAY_SECONDS) },
      // The last net: the sweep removes what nothing refers to, but uploads that were never finished it cannot see.
      lifecycle: {
        rule: [
          { action: { type: 'AbortIncompleteMultipartUpload' }, condition: { age: 7 } },
          { action: { type: 'Delete' }, condition: { age: CACHE_DAYS, matchesPrefix: ['cache/'] } },
        ],
      },
      cors,
      labels: MARK,
    },
    reason: 'recordings and results; nothing in it is public',
  }
}

type IndexField = { fieldPath: string; order: string }
type IndexesFile = {
  indexes: { collectionGroup: string; queryScope: string; fields: IndexField[] }[]
  fieldOverrides: {
    collectionGroup: string
    fieldPath: string
    ttl?: boolean
    indexes: { order: string; queryScope: string }[]
  }[]
}

/** The database with its indexes, what is not indexed and what expires, as firestore.indexes.json has them. */
export function firestore({ project, region, settings, retention }: Deployment): Resource[] {
  const file = JSON.parse(readFileSync(new URL('../firestore.indexes.json', import.meta.url), 'utf8')) as IndexesFile
  const database = `projects/${project}/databases/${settings['FIRESTORE_DATABASE'] ?? '(default)'}`
  const group = (collection: string) => `${database}/collectionGroups/${collection}`
  return [
    {
      kind: 'database',
      name: database,
      fields: {
        locationId: region,
        type: 'FIRESTORE_NATIVE',
        pointInTimeRecoveryEnablement: 'POINT_IN_TIME_RECOVERY_ENABLED',
        deleteProtectionState: 'DELETE_PROTECTION_ENABLED',
      },
      reason: 'episodes, breakers, usage; every minute of the last seven days can be read again',
    },
    ...file.indexes.map(({ collectionGroup, queryScope, fields }): Resource => {
      const id = fields.map(({ fieldPath, order }) => `${fieldPath}-${order}`).join('+')
      return {
        kind: 'index',
        name: `${group(collectionGroup)}/indexes/${id}`,
        fields: { queryScope, fields, state: 'READY' },
      }
    }),
    ...file.fieldOverrides.map(({ collectionGroup, fieldPath, ttl, indexes }): Resource => {
      const indexConfig = {
        indexes: indexes.map(({ order, queryScope }) => ({ queryScope, fields: [{ fieldPath, order }] })),
      }
      const fields: Fields = { indexConfig, ...(ttl && { ttlConfig: {} }) }
      return { kind: 'field', name: `${group(collectionGroup)}/fields/${fieldPath}`, fields }
    }),
    {
      kind: 'backupSchedule',
      name: `${database}/backupSchedules/daily`,
      fields: { dailyRecurrence: {}, retention: { seconds: retention.backupDays * DAY_SECONDS } },
      reason: `a backup of each of the last ${retention.backupDays} days`,
    },
    {
      kind: 'backupSchedule',
      name: `${database}/backupSchedules/weekly`,
      fields: { weeklyRecurrence: { day: 'SUNDAY' }, retention: { seconds: retention.backupWeeks * 7 * DAY_SECONDS } },
      reason: `a backup of each of the last ${retention.backupWeeks} Sundays`,
    },
  ]
}

/** The queues, each named like the function that it feeds. */
export function queues({ project, region }: Pick<Deployment, 'project' | 'region'>): Resource[] {
  return Object.values(FUNCTIONS).flatMap(({ name, queue }) =>
    queue === undefined
      ? []
      : [
          {
            kind: 'queue',
            name: `projects/${project}/locations/${region}/queues/${name}`,
            fields: {
              rateLimits: {
                maxDispatchesPerSecond: queue.maxDispatchesPerSecond,
                maxConcurrentDispatches: queue.maxConcurrentDispatches,
              },
              retryConfig: {
                maxAttempts: queue.maxAttempts,
                minBackoff: { seconds: queue.minBackoffSeconds },
                maxBackoff: { seconds: queue.maxBackoffSeconds },
                maxDoublings: queue.maxDoublings,
              },
              // Otherwise nothing that a queue does is ever logged.
              stackdriverLoggingConfig: { samplingRatio: 0.05 },
            },
          } satisfies Resource,
        ],
  )
}
