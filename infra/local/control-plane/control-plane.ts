import { Faults } from '../faults.ts'
import { GrpcService, serviceOf } from '../grpc-service.ts'
import type { Methods, Unary } from '../grpc-service.ts'
import { HttpService } from '../http-service.ts'
import type { Route } from '../http-service.ts'
import { Journal } from '../journal.ts'
import { functionsMethods, runMethods } from './functions-methods.ts'
import {
  firestoreAdminMethods,
  metricsMethods,
  monitoringMethods,
  projectMethods,
  secretsMethods,
  tasksAndSchedulerMethods,
} from './methods.ts'
import { refusal, restRoutes } from './rest-routes.ts'
import { GrpcError } from '../grpc-service.ts'
import type { ControlPlaneState } from './state.ts'

/** One call that reached the control plane. */
type ControlCall = { method: string; request: unknown; changes: boolean }

/** Hears of each call before it has its effect, and after; what it throws is what the caller gets. */
type Meddler = { before?: (call: ControlCall) => void; after?: (call: ControlCall) => void }

export type ControlPlaneServer = {
  grpc: string
  http: string
  calls: ControlCall[]
  meddler: Meddler
  stop: () => Promise<void>
}

/** What a fleet would have left in Cloud Monitoring and in the log; there is none unless somebody plays one. */
export type Telemetry = { ListTimeSeries: Unary; ListLogEntries: Unary }

const READS = /^(Get|List|Access|GenerateUploadUrl)/

/** Google Cloud's control plane, as far as a deployment speaks to it, on loopback. */
export async function startControlPlane(state: ControlPlaneState, telemetry?: Telemetry): Promise<ControlPlaneServer> {
  const calls: ControlCall[] = []
  const meddler: Meddler = {}
  const observeCall = async (
    method: string,
    request: unknown,
    changes: boolean,
    work: () => unknown,
  ): Promise<unknown> => {
    const call = { method, request, changes }
    calls.push(call)
    meddler.before?.(call)
    const answer = await work()
    meddler.after?.(call)
    return answer
  }
  const watchMethods = (service: string, { unary }: Methods): Methods => ({
    unary: Object.fromEntries(
      Object.entries(unary).map(([name, method]): [string, Unary] => [
        name,
        (request) => observeCall(`${service}/${name}`, request, !READS.test(name), () => method(request)),
      ]),
    ),
  })
  const watchRoute = (route: Route): Route => ({
    ...route,
    handle: async (request) => {
      const changes = route.method !== 'GET' && !request.url.pathname.endsWith(':getIamPolicy')
      const body = route.method === 'GET' ? undefined : (await request.bytes()).toString('utf8')
      const name = `${route.method} ${request.url.pathname}`
      try {
        return (await observeCall(name, body, changes, () => route.handle(request))) as Awaited<
          ReturnType<Route['handle']>
        >
      } catch (error) {
        if (error instanceof GrpcError) return refusal(error)
        throw error
      }
    },
  })

  const http = await new HttpService({
    target: 'gcs',
    faults: new Faults(),
    journal: new Journal(),
    routes: restRoutes(state).map(watchRoute),
    refuse: (status) => ({ status, json: { error: { code: status, message: 'refused' } } }),
  }).start()

  const { services, projects, operations } = projectMethods(state)
  const { tasks, scheduler } = tasksAndSchedulerMethods(state)
  const { alerts, channels, uptime, dashboards } = monitoringMethods(state)
  const monitoring = '@google-cloud/monitoring'
  const served: [packageName: string, service: string, methods: Methods, protoFile?: string][] = [
    ['@google-cloud/service-usage', 'google.api.serviceusage.v1.ServiceUsage', services],
    ['@google-cloud/resource-manager', 'google.cloud.resourcemanager.v3.Projects', projects],
    ['@google-cloud/functions', 'google.longrunning.Operations', operations],
    [
      '@google-cloud/functions',
      'google.cloud.functions.v2.FunctionService',
      functionsMethods(state, () => http.origin),
    ],
    ['@google-cloud/run', 'google.cloud.run.v2.Services', runMethods(state)],
    ['@google-cloud/secret-manager', 'google.cloud.secretmanager.v1.SecretManagerService', secretsMethods(state)],
    [
      '@google-cloud/firestore',
      'google.firestore.admin.v1.FirestoreAdmin',
      firestoreAdminMethods(state),
      'admin_v1.json',
    ],
    ['@google-cloud/tasks', 'google.cloud.tasks.v2.CloudTasks', tasks],
    ['@google-cloud/scheduler', 'google.cloud.scheduler.v1.CloudScheduler', scheduler],
    ['@google-cloud/logging-api', 'google.logging.v2.MetricsServiceV2', metricsMethods(state)],
    [monitoring, 'google.monitoring.v3.AlertPolicyService', alerts],
    [monitoring, 'google.monitoring.v3.NotificationChannelService', channels],
    [monitoring, 'google.monitoring.v3.UptimeCheckService', uptime],
    ['@google-cloud/monitoring-dashboards', 'google.monitoring.dashboard.v1.DashboardsService', dashboards],
  ]
  if (telemetry)
    served.push(
      [monitoring, 'google.monitoring.v3.MetricService', { unary: { ListTimeSeries: telemetry.ListTimeSeries } }],
      [
        '@google-cloud/logging-api',
        'google.logging.v2.LoggingServiceV2',
        { unary: { ListLogEntries: telemetry.ListLogEntries } },
      ],
    )
  const grpc = await new GrpcService(
    'tasks',
    new Faults(),
    served.map(([packageName, service, methods, protoFile]) => ({
      definition: serviceOf(packageName, service, protoFile),
      methods: watchMethods(service.slice(service.lastIndexOf('.') + 1), methods),
    })),
  ).start()

  return {
    grpc: grpc.address,
    http: http.origin,
    calls,
    meddler,
    async stop() {
      grpc.stop()
      await http.stop()
    },
  }
}
