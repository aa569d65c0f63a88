import { Firestore } from '@google-cloud/firestore'
import { Storage } from '@google-cloud/storage'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView, HistoryView } from '../../shared/episodes/view.ts'
import type { paidRequests } from '../e2e/cloud.ts'

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

/** What storage holds under an episode's name that the episode does not refer to. */
export async function orphansOf(cloud: LocalCloud, episodeId: string): Promise<string[]> {
  const { environment } = cloud
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = environment['GOOGLE_APPLICATION_CREDENTIALS']
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const [host = '', port = ''] = String(environment['FIRESTORE_EMULATOR_HOST']).split(':')
  const db = new Firestore({
    projectId: 'demo-steadycast',
    host: `${host}:${port}`,
    ssl: false,
    customHeaders: { Authorization: 'Bearer owner' },
  })
  const storage = new Storage({
    projectId: 'demo-steadycast',
    apiEndpoint: String(environment['STORAGE_API_ENDPOINT']),
  })
  try {
    const document = JSON.stringify((await db.doc(`episodes/${episodeId}`).get()).data())
    const [files] = await storage
      .bucket(String(environment['STORAGE_BUCKET']))
      .getFiles({ prefix: `episodes/${episodeId}/` })
    return files.map(({ name }) => name).filter((name) => !document.includes(`"${name}"`))
  } finally {
    await db.terminate()
  }
}
