import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { FUNCTIONS } from '../../../functions/functions.ts'
import { openClients } from '../../../infra/cloud/clients.ts'
import { deploymentOf } from '../../../infra/cloud/deployment.ts'
import type { KindName } from '../../../infra/cloud/resource.ts'
import { KIND_NAMES } from '../../../infra/cloud/resource.ts'
import { backups, restore } from '../../../infra/cloud/restore.ts'
import { lineOf } from '../../../infra/cloud/words.ts'
import type { Fields } from '../../../infra/local/control-plane/state.ts'
import { GrpcError } from '../../../infra/local/grpc-service.ts'
import { ConfigError } from '../../../shared/config.ts'
import { deployment, KEYS, PROJECT, rehearse, sourceOf } from './rehearsal.ts'
import type { Rehearsal } from './rehearsal.ts'

let project: Rehearsal

describe('an empty project', () => {
  beforeEach(async () => {
    project = await rehearse()
    return () => project.stop()
  })

  test('is planned whole, and a plan changes nothing', async () => {
    const { steps, said, changes } = await project.run('plan')
    expect(changes).toEqual([])
    expect(new Set(steps.map((step) => (step.action === 'create' ? step.resource.kind : step.action)))).toEqual(
      new Set(KIND_NAMES),
    )
    expect(said.filter((line) => line.startsWith('+ function '))).toHaveLength(Object.keys(FUNCTIONS).length)
    expect(said.at(-1)).toBe(`${steps.length} to create, 0 to change, 0 to remove`)
  })

  test('is deployed by one run; the next finds nothing to do and changes nothing', async () => {
    const planned = await project.run('plan')
    const { complete, steps } = await project.run('apply')
    expect(complete).toBe(true)
    expect(steps.map(lineOf).toSorted()).toEqual(planned.steps.map(lineOf).toSorted())
    expect((await project.run('plan')).steps).toEqual([])
    const again = await project.run('apply')
    expect([again.steps, again.changes]).toEqual([[], []])
  })

  test('is waited for while APIs and accounts that were just made are not known everywhere yet', async () => {
    const refused = new Map<string, number>()
    project.server.meddler.before = ({ method }) => {
      const times = refused.get(method) ?? 0
      if (!/CreateQueue|CreateMetric|CreateSecret$/.test(method) || times === 2) return
      refused.set(method, times + 1)
      throw new GrpcError(7, 'The API has not been used in project 1 before or it is disabled. (SERVICE_DISABLED)')
    }
    expect((await project.run('apply')).complete).toBe(true)
    expect(refused.size).toBe(2)
  })

  test('keeps data, keys and queues when all else is removed, and can be deployed again', async () => {
    await project.run('apply')
    expect((await project.run('destroy')).complete).toBe(true)
    const left = [...project.state.resources.keys()].map((name) => name.split('/').at(-2) ?? '')
    expect(left).not.toContain('functions')
    for (const kept of ['b', 'databases', 'secrets', 'versions', 'queues']) expect(left).toContain(kept)
    expect((await project.run('apply')).complete).toBe(true)
    expect((await project.run('plan')).steps).toEqual([])
  })
})

