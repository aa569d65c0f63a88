import { setTimeout as sleep } from 'node:timers/promises'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud, LocalCloudOptions } from '../../infra/local/local-cloud.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { startTestCloud } from '../e2e/cloud.ts'
import compileFunctions from '../e2e/compile-functions.ts'

const LOOK_EVERY_MS = 300
const WAIT_MAX_MS = 180_000

/** The local cloud with the functions as they are deployed, compiled from what is there now. */
export async function startBenchCloud(options: Partial<LocalCloudOptions> = {}): Promise<LocalCloud> {
  await compileFunctions()
  return startTestCloud(options)
}

/** @throws Error for an episode that ends in another way, or not in time */
export async function untilReady(client: ApiClient, episodeId: string): Promise<EpisodeView> {
  for (const sinceMs = performance.now(); performance.now() - sinceMs < WAIT_MAX_MS;) {
    const episode = await client.get(episodeId)
    if (episode.status === 'ready') return episode
    if (episode.status !== 'processing') throw new Error(`episode ${episodeId} is ${episode.status}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  throw new Error(`episode ${episodeId} is not ready in time`)
}

/** Makes a call until it succeeds, for half a minute. */
export async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      if (attempt > 60) throw error
      await sleep(500)
    }
  }
}
