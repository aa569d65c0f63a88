import type { Clients } from '../clients.ts'
import { MARK } from '../resource.ts'
import type { Fields, Found, Kind, Resource } from '../resource.ts'
import { readFound, unlessAbsent } from './absent.ts'
import { snake } from './names.ts'

/** The label by which what the API names itself is known to us: letters, digits, `_` and `-`. */
const ID_LABEL = 'steadycast-id'

/** Metrics that are counted out of the log. */
export function metricKind({ metrics }: Clients, project: string): Kind {
  const parent = `projects/${project}`
  return {
    read: ({ name }) => readFound(name, metrics.getLogMetric({ metricName: name })),
    async create({ name, fields }) {
      await metrics.createLogMetric({ parent, metric: { ...fields, name: idOf(name) } })
    },
    async update({ name, fields }) {
      await metrics.updateLogMetric({ metricName: name, metric: { ...fields, name: idOf(name) } })
    },
    async remove({ name }) {
      await metrics.deleteLogMetric({ metricName: name })
    },
    async list() {
      const listed = await unlessAbsent(metrics.listLogMetrics({ parent }))
      return (listed?.[0] ?? [])
        .filter(({ name }) => name?.startsWith('steadycast/'))
        .map((metric) => ({ name: `${parent}/metrics/${metric.name}`, fields: metric as Fields }))
    },
  }
}

function idOf(name: string): string {
  return name.slice(name.indexOf('/metrics/') + '/metrics/'.length)
}

/** What one collection of Cloud Monitoring needs to be kept as it must be. */
type Collection = {
  list: () => Promise<Fields[]>
  create: (fields: Fields) => Promise<unknown>
  update: (fields: Fields, paths: string[]) => Promise<unknown>
  remove: (name: string) => Promise<unknown>
  /** The field that holds labels of ours. */
  labels: 'userLabels' | 'labels'
}

/** Things whose names the API makes: ours are known by a label. */
function labelledKind({ list, create, update, remove, labels }: Collection): Kind {
  const ours = async (): Promise<(Found & { id: string })[]> => {
    const listed = (await unlessAbsent(list())) ?? []
    return listed.flatMap((fields) => {
      const id = (fields[labels] as Record<string, string> | undefined)?.[ID_LABEL]
      return id === undefined ? [] : [{ id, name: String(fields['name']), fields }]
    })
  }
  const mark = ({ name, fields }: Resource): Fields => ({
    ...fields,
    [labels]: { ...(fields[labels] as object | undefined), ...MARK, [ID_LABEL]: name },
  })
  return {
    atOnce: 4,
    read: async ({ name }) => (await ours()).find(({ id }) => id === name),
    create: async (resource) => void (await create(mark(resource))),
    update: async (resource, found, changed) =>
      void (await update({ ...mark(resource), name: found.name }, changed.map(snake))),
    remove: async ({ name }) => void (await remove(name)),
    list: ours,
  }
}

export function channelKind({ channels }: Clients, project: string): Kind {
  const name = `projects/${project}`
  return labelledKind({
    labels: 'userLabels',
    list: async () => (await channels.listNotificationChannels({ name }))[0] as Fields[],
    create: (notificationChannel) => channels.createNotificationChannel({ name, notificationChannel }),
    update: (notificationChannel, paths) =>
      channels.updateNotificationChannel({ notificationChannel, updateMask: { paths } }),
    remove: (channel) => channels.deleteNotificationChannel({ name: channel, force: true }),
  })
}

/** Alert policies name the channels they tell by our ids; here they get the names that the API made. */
export function alertPolicyKind({ alerts, channels }: Clients, project: string): Kind {
  const name = `projects/${project}`
  const kind = labelledKind({
    labels: 'userLabels',
    list: async () => (await alerts.listAlertPolicies({ name }))[0] as Fields[],
    create: (alertPolicy) => alerts.createAlertPolicy({ name, alertPolicy }),
    update: (alertPolicy, paths) => alerts.updateAlertPolicy({ alertPolicy, updateMask: { paths } }),
    remove: (policy) => alerts.deleteAlertPolicy({ name: policy }),
  })
  type Called = 'id' | 'name'
  const withChannels = async (fields: Fields, from: Called, to: Called): Promise<Fields> => {
    const [known] = await channels.listNotificationChannels({ name })
    const both = known.map((channel) => ({ id: channel.userLabels?.[ID_LABEL], name: channel.name }))
    const called = new Map(both.map((channel) => [channel[from], channel[to]]))
    const listed = (fields['notificationChannels'] ?? []) as string[]
    return { ...fields, notificationChannels: listed.map((one) => called.get(one) ?? one) }
  }
  const nameChannels = async (resource: Resource): Promise<Resource> => ({
    ...resource,
    fields: await withChannels(resource.fields, 'id', 'name'),
  })
  return {
    ...kind,
    read: async (resource) => {
      const found = await kind.read(resource)
      // By our ids, so that what is there can be compared with what is wanted.
      return found && { ...found, fields: await withChannels(found.fields, 'name', 'id') }
    },
    create: async (resource) => kind.create(await nameChannels(resource)),
    update: async (resource, found, changed) => kind.update?.(await nameChannels(resource), found, changed),
  }
}

export function uptimeCheckKind({ uptime }: Clients, project: string): Kind {
  const parent = `projects/${project}`
  return labelledKind({
    labels: 'userLabels',
    list: async () => (await uptime.listUptimeCheckConfigs({ parent }))[0] as Fields[],
    create: (uptimeCheckConfig) => uptime.createUptimeCheckConfig({ parent, uptimeCheckConfig }),
    update: (uptimeCheckConfig, paths) => uptime.updateUptimeCheckConfig({ uptimeCheckConfig, updateMask: { paths } }),
    remove: (name) => uptime.deleteUptimeCheckConfig({ name }),
  })
}

/** A dashboard is replaced whole. */
export function dashboardKind({ dashboards }: Clients, project: string): Kind {
  const parent = `projects/${project}`
  return labelledKind({
    labels: 'labels',
    list: async () => (await dashboards.listDashboards({ parent }))[0] as Fields[],
    create: (dashboard) => dashboards.createDashboard({ parent, dashboard }),
    update: (dashboard) => dashboards.updateDashboard({ dashboard }),
    remove: (name) => dashboards.deleteDashboard({ name }),
  })
}
