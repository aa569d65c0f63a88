import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { FUNCTIONS } from '../../functions/functions.ts'
import { BREAKER_SETTINGS, SETTINGS } from '../../shared/dependencies/config.ts'
import { openDoors } from './accounts.ts'
import { controlRoutes } from './control.ts'
import { Faults } from './faults.ts'
import { startOfficialFirestore } from './firestore/official.ts'
import { firestoreParts, firestoreService } from './firestore/service.ts'
import { Instances } from './functions/instances.ts'
import { Gateway } from './gateway.ts'
import type { Served } from './grpc-service.ts'
import { Iam } from './iam.ts'
import { Identity, localServiceAccounts, newKey, LOCAL_SCHEDULER_ACCOUNT, LOCAL_TASKS_ACCOUNT } from './identity.ts'
import { Journal } from './journal.ts'
import { openKept, redirectTasks } from './kept/kept.ts'
import type { Place } from './kept/kept.ts'
import { localLog } from './local-log.ts'
import { WorkLog } from './providers/stand-in.ts'
import type { Pace } from './providers/stand-in.ts'
import { startProviders } from './providers/start-providers.ts'
import { FileStore } from './storage/files.ts'
import { Buckets } from './storage/objects.ts'
import { storageRoutes, storageServer } from './storage/service.ts'
import type { Dispatcher } from './tasks/dispatcher.ts'
import { startSchedules, startTasks } from './tasks/start-tasks.ts'

export const LOCAL_PROJECT = 'demo-steadycast'
export const LOCAL_REGION = 'us-central1'
const NODE_OPTIONS = '--disable-warning=ExperimentalWarning'
const PLACE = { project: LOCAL_PROJECT, region: LOCAL_REGION }
const LOCAL_BUCKET = 'steadycast-local'

export type LocalCloudOptions = {
  /** 0 takes a free one. */
  port: number
  /** Where the functions' entry lives; undefined when somebody else serves the functions. */
  source: string | undefined
  /** Base of the functions' URLs when somebody else serves them; the gateway's own origin otherwise. */
  functionsBaseUrl?: string
  instancesPerFunction?: number
  /** Module that every function process loads first, as a URL. */
  preload?: string
  /** `embedded`, `official`, or `host:port` of one that runs already. */
  firestore?: string
  /** Its clock, where it is the embedded one: all that waits waits by this one. This machine's by default. */
  firestoreNowMs?: () => number
  /** Whether scheduled functions are called by themselves; `on` by default. */
  schedules?: 'on' | 'off'
  /** Folder that keeps documents, objects, tasks and the stand-ins' jobs from one start to the next; undefined: they go when it stops. */
  keep?: string
  /** Multiplies the stand-ins' modelled latencies. */
  latencyFactor?: number
  /** What the user's environment says, real provider keys included. */
  environment?: Record<string, string | undefined>
  /** Hears of each part as it comes up. */
  onPart?: (part: string, where: string) => void
  /** Hears of each log line of a function, and of our own, which have no `pid`. */
  onLine?: (line: string, pid?: number) => void
}

export type LocalCloud = {
  origin: string
  functionsBaseUrl: string
  /** What a function process needs in its environment to live in this cloud. */
  environment: Record<string, string>
  identity: Identity
  /** Who may do what, and what was used of it. */
  iam: Iam
  faults: Faults
  journal: Journal
  /** What storage holds. */
  buckets: Buckets
  dispatcher: Dispatcher
  work: WorkLog
  pace: Pace
  /** Whether every provider is a stand-in, so that nothing that happens here is charged. */
  free: boolean
  instances: Instances | undefined
  stop: () => Promise<void>
}

