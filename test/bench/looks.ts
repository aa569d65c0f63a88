import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { clientOf, processed, uploaded } from '../e2e/cloud.ts'
import { startBenchCloud, untilReady } from './bench-cloud.ts'
import { figure, median, title } from './report.ts'

const LOOKS = 400
const WARM_LOOKS = 100
const RATIO_MAX = 1.3

/** A look at a ready episode, with its links, against one at a draft: by turns, one after the other. */
export async function benchLooks(): Promise<void> {
  title(`episodes-get of a ready episode against that of a draft, ${LOOKS} looks each`)
  const cloud = await startBenchCloud({ environment: { DEFAULT_PLAN: 'unlimited' } })
  try {
    await run(cloud)
  } finally {
    await cloud.stop()
  }
}

async function run(cloud: LocalCloud): Promise<void> {
  const client = await clientOf(cloud, 'alice')
  const draft = await uploaded(client, 'a draft', { intro: { text: 'Welcome.' } })
  const ready = await untilReady(client, (await processed(client, 'a ready episode')).id)
  const headers = { Authorization: `Bearer ${await cloud.identity.userToken('alice')}` }
  const links = new Set<string>()
  const look = async ({ id }: EpisodeView): Promise<number> => {
    const sinceMs = performance.now()
    const response = await fetch(`${cloud.functionsBaseUrl}/episodes-get?episodeId=${id}`, { headers })
    const { episode } = (await response.json()) as { episode: EpisodeView }
    const tookMs = performance.now() - sinceMs
    if (episode.outputs !== undefined) links.add(JSON.stringify(episode.outputs))
    return tookMs
  }
  const draftMs: number[] = []
  const readyMs: number[] = []
  for (let count = 0; count < LOOKS + WARM_LOOKS; count++) {
    const took = [await look(draft), await look(ready)] as const
    if (count < WARM_LOOKS) continue
    draftMs.push(took[0])
    readyMs.push(took[1])
  }
  const ratio = median(readyMs) / median(draftMs)
  figure('draft, ready: P50', `${median(draftMs).toFixed(2)} ms, ${median(readyMs).toFixed(2)} ms`)
  figure('ready against draft, P50', ratio.toFixed(2), { text: `<= ${RATIO_MAX}`, met: ratio <= RATIO_MAX })
  // The first look at it, while it was waited for, signed them.
  figure('times that its links were signed', String(links.size), { text: '1', met: links.size === 1 })
}