describe('a deployed project', () => {
  beforeAll(async () => {
    project = await rehearse()
    await project.run('apply')
  })
  afterAll(() => project.stop())

  /** What was changed behind our back, as it is stored, and the kind that has to notice it. */
  const DRIFTS: [KindName, string, (fields: Fields) => Fields | undefined][] = [
    ['api', `projects/${PROJECT}/services/artifactregistry.googleapis.com`, () => ({ state: 'DISABLED' })],
    ['serviceAccount', account('live'), (fields) => ({ ...fields, displayName: 'mine now' })],
    [
      'role',
      `projects/${PROJECT}/roles/steadycast.api.bucket`,
      (fields) => ({ ...fields, includedPermissions: ['storage.objects.get'] }),
    ],
    [
      'bucket',
      'b/demo-podcast-steadycast',
      (fields) => ({ ...fields, iamConfiguration: { publicAccessPrevention: 'inherited' } }),
    ],
    [
      'database',
      `projects/${PROJECT}/databases/(default)`,
      (fields) => ({ ...fields, deleteProtectionState: 'DELETE_PROTECTION_DISABLED' }),
    ],
    ['field', collectionGroup('idempotency/fields/expireAt'), (fields) => ({ ...fields, ttlConfig: null })],
    ['secret', `projects/${PROJECT}/secrets/steadycast-gemini-api-key`, (fields) => ({ ...fields, labels: {} })],
    ['queue', here('queues/work-write'), (fields) => ({ ...fields, rateLimits: { maxDispatchesPerSecond: 500 } })],
    ['function', here('functions/episodes-get'), (fields) => ({ ...fields, labels: {} })],
    ['function', here('functions/work-write'), () => undefined],
    ['job', here('jobs/ops-sweep'), (fields) => ({ ...fields, schedule: '0 * * * *' })],
    ['job', here('jobs/ops-sweep'), () => undefined],
    ['metric', `projects/${PROJECT}/metrics/steadycast/fallbacks`, () => undefined],
  ]

  test.each(DRIFTS)(
    'shows a %s that was changed or removed by hand, exactly that one, and puts it right',
    async (kind, name, drift) => {
      const before = project.state.get(name)
      const drifted = drift(before)
      if (drifted === undefined) project.state.resources.delete(name)
      else project.state.resources.set(name, drifted)
      const { steps } = await project.run('plan')
      expect(steps.map((step) => (step.action === 'remove' ? step.kind : step.resource.kind))).toEqual([kind])
      expect((await project.run('apply')).complete).toBe(true)
      expect((await project.run('plan')).steps).toEqual([])
    },
  )

  test.each([
    'alertPolicies',
    'notificationChannels',
    'uptimeCheckConfigs',
    'dashboards',
    'indexes',
    'backupSchedules',
  ])('shows one of the %s that was removed by hand, exactly that one', async (plural) => {
    const name = [...project.state.resources.keys()].find((one) => one.split('/').at(-2) === plural) ?? ''
    project.state.remove(name)
    const { steps } = await project.run('plan')
    // A policy that told a channel which is gone no longer tells anybody that we know.
    const shown = steps.filter((step) => !(plural === 'notificationChannels' && step.action === 'change'))
    expect(shown.map(({ action }) => action)).toEqual(['create'])
    await project.run('apply')
    expect((await project.run('plan')).steps).toEqual([])
  })

  test.each([
    ['grant', `projects/${PROJECT}`],
    ['grant', 'b/demo-podcast-steadycast'],
    ['grant', `projects/${PROJECT}/secrets/steadycast-gemini-api-key`],
    ['grant', account('tasks')],
    ['invoker', here('services/episodes-get')],
  ])('shows a %s on %s that was withdrawn, and leaves those of others alone', async (kind, resource) => {
    const policy = project.state.policy(resource)
    const members = ['user:somebody@example.com']
    const others = { role: 'roles/viewer', members, condition: { title: 'on weekdays', expression: 'true' } }
    const [first, ...rest] = (policy.bindings ?? []).filter(({ role }) => role !== others.role)
    project.state.policies.set(resource, { ...policy, bindings: [...rest, others] })
    const { steps } = await project.run('plan')
    expect(steps.map((step) => (step.action === 'create' ? step.resource.kind : step.action))).toEqual(
      first?.members.map(() => kind),
    )
    await project.run('apply')
    expect((await project.run('plan')).steps).toEqual([])
    expect(project.state.policy(resource).bindings).toContainEqual(
      expect.objectContaining({ ...others, condition: expect.objectContaining(others.condition) as unknown }),
    )
  })

  test('removes a function, a job and a metric of ours that is not in the table any more, and nobody else’s', async () => {
    const ours = here('functions/episodes-rename')
    project.state.resources.set(here('functions/theirs'), { name: here('functions/theirs'), labels: {} })
    project.state.resources.set(here('services/theirs'), { name: here('services/theirs') })
    project.state.resources.set(ours, { name: ours, labels: { 'managed-by': 'steadycast' } })
    project.state.resources.set(here('services/episodes-rename'), { name: here('services/episodes-rename') })
    const { steps } = await project.run('apply')
    expect(steps.map(lineOf)).toEqual([expect.stringContaining(`- function        ${ours}`)])
    expect(project.state.resources.has(here('functions/theirs'))).toBe(true)
    expect(project.state.resources.has(ours)).toBe(false)
  })

  test('gets a new source as a new revision of every function', async () => {
    const { steps } = await project.run('apply', { source: sourceOf('two') })
    expect(steps).toHaveLength(Object.keys(FUNCTIONS).length)
    await project.run('apply')
  })

  test('tells those who take webhooks of a new secret before anybody signs with it, and keeps the one before', async () => {
    await project.run('apply', { rotateWebhookSecret: true })
    const updated = project.server.calls.flatMap(({ method, request }) =>
      method === 'FunctionService/UpdateFunction' ? [(request as { function: { name: string } }).function.name] : [],
    )
    expect(updated.slice(0, 2).map(last).toSorted(byName)).toEqual(['hooks-assemblyai', 'hooks-auphonic'])
    expect(updated.slice(2).map(last).toSorted(byName)).toEqual(['work-master', 'work-transcribe'])
    const { serviceConfig } = project.state.get(here('functions/hooks-auphonic')) as {
      serviceConfig: { secretEnvironmentVariables: Fields[] }
    }
    expect(serviceConfig.secretEnvironmentVariables).toMatchObject([
      { key: 'WEBHOOK_SECRET', version: '2' },
      { key: 'WEBHOOK_SECRET_PREVIOUS', version: '1' },
    ])
    expect((await project.run('plan')).steps).toEqual([])
  })

  test('gets a new key as a new version, which its functions and no others are given', async () => {
    const changed = deployment({ GEMINI_API_KEY: 'gemini-key-9876543210' })
    const { steps, said } = await project.run('apply', { deployment: changed })
    expect(steps.map((step) => last(step.action === 'remove' ? '' : step.resource.name)).toSorted(byName)).toEqual([
      'latest',
      'ops-health',
      'work-write',
    ])
    expect(said.join('\n')).not.toMatch(/gemini-key/)
    expect((await project.run('plan', { deployment: changed })).steps).toEqual([])
    await project.run('apply')
  })

  test('gives functions the secrets they use, and no others', () => {
    const given = (name: string) => {
      const { serviceConfig } = project.state.get(here(`functions/${name}`)) as {
        serviceConfig: { secretEnvironmentVariables?: { key: string }[] }
      }
      return (serviceConfig.secretEnvironmentVariables ?? []).map(({ key }) => key)
    }
    expect(given('episodes-create')).toEqual([])
    expect(given('work-write')).toEqual(['GEMINI_API_KEY'])
  })
})

