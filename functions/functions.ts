import type { EndpointRow } from '../shared/http/endpoint-row.ts'
import type { SecretName } from '../shared/dependencies/config.ts'
import { PIPELINE } from '../shared/podcast/pipeline.ts'
import type { StepName } from '../shared/podcast/pipeline.ts'
import { PORT_NAMES } from '../shared/podcast/ports.ts'
import { titlesOf } from '../shared/providers/orders.ts'
import { CALLING_PROVIDER_NAMES, providerNamed, secretsFor, secretsForJobs } from '../shared/providers/providers.ts'
import type { CallingProviderName } from '../shared/providers/providers.ts'
import { workFunction, WORK_TIMEOUT_SECONDS } from '../shared/tasks/step-queue.ts'

/** Rates and retries of the queue that feeds a work function. */
type QueueRow = {
  maxDispatchesPerSecond: number
  maxConcurrentDispatches: number
  /** Deliveries of one task; the worker bounds its own attempts, this bounds tasks that never reach it. */
  maxAttempts: number
  minBackoffSeconds: number
  maxBackoffSeconds: number
  maxDoublings: number
}

/** Whom a function acts as in the cloud; infra/cloud/desired/accounts.ts has what each may do. */
export type AccountName = 'api' | 'hooks' | 'work' | 'sweep' | 'breakers' | 'health' | 'live'

/** One deployed function: what the edge must know (EndpointRow) and what deploying it takes. */
export type FunctionRow = EndpointRow & {
  readonly purpose: string
  readonly account: AccountName
  readonly memoryMiB: 256 | 512 | 2048
  readonly cpu: 1
  readonly concurrency: number
  readonly instancesMax: number
  /** Secrets this function is given; it does not start without those that are in use. */
  readonly secrets?: readonly SecretName[]
  readonly queue?: QueueRow
  /** When Cloud Scheduler calls it, as a cron expression in UTC. */
  readonly schedule?: string
}

const JSON_BODY_BYTES_MAX = 1024 * 1024
export const UPLOAD_BYTES_MAX = 30 * 1024 * 1024
const TRANSCRIPT_BYTES_MAX = 5 * 1024 * 1024
const HOOK_BODY_BYTES_MAX = 64 * 1024

const read = { method: 'GET', input: 'query', bodyBytesMax: 0, timeoutSeconds: 30, account: 'api' } as const
const write = {
  method: 'POST',
  input: 'json',
  bodyBytesMax: JSON_BODY_BYTES_MAX,
  timeoutSeconds: 60,
  account: 'api',
} as const
const hook = {
  method: 'POST',
  input: 'ignored',
  bodyBytesMax: HOOK_BODY_BYTES_MAX,
  timeoutSeconds: 30,
  caller: 'provider',
  account: 'hooks',
  secrets: ['WEBHOOK_SECRET'],
} as const
const light = { memoryMiB: 256, cpu: 1, concurrency: 40, instancesMax: 20 } as const
const work = {
  method: 'POST',
  input: 'json',
  caller: 'tasks',
  account: 'work',
  bodyBytesMax: JSON_BODY_BYTES_MAX,
  timeoutSeconds: WORK_TIMEOUT_SECONDS,
  // A step waits for its provider; only one that nears its end is worth a look.
  slowSeconds: { slow: WORK_TIMEOUT_SECONDS / 3, verySlow: (WORK_TIMEOUT_SECONDS * 2) / 3 },
  memoryMiB: 512,
  cpu: 1,
  concurrency: 8,
  instancesMax: 20,
} as const
const queue = { maxAttempts: 100, minBackoffSeconds: 1, maxBackoffSeconds: 30, maxDoublings: 4 } as const

/**
 * THE TABLE. Everything about a function that is not its handler stands here once; functions.yaml, queues, the README's
 * table and the tests that call every function without a token come from it.
 */
