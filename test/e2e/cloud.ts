import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { parseBuffer } from 'music-metadata'
import type { IAudioMetadata } from 'music-metadata'
import { vi } from 'vitest'

import { ApiClient } from '../../infra/demo/api-client.ts'
import { LOCAL_SCHEDULER_ACCOUNT } from '../../infra/local/identity.ts'
import { startLocalCloud } from '../../infra/local/local-cloud.ts'
import type { LocalCloud, LocalCloudOptions } from '../../infra/local/local-cloud.ts'
import type { EpisodesReport } from '../../shared/dependencies/sweep.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { COMPILED_FUNCTIONS } from './compile-functions.ts'
import { EpisodeLines, rememberLines } from './healing.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const SPEECH = readFileSync(`${ROOT}test/fixtures/speech.flac`)

/** Long enough for a lease to run out and the step to be taken over, on a busy machine. */
const FINISH_TIMEOUT_MS = 90_000

/** The whole local cloud with real function processes; the stand-ins answer almost at once. */
export async function startTestCloud(options: Partial<LocalCloudOptions> = {}): Promise<LocalCloud> {
  mkdirSync(`${ROOT}.steadycast`, { recursive: true })
  const lines = new EpisodeLines()
  const onLine = (line: string, pid?: number) => {
    lines.hear(line)
    options.onLine?.(line, pid)
    appendFileSync(`${ROOT}.steadycast/e2e.log`, `${line}\n`)
  }
  const cloud = await startLocalCloud({
    port: 0,
    source: COMPILED_FUNCTIONS,
    latencyFactor: 0.02,
    schedules: 'off',
    environment: {},
    ...options,
    onLine,
  })
  rememberLines(cloud, lines)
  return cloud
}

export async function clientOf(cloud: LocalCloud, user: string): Promise<ApiClient> {
  return new ApiClient(cloud.functionsBaseUrl, await cloud.identity.userToken(user))
}

/** A draft with the fixture uploaded. */
export async function uploaded(
  client: ApiClient,
  title: string,
  options: Record<string, unknown> = {},
): Promise<EpisodeView> {
  const episode = await client.create({ title, options })
  await client.upload(episode.id, SPEECH, 'audio/flac')
  return episode
}

/** What is said in the fixture, as somebody would type it. */
export const SPOKEN =
  'And so, my fellow Americans: ask not what your country can do for you. Ask what you can do for your country.'

/** An episode at work whose intro, unless it has options of its own, nobody has had spoken before. */
export async function processed(
  client: ApiClient,
  title: string,
  options: Record<string, unknown> = { intro: { text: `Welcome to the show. ${title}` } },
): Promise<EpisodeView> {
  const draft = await uploaded(client, title, options)
  return client.act('process', draft.id)
}

/** Length and tags of a finished episode's mp3. */
export async function audioOf({ outputs }: EpisodeView): Promise<IAudioMetadata> {
  const bytes = new Uint8Array(await (await fetch(outputs?.audioUrl ?? '')).arrayBuffer())
  return parseBuffer(bytes, 'audio/mpeg', { duration: true })
}

/** The episode once it is no longer being processed: it stays as it is then, so nothing is missed by asking seldom. */
export function settled(client: ApiClient, episodeId: string): Promise<EpisodeView> {
  return until(client, episodeId, ({ status }) => status !== 'processing', 300)
}

/** The episode once `holds` is true of it. */
export function until(
  client: ApiClient,
  episodeId: string,
  holds: (episode: EpisodeView) => boolean,
  interval = 100,
): Promise<EpisodeView> {
  return vi.waitFor(
    async () => {
      const episode = await client.get(episodeId)
      if (!holds(episode)) throw new Error(`still ${episode.status}: ${JSON.stringify(episode.steps)}`)
      return episode
    },
    { timeout: FINISH_TIMEOUT_MS, interval },
  )
}

/** What the schedule calls every minute. */
export async function callSweep(
  cloud: LocalCloud,
  body: object = {},
  token?: string,
): Promise<{ status: number; json: EpisodesReport }> {
  const url = `${cloud.functionsBaseUrl}/ops-sweep`
  const bearer = token ?? (await cloud.identity.serviceToken(LOCAL_SCHEDULER_ACCOUNT, url))
  const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, json: (await response.json()) as EpisodesReport }
}

/** Requests that reached a stand-in for one episode. */
export function requestsTo(cloud: LocalCloud, target: string, path: RegExp, episodeId?: string): number {
  return cloud.journal
    .of(target)
    .filter(
      (entry) =>
        entry.method === 'POST' &&
        path.test(entry.path ?? '') &&
        (episodeId === undefined || entry.episodeId === episodeId),
    ).length
}

/** Requests for one episode that are charged, or lead to a charge. */
export function paidRequests(cloud: LocalCloud, episodeId: string) {
  return {
    assemblyai: requestsTo(cloud, 'assemblyai', /^\/v2\/transcript$/, episodeId),
    auphonic: requestsTo(cloud, 'auphonic', /^\/api\/productions\.json$/, episodeId),
    started: requestsTo(cloud, 'auphonic', /start\.json$/, episodeId),
    gemini: requestsTo(cloud, 'gemini', /generateContent$/, episodeId),
    elevenlabs: requestsTo(cloud, 'elevenlabs', /text-to-speech/, episodeId),
  }
}
