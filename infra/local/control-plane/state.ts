import { randomUUID } from 'node:crypto'

import { GrpcError, STATUS } from '../grpc-service.ts'

export type Fields = Record<string, unknown>
export type Policy = { bindings?: { role: string; members: string[] }[]; etag?: unknown; version?: number }

const PERMISSION_DENIED = 7

/** Everything that a project has, by full name; JSON, so that it can be kept in a file. */
export class ControlPlaneState {
  readonly project: string
  readonly resources: Map<string, Fields>
  readonly policies: Map<string, Policy>
  /** Values of secrets by version. */
  readonly secretValues: Map<string, string>
  /** What was uploaded, by object. */
  readonly uploads = new Map<string, Buffer>()
  readonly operations = new Map<string, Fields>()

  constructor(project: string, kept?: string) {
    this.project = project
    const before = kept === undefined ? {} : (JSON.parse(kept, reviveBytes) as Record<string, [string, never][]>)
    this.resources = new Map(before['resources'])
    this.policies = new Map(before['policies'])
    this.secretValues = new Map(before['secretValues'])
  }

  toJson(): string {
    const { resources, policies, secretValues } = this
    return JSON.stringify({
      resources: [...resources],
      policies: [...policies],
      secretValues: [...secretValues],
    })
  }

  /** @throws GrpcError as Google words it while an API is not enabled */
  requireApi(api: string): void {
    if (this.resources.get(`projects/${this.project}/services/${api}`)?.['state'] === 'ENABLED') return
    throw new GrpcError(
      PERMISSION_DENIED,
      `${api} has not been used in project ${this.project} before or it is disabled. (SERVICE_DISABLED)`,
    )
  }

  get(name: string): Fields {
    const found = this.resources.get(name)
    if (found === undefined) throw new GrpcError(STATUS.notFound, `Resource "${name}" was not found`)
    return found
  }

  create(name: string, fields: Fields): Fields {
    if (this.resources.has(name)) throw new GrpcError(STATUS.alreadyExists, `Resource "${name}" already exists`)
    const made = { ...fields, name }
    this.resources.set(name, made)
    return made
  }

  /** Changes the fields that a mask names; a mask of nothing is everything that was sent. */
  update(name: string, fields: Fields, mask?: { paths?: string[] } | null): Fields {
    const before = this.get(name)
    const paths = mask?.paths?.length ? mask.paths.map(camel) : Object.keys(fields)
    const changed: Fields = { ...before }
    for (const path of paths) {
      const [field = ''] = path.split('.')
      if (fields[field] === undefined) delete changed[field]
      else changed[field] = fields[field]
    }
    const made = { ...changed, name }
    this.resources.set(name, made)
    return made
  }

  remove(name: string): void {
    this.get(name)
    this.resources.delete(name)
  }

  /** What is directly in a collection. */
  list(collection: string): Fields[] {
    return [...this.resources].flatMap(([name, fields]) =>
      name.startsWith(`${collection}/`) && !name.slice(collection.length + 1).includes('/') ? [fields] : [],
    )
  }

  policy(resource: string): Policy {
    return this.policies.get(resource) ?? { bindings: [], etag: Buffer.from('0') }
  }

  /** @throws GrpcError when somebody else was faster, or when a member or a role does not exist */
  setPolicy(resource: string, policy: Policy): Policy {
    const { etag } = this.policy(resource)
    if (policy.etag !== undefined && text(policy.etag) !== '' && text(policy.etag) !== text(etag))
      throw new GrpcError(STATUS.aborted, 'There were concurrent policy changes: the etag does not match')
    for (const { role, members } of policy.bindings ?? []) {
      if (role.startsWith('projects/') && !this.resources.has(role))
        throw new GrpcError(STATUS.invalidArgument, `Role ${role} does not exist`)
      for (const member of members) this.#requireMember(member)
    }
    const set = { ...policy, etag: Buffer.from(randomUUID()) }
    this.policies.set(resource, set)
    return set
  }

  #requireMember(member: string): void {
    const [type = '', email = ''] = member.split(':')
    if (type !== 'serviceAccount') return
    if (!this.resources.has(`projects/${this.project}/serviceAccounts/${email}`))
      throw new GrpcError(STATUS.invalidArgument, `Service account ${email} does not exist.`)
  }

  /** An operation that is still running when it is first heard of, and done at the next look. */
  operation(type: string, parent = `projects/${this.project}`): Fields {
    const name = `${parent}/operations/${randomUUID()}`
    // Nobody looks at what an operation made but for its type.
    const response = { typeUrl: `type.googleapis.com/${type}`, value: Buffer.alloc(0) }
    this.operations.set(name, { name, done: true, response })
    return { name, done: false }
  }
}

/** Bytes survive JSON. */
function reviveBytes(_key: string, value: unknown): unknown {
  const bytes = value as { type?: unknown; data?: number[] } | null
  return bytes !== null && bytes?.type === 'Buffer' && bytes.data ? Buffer.from(bytes.data) : value
}

function text(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return typeof value === 'string' ? value : ''
}

function camel(snake: string): string {
  return snake.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
