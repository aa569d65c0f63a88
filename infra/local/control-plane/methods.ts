import { randomUUID } from 'node:crypto'

import { GrpcError, STATUS } from '../grpc-service.ts'
import type { Methods, Unary } from '../grpc-service.ts'
import type { ControlPlaneState, Fields, Policy } from './state.ts'

type Mask = { paths?: string[] } | null
type Names = { name: string }

const DATABASE = 'google.firestore.admin.v1.Database'

/** One collection after Google's conventions (https://google.aip.dev/121): `X` is the resource in the methods' names. */
function collection(
  state: ControlPlaneState,
  api: string,
  { X, field, plural, maskField = 'updateMask' }: { X: string; field: string; plural: string; maskField?: string },
  nameOf: (request: Fields, sent: Fields) => string,
): Record<string, Unary> {
  const guard = (work: (request: never) => unknown): Unary => {
    return (request) => {
      state.requireApi(api)
      return work(request)
    }
  }
  return {
    [`Get${X}`]: guard(({ name }: Names) => state.get(name)),
    [`Create${X}`]: guard((request: Fields) => {
      const sent = request[field] as Fields
      return state.create(nameOf(request, sent), sent)
    }),
    [`Update${X}`]: guard((request: Fields) => {
      const sent = request[field] as Fields & Names
      return state.update(sent.name, sent, request[maskField] as Mask)
    }),
    [`Delete${X}`]: guard(({ name }: Names) => {
      state.remove(name)
      return {}
    }),
    [`List${X}s`]: guard((request: { parent?: string; name?: string }) => ({
      [plural]: state.list(`${request.parent ?? request.name ?? ''}/${plural}`),
    })),
  }
}

function fullName(resource: Fields | undefined): string | undefined {
  return resource?.['name'] as string | undefined
}

/** The project's APIs and its policy, and the operations of all. */
export function projectMethods(state: ControlPlaneState) {
  const services: Methods = {
    unary: {
      GetService: ({ name }: Names) => state.resources.get(name) ?? { name, state: 'DISABLED' },
      EnableService: ({ name }: Names) => {
        state.resources.set(name, { name, state: 'ENABLED' })
        return state.operation('google.api.serviceusage.v1.EnableServiceResponse')
      },
    },
  }
  const projects: Methods = {
    unary: {
      GetIamPolicy: (request: { resource: string }) => {
        state.requireApi('cloudresourcemanager.googleapis.com')
        return state.policy(request.resource)
      },
      SetIamPolicy: ({ resource, policy }: { resource: string; policy: Policy }) => state.setPolicy(resource, policy),
    },
  }
  const operations: Methods = {
    unary: {
      GetOperation: ({ name }: Names) => {
        const found = state.operations.get(name)
        if (found === undefined) throw new GrpcError(STATUS.notFound, 'no such operation')
        return found
      },
    },
  }
  return { services, projects, operations }
}

export function secretsMethods(state: ControlPlaneState): Methods {
  const versions = (secret: string) => state.list(`${secret}/versions`)
  const resolveVersion = (name: string) => {
    if (!name.endsWith('/latest')) return name
    const secret = name.slice(0, name.lastIndexOf('/versions/'))
    return fullName(versions(secret).at(-1)) ?? name
  }
  return {
    unary: {
      ...collection(
        state,
        'secretmanager.googleapis.com',
        { X: 'Secret', field: 'secret', plural: 'secrets' },
        (request) => `${String(request['parent'])}/secrets/${String(request['secretId'])}`,
      ),
      GetIamPolicy: ({ resource }: { resource: string }) => {
        state.requireApi('secretmanager.googleapis.com')
        state.get(resource)
        return state.policy(resource)
      },
      SetIamPolicy: ({ resource, policy }: { resource: string; policy: Policy }) => state.setPolicy(resource, policy),
      AddSecretVersion: ({ parent, payload }: { parent: string; payload: { data: Uint8Array } }) => {
        state.get(parent)
        const name = `${parent}/versions/${versions(parent).length + 1}`
        state.secretValues.set(name, Buffer.from(payload.data).toString('utf8'))
        return state.create(name, { state: 'ENABLED' })
      },
      AccessSecretVersion: ({ name }: Names) => {
        state.requireApi('secretmanager.googleapis.com')
        const version = resolveVersion(name)
        state.get(version)
        return { name: version, payload: { data: Buffer.from(state.secretValues.get(version) ?? '') } }
      },
      ListSecretVersions: ({ parent }: { parent: string }) => {
        state.requireApi('secretmanager.googleapis.com')
        state.get(parent)
        return { versions: versions(parent) }
      },
    },
  }
}