describe('a backup', () => {
  test('is restored to a new database, which a deployment gives what a restore leaves out', async () => {
    const backup = `projects/${PROJECT}/locations/us-central1/backups/b1`
    const database = `projects/${PROJECT}/databases/(default)`
    project = await rehearse()
    await project.run('apply')
    project.state.resources.set(backup, { name: backup, database, snapshotTime: { seconds: 1_800_000_000 } })
    const clients = await openClients(PROJECT, project.server)
    expect(await backups(clients, PROJECT)).toEqual([`2027-01-15T08:00:00.000Z  ${database}  ${backup}`])
    await restore(clients, PROJECT, backup, 'restored')

    const moved = deployment({ FIRESTORE_DATABASE: 'restored' })
    const { steps } = await project.run('apply', { deployment: moved })
    const kinds = new Map<string, number>()
    for (const step of steps) {
      const kind = step.action === 'remove' ? '' : `${step.action} ${step.resource.kind}`
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    // Its indexes came along; what expires, what is not indexed, and its own backups did not.
    expect([...kinds.keys()]).toEqual(['create field', 'create backupSchedule', 'change function'])
    expect(kinds.get('change function')).toBe(Object.keys(FUNCTIONS).length)
    expect((await project.run('plan', { deployment: moved })).steps).toEqual([])
    await clients.close()
    await project.stop()
  })
})

describe('what a deployment is told', () => {
  test('stops it, by name and never by value, when it is malformed', () => {
    const bad =
      (environment: Record<string, string>, file = '') =>
      () =>
        deploymentOf({ project: PROJECT, file, environment: { ...KEYS, ...environment } })
    for (const value of ['2short', 'with a blank in the middle', '<your key goes here>', 'your-api-key-goes-here']) {
      expect(bad({ GEMINI_API_KEY: value })).toThrow(/^Configuration: GEMINI_API_KEY is malformed/)
      expect(bad({ GEMINI_API_KEY: value })).not.toThrow(value)
    }
    expect(bad({ FALLBACK_AFTER_SECONDS: 'soon' })).toThrow(/FALLBACK_AFTER_SECONDS/)
    expect(bad({ ALERT_EMAILS: 'nobody' })).toThrow(/ALERT_EMAILS/)
    expect(bad({}, 'GEMINI_KEY=x')).toThrow('GEMINI_KEY in .env.demo-podcast is no setting of Steadycast')
    expect(bad({}, 'GEMINI_API_KEY=short')).not.toThrow()
    expect(() => deploymentOf({ project: 'P', environment: KEYS })).toThrow(ConfigError)
  })

  test('stops it when a key is neither brought along nor in Secret Manager', async () => {
    const empty = await rehearse()
    const without = deploymentOf({ project: PROJECT, environment: { ...KEYS, AUPHONIC_API_KEY: undefined } })
    await expect(empty.run('plan', { deployment: without })).rejects.toThrow(/AUPHONIC_API_KEY is neither set nor in/)
    await empty.run('apply')
    expect((await empty.run('plan', { deployment: without })).steps.length).toBeGreaterThan(0)
    await empty.stop()
  })
})

function account(id: string): string {
  return `projects/${PROJECT}/serviceAccounts/steadycast-${id}@${PROJECT}.iam.gserviceaccount.com`
}

function here(path: string): string {
  return `projects/${PROJECT}/locations/us-central1/${path}`
}

function collectionGroup(path: string): string {
  return `projects/${PROJECT}/databases/(default)/collectionGroups/${path}`
}

function last(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

function byName(a: string, b: string): number {
  return a.localeCompare(b)
}
