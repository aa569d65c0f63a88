import { Firestore } from '@google-cloud/firestore'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { Usage } from '../../shared/quotas/usage.ts'
import { userKey } from '../../shared/store/user-key.ts'
import { paidRequests, SPEECH } from '../e2e/cloud.ts'
import { older } from '../e2e/older.ts'

/** What of an episode was charged at the stand-ins, against what is told of it. */
type Charges = {
  /** Jobs beyond the one that there may be. */
  jobsTwice: number
  /** Calls that reached their provider, and repeats of such that are told. */
  calls: number
  repeats: number
  /** Calls beyond the first and the repeats that are told. */
  untold: number
  /** Repeats that are told of calls that never reached their provider: nobody can know that of a killed worker's. */
  neverMade: number
}

const CALLED = { write: 'gemini', voice: 'elevenlabs' } as const

export function chargesOf(cloud: LocalCloud, { id, steps }: EpisodeView): Charges {
  const paid = paidRequests(cloud, id)
  const charges: Charges = {
    jobsTwice: [paid.assemblyai, paid.auphonic, paid.started].filter((count) => count > 1).length,
    calls: 0,
    repeats: 0,
    untold: 0,
    neverMade: 0,
  }
  for (const [step, provider] of Object.entries(CALLED) as [keyof typeof CALLED, 'gemini' | 'elevenlabs'][]) {
    const repeats = steps[step].repeatedCalls ?? 0
    charges.calls += paid[provider]
    charges.repeats += repeats
    charges.untold += Math.max(0, paid[provider] - 1 - repeats)
    charges.neverMade += Math.min(repeats, Math.max(0, 1 + repeats - paid[provider]))
  }
  return charges
}

/** What is wrong with what people are counted for whose episodes have all ended. */
export async function usageFaultsOf(db: Firestore, episodes: readonly EpisodeView[]): Promise<string[]> {
  const owners = (await db.collection('episodes').select('userId').get()).docs
  const keys = new Map(owners.map((document) => [document.id, userKey(String(document.get('userId')))]))
  const byOwner = Map.groupBy(episodes, ({ id }) => keys.get(id) ?? '')
  const faults: string[] = []
  for (const document of (await db.collection('usage').get()).docs) {
    const usage = Usage.parse(document.data())
    const own = byOwner.get(document.id) ?? []
    const months = Object.values(usage.months)
    const counted = {
      storageBytes: usage.storageBytes,
      drafts: usage.drafts,
      activeEpisodes: usage.activeEpisodes,
      activeSeconds: usage.activeSeconds,
      reserved: Object.keys(usage.pending).length,
      ready: months.reduce((sum, month) => sum + month.episodes, 0),
      costs: sumCosts(months.map(({ costs }) => costs)),
    }
    const real = {
      storageBytes: own.length * SPEECH.length,
      drafts: 0,
      activeEpisodes: 0,
      activeSeconds: 0,
      reserved: 0,
      ready: own.filter(({ status }) => status === 'ready').length,
      costs: sumCosts(own.map(({ costs = {} }) => costs)),
    }
    for (const name of Object.keys(real) as (keyof typeof real)[])
      if (JSON.stringify(counted[name]) !== JSON.stringify(real[name]))
        faults.push(`${name}: counted ${JSON.stringify(counted[name])}, and it is ${JSON.stringify(real[name])}`)
  }
  return faults
}

type Costs = NonNullable<EpisodeView['costs']>

/** In an order of their own, and without what adding fractions in another order changes. */
function sumCosts(all: readonly Costs[]): [string, number][] {
  const sums = new Map<string, number>()
  for (const costs of all)
    for (const [provider, units] of Object.entries(costs))
      for (const [unit, amount] of Object.entries(units)) {
        const name = `${provider} ${unit}`
        if (amount === 0) continue
        sums.set(name, (sums.get(name) ?? 0) + amount)
      }
  const ordered = [...sums].toSorted(([a], [b]) => a.localeCompare(b))
  return ordered.map(([name, amount]) => [name, Number(amount.toFixed(4))])
}

/** Makes episodes older, as if time had passed while nothing happened to them. */
export async function passTime(db: Firestore, ids: readonly string[], byMs: number): Promise<void> {
  for (const id of ids) {
    const document = db.doc(`episodes/${id}`)
    await document.set(older((await document.get()).data() ?? {}, byMs))
  }
}

export async function withStore<T>({ environment }: LocalCloud, work: (db: Firestore) => Promise<T>): Promise<T> {
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const [host = '', port = ''] = String(environment['FIRESTORE_EMULATOR_HOST']).split(':')
  const projectId = String(environment['GOOGLE_CLOUD_PROJECT'])
  const headers = { Authorization: 'Bearer owner' }
  const db = new Firestore({ projectId, host: `${host}:${port}`, ssl: false, customHeaders: headers })
  try {
    return await work(db)
  } finally {
    await db.terminate()
  }
}
