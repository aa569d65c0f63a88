import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import type { UsageView } from '../../shared/quotas/view.ts'
import { SPEECH } from '../e2e/cloud.ts'

/* What a person is told that they use, against the episodes that they have: after every run, to the unit. */

/** What is wrong with what a person is told; nothing may be. */
export async function toldUsageFaultsOf(client: ApiClient): Promise<string[]> {
  const { usage, costs } = await client.call<UsageView>('GET', 'usage-get')
  const episodes = await listAll(client)
  const count = (status: EpisodeView['status']) => episodes.filter((episode) => episode.status === status).length
  const told = inShort({
    storageBytes: usage.storageBytes,
    drafts: usage.drafts,
    activeEpisodes: usage.activeEpisodes,
    episodesThisMonth: usage.episodesThisMonth,
    costs: Object.values(costs).reduce(merge, {}),
  })
  const real = inShort({
    storageBytes: episodes.length * SPEECH.length,
    drafts: count('draft'),
    activeEpisodes: count('processing'),
    episodesThisMonth: count('ready') + count('processing'),
    costs: episodes.map((episode) => episode.costs ?? {}).reduce(merge, {}),
  })
  return told === real ? [] : [`usage-get tells ${told}, and it is ${real}`]
}

async function listAll(client: ApiClient): Promise<EpisodeView[]> {
  const all: EpisodeView[] = []
  let pageToken: string | undefined
  do {
    const page = await client.list(pageToken === undefined ? '' : `?pageToken=${encodeURIComponent(pageToken)}`)
    all.push(...page.episodes)
    pageToken = page.nextPageToken
  } while (pageToken !== undefined)
  return all
}

function merge(a: UsageView['costs'][string], b: UsageView['costs'][string]): UsageView['costs'][string] {
  const providers = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...providers].map((name) => [name, addUp(a[name] ?? {}, b[name] ?? {})]))
}

function addUp(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const units = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...units].map((unit) => [unit, (a[unit] ?? 0) + (b[unit] ?? 0)]))
}

/** Comparable: in order, rounded as sums of fractions need it, and without what is 0. */
function inShort({
  costs,
  ...counts
}: {
  readonly costs: Record<string, Record<string, number>>
  readonly [count: string]: unknown
}): string {
  const told = Object.entries(costs)
    .flatMap(([provider, amounts]) => Object.entries(amounts).map(([unit, amount]) => ({ provider, unit, amount })))
    .filter(({ amount }) => Math.abs(amount) > 1e-6)
    .map(({ provider, unit, amount }) => `${provider}.${unit} ${Number(amount.toFixed(4))}`)
  return [JSON.stringify(counts), ...told.toSorted()].join(' ')
}