/** Everything Steadycast needs of Google Cloud and of its providers, on loopback, until `stop`. */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const closers: (() => Promise<void> | void)[] = []
  const stop = async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  }
  try {
    return await assemble(options, closers, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  options: LocalCloudOptions,
  closers: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<LocalCloud> {
  const say = options.onPart ?? (() => undefined)
  const userEnvironment = options.environment ?? {}
  const folder = await ownFolder()
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const kept = options.keep === undefined ? undefined : openKept(options.keep)
  if (kept) closers.push(() => kept.close())
  const place = kept?.place ?? newPlace()

  const gateway = new Gateway(localLog(options.onLine ?? (() => undefined)))
  const origin = await gateway.listen(options.port)
  closers.push(() => gateway.stop())
  const functionsBaseUrl = options.functionsBaseUrl ?? origin

  const [faults, journal, work] = [new Faults(), new Journal(), new WorkLog()]
  const identity = new Identity(origin, LOCAL_PROJECT, place.identityKey)
  say('identity', identity.userIssuer)

  const isEmbedded = (options.firestore ?? 'embedded') === 'embedded'
  const ownFirestore = isEmbedded ? firestoreParts(kept?.documents, options.firestoreNowMs) : undefined
  const firestore = await startFirestore(options.firestore ?? 'embedded', ownFirestore, { faults, journal }, closers)
  say('firestore', `${firestore} (${options.firestore ?? 'embedded'})`)

  const iam = new Iam()
  const accounts = localServiceAccounts(LOCAL_PROJECT, place.storageKey)
  const credentials = join(folder, 'service-account.json')
  await writeFile(credentials, accounts.json('steadycast'), { mode: 0o600 })
  const buckets = new Buckets(kept?.files ?? new FileStore(join(folder, 'objects')), kept?.objects)
  const ports = { ...place.ports }
  const storageParts = storageRoutes({ signingKey: accounts.publicKey, bucket: LOCAL_BUCKET, buckets })
  const storage = await storageServer({ faults, journal }, storageParts, iam.storageAround(undefined)).start(
    ports['everybody'],
  )
  ports['everybody'] = storage.port
  closers.push(() => storage.stop())
  say('storage', storage.origin)

  if (kept) redirectTasks(kept.tasks, place.functionsBaseUrl, functionsBaseUrl)
  const {
    dispatcher,
    scheduler,
    parts: tasksParts,
    address: tasksAddress,
  } = await startTasks(PLACE, { identity, faults, journal, kept: kept?.tasks }, closers)
  say('tasks and scheduler', tasksAddress)

  const pace: Pace = { factor: options.latencyFactor ?? 1 }
  const providers = await startProviders(
    userEnvironment,
    { faults, journal, pace, work, kept: kept?.jobs },
    closers,
    say,
  )

  const environment = functionEnvironment(userEnvironment, {
    ...providers.variables,
    GOOGLE_CLOUD_PROJECT: LOCAL_PROJECT,
    FUNCTION_REGION: LOCAL_REGION,
    STORAGE_BUCKET: LOCAL_BUCKET,
    FUNCTIONS_BASE_URL: functionsBaseUrl,
    USER_TOKEN_ISSUER: identity.userIssuer,
    USER_TOKEN_JWKS_URL: identity.jwksUrl,
    SERVICE_TOKEN_ISSUER: identity.serviceIssuer,
    SERVICE_TOKEN_JWKS_URL: identity.jwksUrl,
    TASKS_SERVICE_ACCOUNT: LOCAL_TASKS_ACCOUNT,
    SCHEDULER_SERVICE_ACCOUNT: LOCAL_SCHEDULER_ACCOUNT,
    WEBHOOK_SECRET: place.webhookSecret,
    TASKS_API_ENDPOINT: tasksAddress,
    STORAGE_API_ENDPOINT: storage.origin,
    FIRESTORE_EMULATOR_HOST: firestore,
    GOOGLE_APPLICATION_CREDENTIALS: credentials,
    METADATA_SERVER_DETECTION: 'none',
    ...(options.preload !== undefined && { NODE_OPTIONS: `${NODE_OPTIONS} --import=${options.preload}` }),
  })
  const parts = { firestore: ownFirestore, tasks: tasksParts, storage: storageParts, ports }
  const environmentOf =
    options.source === undefined
      ? undefined
      : await openDoors(iam, parts, { faults, journal, credentialsOf: accounts.json }, folder, closers)
  const instances =
    options.source === undefined
      ? undefined
      : new Instances({
          source: options.source,
          socketFolder: folder,
          environmentOf: (name) => environmentOf?.(name, environment) ?? environment,
          instancesPerFunction: options.instancesPerFunction ?? 1,
          onLine: options.onLine ?? (() => undefined),
        })
  if (instances) closers.push(() => instances.stop())
  const callers = { ...PLACE, functionsBaseUrl, serviceAccount: LOCAL_SCHEDULER_ACCOUNT }
  startSchedules(scheduler, callers, options.schedules ?? 'on')
  gateway.open(controlRoutes({ identity, faults, journal, dispatcher, work, functionsBaseUrl }), instances)
  kept?.keepPlace({ ...place, functionsBaseUrl, ports })
  // What was left over from the start before.
  dispatcher.wake()
  providers.resume()
  if (instances) say('functions', `${Object.keys(FUNCTIONS).length}, spawned at their first call`)
  return {
    origin,
    functionsBaseUrl,
    buckets,
    environment,
    identity,
    iam,
    faults,
    journal,
    dispatcher,
    work,
    pace,
    free: providers.free,
    instances,
    stop,
  }
}

function newPlace(): Place {
  const webhookSecret = randomBytes(24).toString('base64url')
  return { functionsBaseUrl: '', ports: {}, identityKey: newKey(), storageKey: newKey(), webhookSecret }
}

/** A folder that bears our process id; those of processes that were killed before they could tidy up are removed. */
async function ownFolder(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const [, pid] = /^steadycast-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
  return mkdtemp(join(tmpdir(), `steadycast-${process.pid}-`))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process is alive all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function startFirestore(
  kind: string,
  kept: Served[] | undefined,
  { faults, journal }: { faults: Faults; journal: Journal },
  closers: (() => Promise<void> | void)[],
): Promise<string> {
  if (kept !== undefined) {
    const service = await firestoreService(faults, kept, { journal }).start()
    closers.push(() => service.stop())
    return service.address
  }
  if (kind !== 'official') return kind
  const official = await startOfficialFirestore()
  closers.push(official.stop)
  return official.address
}

/** Variables of the user's environment that change how the functions behave, and so are passed on. */
const PASSED_ON: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'NODE_EXTRA_CA_CERTS',
  ...Object.keys(SETTINGS),
  ...Object.keys(BREAKER_SETTINGS),
])

function functionEnvironment(
  user: Record<string, string | undefined>,
  ours: Record<string, string>,
): Record<string, string> {
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...user }
  const passed = Object.entries(inherited).filter(
    (entry): entry is [string, string] => PASSED_ON.has(entry[0]) && entry[1] !== undefined,
  )
  return {
    ...Object.fromEntries(passed),
    NODE_ENV: 'production',
    NODE_OPTIONS,
    // Cold starts are the better part of a first call: what was compiled once is kept.
    NODE_COMPILE_CACHE: fileURLToPath(new URL('../../.steadycast/compile-cache', import.meta.url)),
    ...ours,
  }
}
