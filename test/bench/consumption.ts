import { FUNCTIONS } from '../../functions/functions.ts'
import type { FunctionRow } from '../../functions/functions.ts'
import type { JournalEntry } from '../../infra/local/journal.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import type { Amounts } from './prices.ts'

/** What some work took of Google's services. */
export type Consumption = {
  readonly amounts: Amounts
  /** Seconds that functions worked, as they say themselves. */
  readonly functionSeconds: number
  readonly tasks: number
  /** Firestore's reads and writes by collection. */
  readonly collections: Readonly<Record<string, { readonly reads: number; readonly writes: number }>>
}

/** A request as the line of a function tells it. */
export type RequestLine = { readonly function: string; readonly seconds: number; readonly answerBytes: number }

/** Cloud Run counts each request in steps of this. */
const BILLED_STEP_SECONDS = 0.1
/** Work that Cloud Tasks has delivered is answered to Google, not to the internet. */
const CALLED_BY_GOOGLE = new Set(['tasks', 'scheduler'])

/** @param requests of the functions, since the journal was emptied */
export function consumptionOf({ journal }: Pick<LocalCloud, 'journal'>, requests: readonly RequestLine[]): Consumption {
  const firestore = journal.of('firestore')
  const storage = journal.of('gcs').filter(({ status }) => status < 400)
  const deliveries = journal.of('tasks')
  const tasks = new Set(deliveries.map(({ task }) => task)).size
  const toProviders = PROVIDER_NAMES.flatMap((name) => journal.of(name))
  const billedSeconds = requests.map(
    (request) => [rowOf(request), Math.ceil(request.seconds / BILLED_STEP_SECONDS) * BILLED_STEP_SECONDS] as const,
  )
  return {
    amounts: {
      firestoreReads: sum(firestore, ({ reads = 0 }) => reads),
      firestoreWrites: sum(firestore, ({ writes = 0 }) => writes),
      firestoreDeletes: sum(firestore, ({ deletes = 0 }) => deletes),
      storageClassA: storage.filter((entry) => classOf(entry) === 'A').length,
      storageClassB: storage.filter((entry) => classOf(entry) === 'B').length,
      bytesOut:
        sum(storage.filter(isByLink), ({ answerBytes = 0 }) => answerBytes) +
        sum(toProviders, ({ requestBytes = 0 }) => requestBytes) +
        sum(
          requests.filter((request) => !CALLED_BY_GOOGLE.has(rowOf(request).caller)),
          ({ answerBytes }) => answerBytes,
        ),
      cpuSeconds: sum(billedSeconds, ([{ cpu }, seconds]) => cpu * seconds),
      memorySeconds: sum(billedSeconds, ([{ memoryMiB }, seconds]) => (memoryMiB / 1024) * seconds),
      requests: requests.length,
      taskOperations: tasks + deliveries.length,
    },
    functionSeconds: sum(requests, ({ seconds }) => seconds),
    tasks,
    collections: byCollection(firestore),
  }
}

/** https://cloud.google.com/storage/pricing#operations-by-class; deletes are free, and so is what is refused. */
function classOf({ method = '', path = '' }: JournalEntry): 'A' | 'B' | 'free' {
  // The parts of a resumable upload belong to the one operation that began it.
  if (method === 'DELETE' || (method === 'PUT' && path.startsWith('/upload/'))) return 'free'
  const isList = method === 'GET' && /^\/storage\/v1\/b(\/[^/]+\/o)?$/.test(path)
  return isList || (method !== 'GET' && method !== 'HEAD') ? 'A' : 'B'
}

/** By a signed link, and so by somebody outside. */
function isByLink({ method, path = '' }: JournalEntry): boolean {
  return method === 'GET' && !/^\/(storage|download|upload)\//.test(path)
}

function byCollection(entries: readonly JournalEntry[]): Record<string, { reads: number; writes: number }> {
  const sums: Record<string, { reads: number; writes: number }> = {}
  for (const { collections = {} } of entries)
    for (const [name, { reads, writes }] of Object.entries(collections)) {
      const known = (sums[name] ??= { reads: 0, writes: 0 })
      known.reads += reads
      known.writes += writes
    }
  return sums
}

function rowOf({ function: name }: RequestLine): FunctionRow {
  const row = (FUNCTIONS as Record<string, FunctionRow | undefined>)[name]
  if (row === undefined) throw new Error(`a line of the function ${name}, which there is not`)
  return row
}

function sum<T>(values: readonly T[], amount: (value: T) => number): number {
  return values.reduce((total, value) => total + amount(value), 0)
}
