/*
 * What Google asks in us-central1, in US dollars, without what is free each day or month. Read in stored copies of the
 * pages on 2026-11-28.
 */

const GIB = 1024 ** 3
const FIRESTORE = 'https://firebase.google.com/docs/firestore/pipelines/understanding-core-pipelines'
const STORAGE = 'https://cloud.google.com/storage/pricing'
const RUN = 'https://cloud.google.com/run/pricing'
const TASKS = 'https://cloud.google.com/tasks/pricing'

type Price = { readonly usd: number; readonly per: number; readonly source: string }

export const PRICES = {
  /** Documents, Standard edition. */
  firestoreReads: { usd: 0.03, per: 100_000, source: FIRESTORE },
  firestoreWrites: { usd: 0.09, per: 100_000, source: FIRESTORE },
  firestoreDeletes: { usd: 0.01, per: 100_000, source: FIRESTORE },
  /** Operations on Standard storage in one region. */
  storageClassA: { usd: 0.005, per: 1_000, source: STORAGE },
  storageClassB: { usd: 0.0004, per: 1_000, source: STORAGE },
  /** To the internet, the first 10 TiB of a month. */
  bytesOut: { usd: 0.12, per: GIB, source: STORAGE },
  /** While a request is handled, in steps of 100 ms. */
  cpuSeconds: { usd: 0.000_024, per: 1, source: RUN },
  /** GiB times seconds. */
  memorySeconds: { usd: 0.000_002_5, per: 1, source: RUN },
  requests: { usd: 0.4, per: 1_000_000, source: RUN },
  /** A task's creation, and each of its deliveries. */
  taskOperations: { usd: 0.4, per: 1_000_000, source: TASKS },
} as const satisfies Record<string, Price>

type Priced = keyof typeof PRICES
export type Amounts = Readonly<Record<Priced, number>>

/** What amounts cost, in US dollars. */
export function costOf(amounts: Amounts): number {
  return (Object.keys(PRICES) as Priced[]).reduce(
    (sum, name) => sum + (amounts[name] / PRICES[name].per) * PRICES[name].usd,
    0,
  )
}
