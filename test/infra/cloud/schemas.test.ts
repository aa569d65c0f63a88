import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'

import { openClients } from '../../../infra/cloud/clients.ts'
import { desiredResources } from '../../../infra/cloud/desired/desired.ts'
import type { Fields, KindName } from '../../../infra/cloud/resource.ts'
import { deployment, rehearse } from './rehearsal.ts'

/** The message of each kind in the schema that its API publishes; accounts, roles and buckets are REST. */
const MESSAGES: Partial<Record<KindName, [packageName: string, message: string, file?: string]>> = {
  api: ['@google-cloud/service-usage', 'google.api.serviceusage.v1.Service'],
  database: ['@google-cloud/firestore', 'google.firestore.admin.v1.Database', 'admin_v1.json'],
  index: ['@google-cloud/firestore', 'google.firestore.admin.v1.Index', 'admin_v1.json'],
  field: ['@google-cloud/firestore', 'google.firestore.admin.v1.Field', 'admin_v1.json'],
  backupSchedule: ['@google-cloud/firestore', 'google.firestore.admin.v1.BackupSchedule', 'admin_v1.json'],
  secret: ['@google-cloud/secret-manager', 'google.cloud.secretmanager.v1.Secret'],
  queue: ['@google-cloud/tasks', 'google.cloud.tasks.v2.Queue'],
  function: ['@google-cloud/functions', 'google.cloud.functions.v2.Function'],
  job: ['@google-cloud/scheduler', 'google.cloud.scheduler.v1.Job'],
  metric: ['@google-cloud/logging-api', 'google.logging.v2.LogMetric'],
  channel: ['@google-cloud/monitoring', 'google.monitoring.v3.NotificationChannel'],
  uptimeCheck: ['@google-cloud/monitoring', 'google.monitoring.v3.UptimeCheckConfig'],
  alertPolicy: ['@google-cloud/monitoring', 'google.monitoring.v3.AlertPolicy'],
  dashboard: ['@google-cloud/monitoring-dashboards', 'google.monitoring.dashboard.v1.Dashboard'],
}
/** Kinds whose fields are ours, or have no message of their own. */
const NO_MESSAGE: ReadonlySet<KindName> = new Set(['secretVersion', 'grant', 'invoker'])
const REST: ReadonlySet<KindName> = new Set(['serviceAccount', 'role', 'bucket'])

const require = createRequire(import.meta.url)

function messageOf(packageName: string, message: string, file = 'protos.json'): protobuf.Type {
  const folder = require.resolve(packageName).replace(/\/build\/.*$/, '/build/protos/')
  const json = JSON.parse(readFileSync(folder + file, 'utf8')) as protobuf.INamespace
  return protobuf.Root.fromJSON(json).lookupType(message)
}

/** Paths of what a message does not keep: fields that it does not have, and values that it cannot hold. */
function lost(type: protobuf.Type, fields: Fields): string[] {
  const wire = type.encode(type.fromObject(fields)).finish()
  const kept = type.toObject(type.decode(wire), { enums: String, longs: String, bytes: Buffer, defaults: true })
  const compare = (sent: unknown, got: unknown, path: string): string[] => {
    if (sent instanceof Uint8Array) return Buffer.from(sent).equals(Buffer.from(got as Uint8Array)) ? [] : [path]
    if (Array.isArray(sent)) return sent.flatMap((one, i) => compare(one, (got as unknown[])[i], `${path}[${i}]`))
    if (typeof sent !== 'object' || sent === null) return String(sent) === String(got) ? [] : [path]
    if (typeof got !== 'object' || got === null) return [path]
    return Object.entries(sent).flatMap(([key, value]) => compare(value, (got as Fields)[key], `${path}.${key}`))
  }
  return compare(fields, kept, type.name)
}

describe('what a deployment sends', () => {
  test('is, field by field and value by value, what the schemas of the APIs have', async () => {
    const project = await rehearse()
    const clients = await openClients('demo-podcast', project.server)
    const desired = await desiredResources(deployment(), clients, 'hash', false)
    const types = new Map<KindName, protobuf.Type>()
    for (const { kind, name, fields } of desired) {
      if (NO_MESSAGE.has(kind) || REST.has(kind)) continue
      const message = MESSAGES[kind]
      if (message === undefined) throw new Error(`no message for ${kind}`)
      const type = types.get(kind) ?? messageOf(...message)
      types.set(kind, type)
      expect({ name, lost: lost(type, fields) }).toEqual({ name, lost: [] })
    }
    expect(types.size).toBe(Object.keys(MESSAGES).length)
    await clients.close()
    await project.stop()
  })

  test('would be noticed to be wrong', () => {
    const type = messageOf('@google-cloud/tasks', 'google.cloud.tasks.v2.Queue')
    expect(lost(type, { rateLimits: { maxDispatchesPerSeconds: 1 } })).toEqual([
      'Queue.rateLimits.maxDispatchesPerSeconds',
    ])
    expect(lost(type, { state: 'PAUSE' })).toEqual(['Queue.state'])
    expect(() => lost(type, { retryConfig: { maxBackoff: '10s' } })).toThrow(/maxBackoff/)
  })
})