export function firestoreAdminMethods(state: ControlPlaneState): Methods {
  const api = () => state.requireApi('firestore.googleapis.com')
  const databaseOf = (name: string) => {
    api()
    return state.get(/^projects\/[^/]+\/databases\/[^/]+/.exec(name)?.[0] ?? name)
  }
  return {
    unary: {
      GetDatabase: ({ name }: Names) => databaseOf(name),
      CreateDatabase: (request: { parent: string; databaseId: string; database: Fields }) => {
        api()
        const { parent, databaseId, database } = request
        state.create(`${parent}/databases/${databaseId}`, database)
        return state.operation(DATABASE)
      },
      UpdateDatabase: ({ database, updateMask }: { database: Fields & Names; updateMask?: Mask }) => {
        state.update(database.name, database, updateMask)
        return state.operation(DATABASE)
      },
      ListIndexes: ({ parent }: { parent: string }) => {
        databaseOf(parent)
        return { indexes: state.list(`${parent}/indexes`) }
      },
      GetIndex: ({ name }: Names) => state.get(name),
      CreateIndex: ({ parent, index }: { parent: string; index: { fields?: Fields[] } & Fields }) => {
        databaseOf(parent)
        const fields = [...(index.fields ?? []), { fieldPath: '__name__', order: 'DESCENDING' }]
        state.create(`${parent}/indexes/${randomUUID()}`, { ...index, fields, state: 'READY' })
        return state.operation('google.firestore.admin.v1.Index')
      },
      GetField: ({ name }: Names) => {
        databaseOf(name)
        return state.resources.get(name) ?? { name, indexConfig: { usesAncestorConfig: true } }
      },
      UpdateField: ({ field }: { field: Fields & Names }) => {
        databaseOf(field.name)
        const ttlConfig = field['ttlConfig'] ? { state: 'ACTIVE' } : undefined
        state.resources.set(field.name, { ...field, ...(ttlConfig && { ttlConfig }) })
        return state.operation('google.firestore.admin.v1.Field')
      },
      ListBackupSchedules: ({ parent }: { parent: string }) => {
        databaseOf(parent)
        return { backupSchedules: state.list(`${parent}/backupSchedules`) }
      },
      CreateBackupSchedule: ({ parent, backupSchedule }: { parent: string; backupSchedule: Fields }) => {
        databaseOf(parent)
        return state.create(`${parent}/backupSchedules/${randomUUID()}`, backupSchedule)
      },
      ListBackups: () => {
        api()
        return { backups: [...state.resources].flatMap(([name, one]) => (/\/backups\/[^/]+$/.test(name) ? [one] : [])) }
      },
      RestoreDatabase: ({ parent, databaseId, backup }: { parent: string; databaseId: string; backup: string }) => {
        const source = String(state.get(backup)['database'])
        const { name: _name, ...fields } = state.get(source)
        state.create(`${parent}/databases/${databaseId}`, fields)
        // As the real thing, without its policies of expiry.
        for (const [name, one] of state.resources)
          if (name.startsWith(`${source}/`) && name.includes('/indexes/'))
            state.create(name.replace(source, `${parent}/databases/${databaseId}`), one)
        return state.operation(DATABASE)
      },
      UpdateBackupSchedule: ({ backupSchedule, updateMask }: { backupSchedule: Fields & Names; updateMask?: Mask }) =>
        state.update(backupSchedule.name, backupSchedule, updateMask),
    },
  }
}

export function tasksAndSchedulerMethods(state: ControlPlaneState): { tasks: Methods; scheduler: Methods } {
  const own = (_request: Fields, sent: Fields) => String(sent['name'])
  const jobs = collection(state, 'cloudscheduler.googleapis.com', { X: 'Job', field: 'job', plural: 'jobs' }, own)
  const create = jobs['CreateJob'] as Unary
  return {
    tasks: {
      unary: collection(state, 'cloudtasks.googleapis.com', { X: 'Queue', field: 'queue', plural: 'queues' }, own),
    },
    scheduler: {
      unary: {
        ...jobs,
        // Every job has a header that nobody asked for.
        CreateJob: (request: { job: { httpTarget: { headers: object } } }) => {
          const { job } = request
          const headers = { 'User-Agent': 'Google-Cloud-Scheduler', ...job.httpTarget.headers }
          return create({ ...request, job: { ...job, httpTarget: { ...job.httpTarget, headers } } } as never)
        },
      },
    },
  }
}

/** Collections in which the API makes the names. */
export function monitoringMethods(state: ControlPlaneState) {
  const api = 'monitoring.googleapis.com'
  const parentOf = (request: Fields) => String(request['parent'] ?? request['name'])
  const namerOf = (plural: string) => (request: Fields) => `${parentOf(request)}/${plural}/${randomUUID()}`
  const of = (X: string, field: string, plural: string): Methods => ({
    unary: collection(state, api, { X, field, plural }, namerOf(plural)),
  })
  const alerts = of('AlertPolicy', 'alertPolicy', 'alertPolicies')
  return {
    alerts: { unary: { ...alerts.unary, ListAlertPolicies: alerts.unary['ListAlertPolicys'] as Unary } },
    channels: of('NotificationChannel', 'notificationChannel', 'notificationChannels'),
    uptime: of('UptimeCheckConfig', 'uptimeCheckConfig', 'uptimeCheckConfigs'),
    dashboards: of('Dashboard', 'dashboard', 'dashboards'),
  }
}

/** google.logging.v2.MetricsServiceV2; a metric's own name has no parent in it. */
export function metricsMethods(state: ControlPlaneState): Methods {
  const api = () => state.requireApi('logging.googleapis.com')
  const showMetric = (stored: Fields) => ({ ...stored, name: String(stored['name']).replace(/^.*\/metrics\//, '') })
  return {
    unary: {
      GetLogMetric: ({ metricName }: { metricName: string }) => {
        api()
        return showMetric(state.get(metricName))
      },
      CreateLogMetric: ({ parent, metric }: { parent: string; metric: Fields }) => {
        api()
        return showMetric(state.create(`${parent}/metrics/${String(metric['name'])}`, metric))
      },
      UpdateLogMetric: ({ metricName, metric }: { metricName: string; metric: Fields }) =>
        showMetric(state.update(metricName, metric)),
      DeleteLogMetric: ({ metricName }: { metricName: string }) => {
        state.remove(metricName)
        return {}
      },
      ListLogMetrics: ({ parent }: { parent: string }) => {
        api()
        const prefix = `${parent}/metrics/`
        const all = [...state.resources].filter(([name]) => name.startsWith(prefix))
        return { metrics: all.map(([, metric]) => showMetric(metric)) }
      },
    },
  }
}
