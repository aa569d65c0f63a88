import { FUNCTIONS } from '../../functions/functions.ts'
import type { AccountName } from '../../functions/functions.ts'
import { PERMISSIONS, permissionsOf } from '../cloud/desired/accounts.ts'
import { GrpcError } from './grpc-service.ts'
import type { Gate } from './grpc-service.ts'
import { ReplyError } from './http-service.ts'
import type { Around } from './http-service.ts'
import { apiError } from './storage/replies.ts'

const PERMISSION_DENIED = 7

export const ACCOUNTS = Object.keys(PERMISSIONS) as AccountName[]

const GRANTED = new Map(ACCOUNTS.map((account) => [account, new Set(permissionsOf(account))]))

/**
 * Who may do what: each function acts as the account that it has in the cloud, and may do what a deployment grants this
 * account, and no more. Remembers what was used.
 */
export class Iam {
  readonly #used = new Map<AccountName, Set<string>>()

  usedPermissions(account: AccountName): string[] {
    return [...(this.#used.get(account) ?? [])]
  }

  accountOf(functionName: string): AccountName {
    return (FUNCTIONS as Record<string, { account: AccountName } | undefined>)[functionName]?.account ?? 'live'
  }

  /** @returns the permission that is lacking, if one is */
  lacking(account: AccountName, permissions: readonly string[]): string | undefined {
    const used = this.#used.get(account) ?? new Set()
    this.#used.set(account, used)
    for (const permission of permissions) used.add(permission)
    return permissions.find((permission) => !GRANTED.get(account)?.has(permission))
  }

  /** In front of Firestore and Cloud Tasks. */
  grpcGate(account: AccountName): Gate {
    return (method, request) => {
      const lacking = this.lacking(account, permissionsOfCall(method, request))
      if (lacking !== undefined)
        throw new GrpcError(PERMISSION_DENIED, `Missing permission ${lacking} of steadycast-${account} for ${method}`)
    }
  }

  /**
   * Around Cloud Storage's JSON API; what a signed link opens is what its signer may do, whoever uses it.
   * @param account undefined: whoever it is may do everything
   */
  storageAround(account: AccountName | undefined): Around {
    return async ({ method, url }, serve) => {
      const signer = /^steadycast-([a-z]+)@/.exec(url.searchParams.get('X-Goog-Credential') ?? '')?.[1]
      const acting = signer === undefined ? account : (signer as AccountName)
      const require = (permissions: string[]) => {
        const lacking = acting === undefined ? undefined : this.lacking(acting, permissions)
        if (lacking !== undefined) throw new ReplyError(apiError(403, `steadycast-${acting} lacks ${lacking}`))
      }
      require([...storagePermissions(method, url), ...(signer === undefined ? [] : ['iam.serviceAccounts.signBlob'])])
      const reply = await serve()
      // Who may not list may not know either that something is not there.
      if (reply.status === 404 && method === 'GET') require(['storage.objects.list'])
      return reply
    }
  }
}

type Write = { delete?: string; currentDocument?: { exists?: boolean; updateTime?: unknown } | null }

/** https://docs.cloud.google.com/firestore/docs/security/iam and https://docs.cloud.google.com/tasks/docs/reference-access-control */
function permissionsOfCall(method: string, request: unknown): string[] {
  switch (method) {
    case 'BatchGetDocuments':
      return ['datastore.entities.get']
    case 'RunQuery':
    case 'RunAggregationQuery':
    case 'ListDocuments':
      return ['datastore.entities.get', 'datastore.entities.list']
    case 'Commit':
    case 'BatchWrite':
      return ((request as { writes?: Write[] }).writes ?? []).flatMap(writePermissions)
    case 'BeginTransaction':
    case 'Rollback':
      return ['datastore.databases.get']
    case 'CreateTask':
      return ['cloudtasks.tasks.create', 'iam.serviceAccounts.actAs']
    case 'GetTask':
      return ['cloudtasks.tasks.get']
    case 'GetQueue':
      return ['cloudtasks.queues.get']
    default:
      return [`unknown.${method}`]
  }
}

function writePermissions({ delete: deleted, currentDocument }: Write): string[] {
  if (deleted) return ['datastore.entities.delete']
  if (currentDocument?.exists === false) return ['datastore.entities.create']
  if (currentDocument?.exists === true || currentDocument?.updateTime) return ['datastore.entities.update']
  return ['datastore.entities.create', 'datastore.entities.update']
}

/** https://docs.cloud.google.com/storage/docs/access-control/iam-json and iam-xml */
function storagePermissions(method: string, { pathname }: URL): string[] {
  const isList = pathname.endsWith('/o') && method === 'GET'
  if (isList) return ['storage.objects.list']
  if (method === 'GET' || method === 'HEAD') return ['storage.objects.get']
  if (method === 'DELETE') return ['storage.objects.delete']
  return ['storage.objects.create']
}
