import type { v1 } from '@google-cloud/firestore'
import type { ClientOptions } from 'google-gax'

/** Where the APIs are when they are not Google's: `host:port` of gRPC without TLS, and the origin of the REST ones. */
export type ControlPlane = { grpc: string; http: string }

export type Clients = Awaited<ReturnType<typeof openClients>>

/** Google's own clients of every API that a deployment uses, with the credentials of who deploys. */
export async function openClients(project: string, controlPlane?: ControlPlane) {
  const [functions, run, tasks, scheduler, secrets, resources, services, logging, monitoring, dashboards] =
    await Promise.all([
      import('@google-cloud/functions'),
      import('@google-cloud/run'),
      import('@google-cloud/tasks'),
      import('@google-cloud/scheduler'),
      import('@google-cloud/secret-manager'),
      import('@google-cloud/resource-manager'),
      import('@google-cloud/service-usage'),
      import('@google-cloud/logging-api'),
      import('@google-cloud/monitoring'),
      import('@google-cloud/monitoring-dashboards'),
    ])
  const [firestore, { Storage }, { auth, iam }, { grpc }] = await Promise.all([
    firestoreAdmin(),
    import('@google-cloud/storage'),
    import('@googleapis/iam'),
    import('google-gax'),
  ])
  const options: ClientOptions = {
    projectId: project,
    ...(controlPlane && {
      apiEndpoint: controlPlane.grpc.split(':')[0] ?? '',
      port: Number(controlPlane.grpc.split(':')[1]),
      sslCreds: grpc.credentials.createInsecure(),
    }),
  }
  const opened = {
    functions: new functions.v2.FunctionServiceClient(options),
    run: new run.ServicesClient(options),
    tasks: new tasks.CloudTasksClient(options),
    scheduler: new scheduler.CloudSchedulerClient(options),
    secrets: new secrets.SecretManagerServiceClient(options),
    projects: new resources.ProjectsClient(options as never),
    services: new services.ServiceUsageClient(options as never),
    metrics: new logging.MetricsServiceV2Client(options),
    logs: new logging.LoggingServiceV2Client(options),
    alerts: new monitoring.AlertPolicyServiceClient(options),
    channels: new monitoring.NotificationChannelServiceClient(options),
    uptime: new monitoring.UptimeCheckServiceClient(options),
    series: new monitoring.MetricServiceClient(options),
    dashboards: new dashboards.DashboardsServiceClient(options as never),
    firestoreAdmin: new firestore.FirestoreAdminClient(options),
  }
  return {
    ...opened,
    storage: new Storage({ projectId: project, ...(controlPlane && { apiEndpoint: controlPlane.http }) }),
    iam: iam({
      version: 'v1',
      ...(controlPlane
        ? { rootUrl: controlPlane.http }
        : { auth: new auth.GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' }) }),
    }),
    async close(): Promise<void> {
      await Promise.all(Object.values(opened).map((client) => client.close()))
    },
  }
}

/** The administration of Firestore, a part that its package makes when it is asked for, where `import` sees nothing. */
async function firestoreAdmin() {
  const { default: made } = (await import('@google-cloud/firestore')) as unknown as {
    default: { v1: typeof v1 }
  }
  return made.v1
}
