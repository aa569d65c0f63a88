import { entryPoint, FUNCTIONS } from '../../functions/functions.ts'

/**
 * The manifest that both the Functions emulator and `firebase deploy` discover functions by. JSON is YAML. The invoker
 * is public for every function: where the platform checks callers it strips the token our own check needs.
 */
export function functionsYaml(region: string): string {
  const endpoints = Object.values(FUNCTIONS).map((row) => [
    row.name,
    {
      platform: 'gcfv2',
      region: [region],
      entryPoint: entryPoint(row.name).path,
      availableMemoryMb: row.memoryMiB,
      cpu: row.cpu,
      timeoutSeconds: row.timeoutSeconds,
      concurrency: row.concurrency,
      minInstances: 0,
      maxInstances: row.instancesMax,
      ingressSettings: 'ALLOW_ALL',
      httpsTrigger: { invoker: ['public'] },
    },
  ])
  const manifest = { specVersion: 'v1alpha1', requiredAPIs: [], endpoints: Object.fromEntries(endpoints) }
  return `${JSON.stringify(manifest, null, 2)}\n`
}
