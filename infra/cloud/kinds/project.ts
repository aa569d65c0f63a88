import type { Clients } from '../clients.ts'
import { MARK } from '../resource.ts'
import type { Fields, Kind } from '../resource.ts'
import { unlessAbsent } from './absent.ts'

/** APIs of the project. Turned on, and never off again: others may use them. */
export function apiKind({ services }: Clients): Kind {
  return {
    async read({ name }) {
      const [service] = await services.getService({ name })
      return String(service.state) === 'ENABLED' ? { name, fields: { state: 'ENABLED' } } : undefined
    },
    async create({ name }) {
      const [operation] = await services.enableService({ name })
      await operation.promise()
    },
  }
}

export function serviceAccountKind({ iam }: Clients, project: string): Kind {
  const { serviceAccounts } = iam.projects
  return {
    async read({ name }) {
      const answer = await unlessAbsent(serviceAccounts.get({ name }))
      return answer && { name, fields: answer.data as Fields }
    },
    async create({ name, fields }) {
      const accountId = name.slice(name.lastIndexOf('/') + 1).split('@')[0] ?? ''
      await serviceAccounts.create({
        name: `projects/${project}`,
        requestBody: { accountId, serviceAccount: fields },
      })
    },
    async update({ name, fields }, _found, changed) {
      await serviceAccounts.patch({ name, requestBody: { serviceAccount: fields, updateMask: changed.join(',') } })
    },
    async remove({ name }) {
      await serviceAccounts.delete({ name })
    },
  }
}

/** Roles of our own: exactly the permissions that are used. A deleted one keeps its name for weeks, and is taken back. */
export function roleKind({ iam }: Clients, project: string): Kind {
  const { roles } = iam.projects
  const readRole = async (name: string) => (await unlessAbsent(roles.get({ name })))?.data
  return {
    async read({ name }) {
      const role = await readRole(name)
      return role === undefined || role.deleted ? undefined : { name, fields: role as Fields }
    },
    async create({ name, fields }) {
      if ((await readRole(name))?.deleted) {
        await roles.undelete({ name, requestBody: {} })
        await roles.patch({ name, requestBody: fields })
      } else
        await roles.create({
          parent: `projects/${project}`,
          requestBody: { roleId: name.slice(name.lastIndexOf('/') + 1), role: fields },
        })
    },
    async update({ name, fields }, _found, changed) {
      await roles.patch({ name, updateMask: changed.join(','), requestBody: fields })
    },
    async remove({ name }) {
      await roles.delete({ name })
    },
  }
}

type Binding = { role?: string | null; members?: string[] | null; condition?: unknown }
type Policy = { bindings?: Binding[] | null; etag?: string | Uint8Array | null; version?: number | null }
type PolicyOf = { get: () => Promise<Policy>; set: (policy: Policy) => Promise<unknown> }

const SET_TRIES_MAX = 5
/** Asked for less, a policy comes without its conditions, and is written back without them. */
const WITH_CONDITIONS = 3

/** Who may do what with something: one role of one member, added to whatever others have granted. */
export function grantKind(clients: Clients): Kind {
  return {
    // Policies are read, changed and written whole.
    atOnce: 1,
    async read({ name, fields }) {
      const { resource, role, member } = fields as Grant
      const policy = await unlessAbsent(policyOf(clients, resource).get())
      return policy && has(policy, role, member) ? { name, fields } : undefined
    },
    create: (resource) => changePolicy(clients, resource.fields as Grant, addMember),
    remove: (found) => changePolicy(clients, found.fields as Grant, withdrawMember),
  }
}

/** What a grant consists of. `resource` is a project, a bucket (`b/NAME`), a secret, a service account or a Run service. */
export type Grant = { resource: string; role: string; member: string }

export function grantName({ resource, role, member }: Grant): string {
  return `${resource} ${role} ${member}`
}

async function changePolicy(
  clients: Clients,
  { resource, role, member }: Grant,
  change: (policy: Policy, role: string, member: string) => Policy,
): Promise<void> {
  const policyAt = policyOf(clients, resource)
  for (let tries = 1; ; tries++) {
    const before = await policyAt.get()
    try {
      await policyAt.set(change(before, role, member))
      return
    } catch (error) {
      // Somebody else changed it meanwhile: the etag says so.
      if (tries === SET_TRIES_MAX || !/ABORTED|etag|concurrent|conditionNotMet/i.test(String(error))) throw error
    }
  }
}

function has({ bindings }: Policy, role: string, member: string): boolean {
  return (bindings ?? []).some((one) => isOf(one, role) && one.members?.includes(member))
}

function addMember(policy: Policy, role: string, member: string): Policy {
  if (has(policy, role, member)) return policy
  return { ...policy, bindings: [...(policy.bindings ?? []), { role, members: [member] }] }
}

function withdrawMember(policy: Policy, role: string, member: string): Policy {
  const without = (policy.bindings ?? []).map((one) =>
    isOf(one, role) ? { ...one, members: (one.members ?? []).filter((other) => other !== member) } : one,
  )
  return { ...policy, bindings: without.filter(({ members }) => members?.length !== 0) }
}

/** What somebody granted under a condition is theirs. */
function isOf({ role, condition }: Binding, wanted: string): boolean {
  return role === wanted && !condition
}

function policyOf({ projects, secrets, run, storage, iam }: Clients, resource: string): PolicyOf {
  if (resource.startsWith('b/')) {
    const bucket = storage.bucket(resource.slice(2))
    return {
      get: async () => (await bucket.iam.getPolicy({ requestedPolicyVersion: WITH_CONDITIONS }))[0],
      set: (policy) => bucket.iam.setPolicy(policy as never),
    }
  }
  if (resource.includes('/serviceAccounts/')) {
    const { serviceAccounts } = iam.projects
    return {
      get: async () =>
        (await serviceAccounts.getIamPolicy({ resource, 'options.requestedPolicyVersion': WITH_CONDITIONS })).data,
      set: (policy) => serviceAccounts.setIamPolicy({ resource, requestBody: { policy: policy as never } }),
    }
  }
  const client: unknown = resource.includes('/secrets/') ? secrets : resource.includes('/services/') ? run : projects
  const policies = client as PolicyClient
  return {
    get: async () =>
      (await policies.getIamPolicy({ resource, options: { requestedPolicyVersion: WITH_CONDITIONS } }))[0],
    set: (policy) => policies.setIamPolicy({ resource, policy }),
  }
}

/** What the clients of things with a policy have in common. */
type PolicyClient = {
  getIamPolicy(request: { resource: string; options: { requestedPolicyVersion: number } }): Promise<[Policy]>
  setIamPolicy(request: { resource: string; policy: Policy }): Promise<unknown>
}

/** Whether something's labels say that it is ours. */
export function isOurs({ labels }: { labels?: Record<string, string> | null | undefined }): boolean {
  return Object.entries(MARK).every(([key, value]) => labels?.[key] === value)
}
