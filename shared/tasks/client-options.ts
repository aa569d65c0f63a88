import type { Config } from '../config.ts'

/** Options for a Cloud Tasks client: Google's service, or one that speaks gRPC without TLS, as the local cloud's does. */
export async function clientOptions({ tasksApiEndpoint, projectId }: Config) {
  if (tasksApiEndpoint === undefined) return {}
  const { grpc } = await import('./plain-grpc.ts')
  const [apiEndpoint = '', port = ''] = tasksApiEndpoint.split(':')
  return { projectId, apiEndpoint, port: Number(port), sslCreds: grpc.credentials.createInsecure() }
}