export const FUNCTIONS = table({
  'episodes-create': { ...write, ...light, caller: 'user', purpose: 'Creates a draft episode' },
  'episodes-upload': {
    method: 'POST',
    input: 'stream',
    caller: 'user',
    bodyBytesMax: UPLOAD_BYTES_MAX,
    timeoutSeconds: 300,
    account: 'api',
    // Its time is the client's line.
    slowSeconds: { slow: 60, verySlow: 180 },
    largerThan: {
      use: 'episodes-upload-url',
      advice: 'Please ask episodes-upload-url for a link and send the recording there.',
    },
    memoryMiB: 512,
    cpu: 1,
    concurrency: 8,
    instancesMax: 20,
    purpose: 'Streams a recording of up to 30 MiB into storage',
  },
  'episodes-upload-url': {
    ...write,
    ...light,
    caller: 'user',
    purpose: 'Signs a link for uploading a recording of any size',
  },
  'episodes-transcript': {
    method: 'POST',
    input: 'stream',
    caller: 'user',
    bodyBytesMax: TRANSCRIPT_BYTES_MAX,
    timeoutSeconds: 60,
    account: 'api',
    ...light,
    memoryMiB: 512,
    concurrency: 8,
    purpose: 'Takes a transcript by hand; the pipeline goes on from it at once',
  },
  'episodes-process': { ...write, ...light, caller: 'user', purpose: 'Starts the pipeline' },
  'episodes-get': { ...read, ...light, caller: 'user', purpose: 'One episode, with signed download links when ready' },
  'episodes-list': { ...read, ...light, caller: 'user', purpose: 'Your episodes, newest first, in pages' },
  'episodes-retry': {
    ...write,
    ...light,
    caller: 'user',
    purpose:
      'Goes on after an error or a cancel, with other options if you like; makes a ready episode anew where they differ; what still fits is kept',
  },
  'episodes-cancel': { ...write, ...light, caller: 'user', purpose: 'Stops processing' },
  'episodes-delete': { ...write, ...light, caller: 'user', purpose: 'Removes an episode and all its files' },
  'usage-get': { ...read, ...light, caller: 'user', purpose: 'What you use, what it cost, and what your plan allows' },
  ...makeWorkRows(),
  ...makeHookRows(),
  'ops-live': {
    ...read,
    ...light,
    caller: 'anyone',
    account: 'live',
    timeoutSeconds: 10,
    purpose: 'Answers without touching anything',
  },
  'ops-health': {
    ...read,
    ...light,
    caller: 'anyone',
    account: 'health',
    timeoutSeconds: 10,
    // It has its own limit of 800 ms.
    slowSeconds: { slow: 0.9, verySlow: 2 },
    instancesMax: 5,
    secrets: secretsFor(...PORT_NAMES),
    purpose: 'Whether what Steadycast needs is there, and what it means for people if not; details for admins',
  },
  'ops-breakers': {
    ...write,
    ...light,
    alsoGet: true,
    caller: 'admin',
    account: 'breakers',
    purpose: 'Lists the circuit breakers; a POST opens or closes one, or leaves it to itself again',
  },
  'ops-sweep': {
    ...write,
    ...light,
    caller: 'scheduler',
    account: 'sweep',
    timeoutSeconds: 120,
    slowSeconds: { slow: 30, verySlow: 60 },
    memoryMiB: 512,
    concurrency: 1,
    instancesMax: 2,
    schedule: '* * * * *',
    // Episodes that are deleted or cancelled are withdrawn where a job of theirs can be.
    secrets: secretsForJobs(),
    purpose: 'Finds episodes that nobody looks after, and cures or ends them',
  },
})

export type FunctionName = keyof typeof FUNCTIONS

/** A function for every step, with the secrets of whoever can do it. */
function makeWorkRows(): Record<`work-${StepName}`, Omit<FunctionRow, 'name'>> {
  const rows = PIPELINE.map(({ name, kind, port, words, worker }) => {
    const { maxDispatchesPerSecond, maxConcurrentDispatches, ...size } = worker
    const secrets =
      port === undefined ? [] : [...secretsFor(port), ...(kind === 'job' ? (['WEBHOOK_SECRET'] as const) : [])]
    const row = {
      ...work,
      ...size,
      ...(secrets.length > 0 && { secrets }),
      purpose: port === undefined ? words.purpose : `${words.purpose} (${titlesOf(port)})`,
      queue: { ...queue, maxDispatchesPerSecond, maxConcurrentDispatches },
    }
    return [workFunction(name), row]
  })
  return Object.fromEntries(rows) as ReturnType<typeof makeWorkRows>
}

/** A function for every provider that calls back. */
function makeHookRows(): Record<`hooks-${CallingProviderName}`, Omit<FunctionRow, 'name'>> {
  const rows = CALLING_PROVIDER_NAMES.map((name) => {
    const ended = providerNamed(name).make.transcribers ? 'a transcription' : 'a mastering'
    return [`hooks-${name}`, { ...hook, ...light, purpose: `Hears that ${ended} has ended` }]
  })
  return Object.fromEntries(rows) as ReturnType<typeof makeHookRows>
}

function table<Name extends string>(rows: Record<Name, Omit<FunctionRow, 'name'>>): Record<Name, FunctionRow> {
  return Object.fromEntries(
    Object.entries<Omit<FunctionRow, 'name'>>(rows).map(([name, row]) => [name, Object.freeze({ name, ...row })]),
  ) as Record<Name, FunctionRow>
}

/**
 * `episodes-upload-url` is exported as `episodes.uploadUrl`, and its handler is `functions/episodes/upload-url.ts`. Work
 * functions and hooks have no handler of their own: `serve-step.ts` and `serve-webhook.ts` serve them all.
 */
export function entryPoint(name: string): { folder: string; file: string; path: string } {
  const [folder = '', ...rest] = name.split('-')
  const file = rest.join('-')
  return { folder, file, path: `${folder}.${file.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}` }
}
