import { Firestore } from '@google-cloud/firestore'
import { Storage } from '@google-cloud/storage'

import { Usage } from '../../shared/quotas/usage.ts'
import { SPEECH } from '../e2e/cloud.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'
import type { paidRequests } from '../e2e/cloud.ts'
import type { Healing } from '../e2e/healing.ts'
import type { Plan } from './crash-point.ts'

/** What a step may become, by what it is. */
const LEGAL: Record<string, readonly string[]> = {
  pending: ['running', 'skipped', 'pending'],
  running: ['waiting', 'done', 'error', 'pending', 'running'],
  waiting: ['running', 'done', 'error', 'pending', 'waiting'],
}

/** What is wrong with an episode that has ended, whatever was killed on its way; nothing may be. */
export function faultsOf(
  episode: EpisodeView,
  history: readonly HistoryView[],
  paid: ReturnType<typeof paidRequests>,
): string[] {
  const faults: string[] = []
  if (episode.status !== 'ready')
    faults.push(`it is ${episode.status}: ${JSON.stringify(episode.error ?? episode.steps)}`)
  if (history.filter(({ what, to }) => what === 'episode' && to === 'ready').length > 1)
    faults.push('it was ready twice')
  for (const { what, from = '', to } of history)
    if (what !== 'episode' && LEGAL[from]?.includes(to) !== true) faults.push(`${what} went from ${from} to ${to}`)
  if (paid.assemblyai !== 1) faults.push(`${paid.assemblyai} transcriptions were made`)
  if (paid.auphonic !== 1 || paid.started !== 1) faults.push(`${paid.auphonic} productions, ${paid.started} started`)
  const repeats = { gemini: episode.steps.write.repeatedCalls ?? 0, elevenlabs: episode.steps.voice.repeatedCalls ?? 0 }
  for (const name of ['gemini', 'elevenlabs'] as const)
    if (paid[name] > 1 + repeats[name] || repeats[name] > 1)
      faults.push(`${paid[name]} calls of ${name}, ${repeats[name]} counted as repeats`)
  return faults
}

/** Deliveries that one lost attempt may take: until its lease has run out the step is busy, and the backoff grows. */
const REDELIVERIES_MAX = 5
/** Steps that sweeps may have given to others meanwhile. */
const CURES_MAX = 6

/**
 * What is wrong with how often an episode was healed before anything was delivered again on purpose: a task whose
 * process was killed has to come again, and nothing may come again and again.
 */
export function healingFaultsOf(crash: Plan['crash'], { redeliveries, cures }: Healing): string[] {
  if (crash?.signal !== 'SIGKILL') return []
  const faults: string[] = []
  if (crash.point.startsWith('work.') && redeliveries === 0) faults.push('no task was delivered again')
  if (redeliveries > REDELIVERIES_MAX) faults.push(`tasks were delivered again ${redeliveries} times`)
  if (cures > CURES_MAX) faults.push(`sweeps acted ${cures} times`)
  return faults
}

/** What is wrong with the counters of a person all of whose episodes have become ready once: nothing may be. */
export async function usageFaultsOf(cloud: LocalCloud, episodes: number): Promise<string[]> {
  return withStore(cloud, async (db) => {
    const [document] = (await db.collection('usage').get()).docs
    const usage = Usage.parse(document?.data() ?? {})
    const counted = {
      storageBytes: usage.storageBytes,
      activeEpisodes: usage.activeEpisodes,
      activeSeconds: usage.activeSeconds,
      reserved: Object.keys(usage.pending).length,
      ready: Object.values(usage.months).reduce((sum, month) => sum + month.episodes, 0),
    }
    const atRest = { activeEpisodes: 0, activeSeconds: 0, reserved: 0 }
    const real = { storageBytes: episodes * SPEECH.length, ...atRest, ready: episodes }
    return JSON.stringify(counted) === JSON.stringify(real)
      ? []
      : [`counted ${JSON.stringify(counted)}, and it is ${JSON.stringify(real)}`]
  })
}

/** What storage holds under an episode's name that the episode does not refer to. */
export async function orphansOf(cloud: LocalCloud, episodeId: string): Promise<string[]> {
  const { environment } = cloud
  const storage = new Storage({
    projectId: 'demo-steadycast',
    apiEndpoint: String(environment['STORAGE_API_ENDPOINT']),
  })
  return withStore(cloud, async (db) => {
    const document = JSON.stringify((await db.doc(`episodes/${episodeId}`).get()).data())
    const [files] = await storage
      .bucket(String(environment['STORAGE_BUCKET']))
      .getFiles({ prefix: `episodes/${episodeId}/` })
    return files.map(({ name }) => name).filter((name) => !document.includes(`"${name}"`))
  })
}

export async function withStore<T>({ environment }: LocalCloud, look: (db: Firestore) => Promise<T>): Promise<T> {
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = environment['GOOGLE_APPLICATION_CREDENTIALS']
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const [host = '', port = ''] = String(environment['FIRESTORE_EMULATOR_HOST']).split(':')
  const db = new Firestore({
    projectId: 'demo-steadycast',
    host: `${host}:${port}`,
    ssl: false,
    customHeaders: { Authorization: 'Bearer owner' },
  })
  try {
    return await look(db)
  } finally {
    await db.terminate()
  }
}
