import { randomUUID } from 'node:crypto'

import { GrpcError, STATUS } from '../grpc-service.ts'
import type { Methods } from '../grpc-service.ts'
import type { ControlPlaneState, Fields } from './state.ts'

const FUNCTION = 'google.cloud.functions.v2.Function'
const LATEST = 'TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST'

type Config = {
  availableMemory?: string
  availableCpu?: string
  maxInstanceRequestConcurrency?: number
  serviceAccountEmail?: string
  allTrafficOnLatestRevision?: boolean
  secretEnvironmentVariables?: { secret: string; version: string }[]
}
type Sent = { name: string; buildConfig?: Fields & { serviceAccount?: string }; serviceConfig?: Config }

/** google.cloud.functions.v2.FunctionService: each function is a Cloud Run service with revisions. */
export function functionsMethods(state: ControlPlaneState, uploadOrigin: () => string): Methods {
  const api = () => state.requireApi('cloudfunctions.googleapis.com')
  const serviceOf = (name: string) => name.replace('/functions/', '/services/')

  /** @throws GrpcError for what the platform would not deploy either */
  const requireDeployable = ({ buildConfig, serviceConfig = {} }: Sent): void => {
    const source = (buildConfig?.['source'] as { storageSource?: { object?: string } } | undefined)?.storageSource
    if (!state.uploads.has(source?.object ?? '')) throw new GrpcError(STATUS.invalidArgument, 'The source is not there')
    if (!/^\d+(Mi|Gi|M|G)$/.test(serviceConfig.availableMemory ?? ''))
      throw new GrpcError(STATUS.invalidArgument, 'available_memory is malformed')
    if ((serviceConfig.maxInstanceRequestConcurrency ?? 1) > 1 && Number(serviceConfig.availableCpu ?? '0') < 1)
      throw new GrpcError(STATUS.invalidArgument, 'concurrency above 1 takes a whole CPU')
    requireAccount(serviceConfig.serviceAccountEmail ?? '')
    const builder = buildConfig?.serviceAccount ?? ''
    requireAccount(builder.slice(builder.lastIndexOf('/') + 1))
    for (const { secret, version } of serviceConfig.secretEnvironmentVariables ?? [])
      state.get(`projects/${state.project}/secrets/${secret}/versions/${version}`)
  }
  const requireAccount = (email: string): void => {
    if (!state.resources.has(`projects/${state.project}/serviceAccounts/${email}`))
      throw new GrpcError(STATUS.invalidArgument, `Service account ${email} was not found`)
  }

  /** A new revision; it takes the traffic unless it is told to leave it where it is. */
  const revise = (name: string, allTraffic: boolean): void => {
    const service = serviceOf(name)
    const before = state.resources.get(service)
    const number = Number(before?.['generation'] ?? 0) + 1
    const short = name.slice(name.lastIndexOf('/') + 1)
    const revision = `${service}/revisions/${short}-${String(number).padStart(5, '0')}-${randomUUID().slice(0, 3)}`
    const traffic = allTraffic || before === undefined ? [{ type: LATEST, percent: 100 }] : before['traffic']
    state.resources.set(service, {
      ...before,
      name: service,
      generation: number,
      latestReadyRevision: revision,
      latestCreatedRevision: revision,
      traffic,
      etag: String(number),
    })
  }
  const showFunction = (name: string): Fields => {
    const found = state.get(name)
    const traffic = (state.get(serviceOf(name))['traffic'] ?? []) as { type: string; percent: number }[]
    const allTrafficOnLatestRevision = traffic.some(({ type, percent }) => type === LATEST && percent === 100)
    return { ...found, serviceConfig: { ...(found['serviceConfig'] as object), allTrafficOnLatestRevision } }
  }

  return {
    unary: {
      GenerateUploadUrl: () => {
        api()
        const object = randomUUID()
        const storageSource = { bucket: `gcf-v2-uploads-${state.project}`, object }
        return { uploadUrl: `${uploadOrigin()}/upload/${object}`, storageSource }
      },
      GetFunction: ({ name }: { name: string }) => {
        api()
        return showFunction(name)
      },
      ListFunctions: ({ parent }: { parent: string }) => {
        api()
        return { functions: state.list(`${parent}/functions`).map(({ name }) => showFunction(String(name))) }
      },
      CreateFunction: ({
        parent,
        functionId,
        function: sent,
      }: {
        parent: string
        functionId: string
        function: Sent
      }) => {
        api()
        requireDeployable(sent)
        const name = `${parent}/functions/${functionId}`
        state.create(name, { ...sent, state: 'ACTIVE', environment: 'GEN_2', updateTime: now() })
        revise(name, true)
        return state.operation(FUNCTION, parent)
      },
      UpdateFunction: ({ function: sent, updateMask }: { function: Sent; updateMask?: { paths?: string[] } }) => {
        api()
        const before = state.get(sent.name) as Sent & Fields
        requireDeployable({
          ...sent,
          buildConfig: sent.buildConfig?.['source'] ? sent.buildConfig : (before.buildConfig ?? {}),
        })
        const mask = updateMask?.paths?.length ? { paths: [...updateMask.paths, 'state', 'update_time'] } : undefined
        state.update(sent.name, { ...sent, state: 'ACTIVE', updateTime: now() }, mask)
        revise(sent.name, sent.serviceConfig?.allTrafficOnLatestRevision === true)
        return state.operation(FUNCTION)
      },
      DeleteFunction: ({ name }: { name: string }) => {
        api()
        state.remove(name)
        state.resources.delete(serviceOf(name))
        state.policies.delete(serviceOf(name))
        return state.operation('google.protobuf.Empty')
      },
    },
  }
}

function now(): { seconds: number } {
  return { seconds: Math.floor(Date.now() / 1000) }
}

/** google.cloud.run.v2.Services, as far as functions are concerned: traffic and who may call. */
export function runMethods(state: ControlPlaneState): Methods {
  const api = () => state.requireApi('run.googleapis.com')
  return {
    unary: {
      GetService: ({ name }: { name: string }) => {
        api()
        return state.get(name)
      },
      UpdateService: ({ service, updateMask }: { service: Fields; updateMask?: { paths?: string[] } }) => {
        api()
        const name = String(service['name'])
        const percents = ((service['traffic'] ?? []) as { percent?: number }[]).map(({ percent }) => percent ?? 0)
        if (percents.reduce((sum, percent) => sum + percent, 0) !== 100)
          throw new GrpcError(STATUS.invalidArgument, 'traffic must add up to 100 percent')
        const etag = String(Number(state.get(name)['etag'] ?? 0) + 1)
        if (service['etag'] && service['etag'] !== state.get(name)['etag'])
          throw new GrpcError(STATUS.aborted, 'the service was changed meanwhile: the etag does not match')
        const mask = updateMask?.paths?.length ? { paths: [...updateMask.paths, 'etag'] } : undefined
        state.update(name, { ...service, etag }, mask)
        return state.operation('google.cloud.run.v2.Service')
      },
      GetIamPolicy: ({ resource }: { resource: string }) => {
        api()
        state.get(resource)
        return state.policy(resource)
      },
      SetIamPolicy: ({ resource, policy }: { resource: string; policy: never }) => {
        api()
        state.get(resource)
        return state.setPolicy(resource, policy)
      },
    },
  }
}
