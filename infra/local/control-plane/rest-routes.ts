import { GrpcError, STATUS } from '../grpc-service.ts'
import type { LocalRequest, Reply, Route } from '../http-service.ts'
import type { ControlPlaneState, Fields, Policy } from './state.ts'

const ACCOUNT_ID = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/
const HTTP_STATUS: Record<number, number> = { 3: 400, 5: 404, 6: 409, 7: 403, 10: 409 }

/** What of the control plane is REST: IAM's accounts and roles, buckets, and the link that takes a function's source. */
export function restRoutes(state: ControlPlaneState): Route[] {
  const iam = () => state.requireApi('iam.googleapis.com')
  const storage = () => state.requireApi('storage.googleapis.com')
  const bucketName = (bucket: string) => `b/${bucket}`
  return [
    route('PUT', /^\/upload\/([\w-]+)$/, async (request) => {
      if (request.headers['content-type'] !== 'application/zip') return { status: 403 }
      state.uploads.set(request.params[0] ?? '', await request.bytes())
      return { status: 200 }
    }),

    route('POST', /^\/v1\/(projects\/[^/]+)\/serviceAccounts$/, async (request) => {
      iam()
      const { accountId, serviceAccount } = (await request.json()) as { accountId: string; serviceAccount: Fields }
      if (!ACCOUNT_ID.test(accountId)) throw new GrpcError(STATUS.invalidArgument, 'the account id is malformed')
      const email = `${accountId}@${state.project}.iam.gserviceaccount.com`
      return json(state.create(`${request.params[0]}/serviceAccounts/${email}`, { ...serviceAccount, email }))
    }),
    route('POST', /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+):getIamPolicy$/, ({ params: [name = ''] }) => {
      iam()
      state.get(name)
      return json(policyJson(state.policy(name)))
    }),
    route('POST', /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+):setIamPolicy$/, async (request) => {
      const [name = ''] = request.params
      state.get(name)
      const { policy } = (await request.json()) as { policy: Policy }
      return json(policyJson(state.setPolicy(name, policyOf(policy))))
    }),
    route('PATCH', /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+)$/, async (request) => {
      const { serviceAccount, updateMask } = (await request.json()) as { serviceAccount: Fields; updateMask: string }
      return json(state.update(request.params[0] ?? '', serviceAccount, { paths: updateMask.split(',') }))
    }),

    route('POST', /^\/v1\/(projects\/[^/]+)\/roles$/, async (request) => {
      iam()
      const { roleId, role } = (await request.json()) as { roleId: string; role: Fields }
      return json(state.create(`${request.params[0]}/roles/${roleId}`, role))
    }),
    route('POST', /^\/v1\/(projects\/[^/]+\/roles\/[^/:]+):undelete$/, ({ params: [name = ''] }) =>
      json(state.update(name, { deleted: false })),
    ),
    route('PATCH', /^\/v1\/(projects\/[^/]+\/roles\/[^/:]+)$/, async (request) => {
      const mask = request.url.searchParams.get('updateMask')
      return json(
        state.update(
          request.params[0] ?? '',
          (await request.json()) as Fields,
          mask ? { paths: mask.split(',') } : null,
        ),
      )
    }),
    route('DELETE', /^\/v1\/(projects\/[^/]+\/roles\/[^/:]+)$/, ({ params: [name = ''] }) =>
      json(state.update(name, { deleted: true })),
    ),
    route('GET', /^\/v1\/(projects\/[^/]+\/(?:roles|serviceAccounts)\/[^/:]+)$/, ({ params: [name = ''] }) => {
      iam()
      return json(state.get(name))
    }),
    route('DELETE', /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+)$/, ({ params: [name = ''] }) => {
      state.remove(name)
      return json({})
    }),

    route('POST', /^(?:\/storage\/v1)?\/b$/, async (request) => {
      storage()
      const bucket = (await request.json()) as Fields & { name: string }
      return json({ ...state.create(bucketName(bucket.name), bucket), name: bucket.name })
    }),
    route('GET', /^(?:\/storage\/v1)?\/b\/([^/]+)$/, ({ params: [bucket = ''] }) => {
      storage()
      return json({ ...state.get(bucketName(bucket)), name: bucket })
    }),
    route('PATCH', /^(?:\/storage\/v1)?\/b\/([^/]+)$/, async (request) =>
      json(state.update(bucketName(request.params[0] ?? ''), (await request.json()) as Fields)),
    ),
    route('GET', /^(?:\/storage\/v1)?\/b\/([^/]+)\/iam$/, ({ params: [bucket = ''] }) => {
      state.get(bucketName(bucket))
      return json(policyJson(state.policy(bucketName(bucket))))
    }),
    route('PUT', /^(?:\/storage\/v1)?\/b\/([^/]+)\/iam$/, async (request) => {
      const name = bucketName(request.params[0] ?? '')
      state.get(name)
      return json(policyJson(state.setPolicy(name, policyOf((await request.json()) as Policy))))
    }),
  ]
}

function json(value: unknown): Reply {
  return { status: 200, json: value }
}

function route(method: string, path: RegExp, handle: (request: LocalRequest) => Promise<Reply> | Reply): Route {
  return {
    method,
    path,
    handle: async (request) => {
      try {
        return await handle(request)
      } catch (error) {
        if (error instanceof GrpcError) return refusal(error)
        throw error
      }
    },
  }
}

export function refusal({ code, message }: GrpcError): Reply {
  const status = HTTP_STATUS[code] ?? 500
  return { status, json: { error: { code: status, message, errors: [{ message, reason: 'refused' }] } } }
}

/** In JSON an etag is base64. */
function policyJson(policy: Policy): Fields {
  return {
    ...policy,
    etag: policy.etag instanceof Uint8Array ? Buffer.from(policy.etag).toString('base64') : policy.etag,
  }
}

function policyOf(policy: Policy): Policy {
  return typeof policy.etag === 'string' ? { ...policy, etag: Buffer.from(policy.etag, 'base64') } : policy
}
