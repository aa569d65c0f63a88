import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import type { UsageView } from '../../shared/quotas/view.ts'
import { SPEECH } from '../e2e/cloud.ts'

/* What a person is told that they use, against the episodes that they have: after every run, to the unit. */

/** What was true of all episodes of a person that are over, as `usage-get` tells it. */
export class ExpectedUsage {
  #stored = 0
  #ready = 0
  readonly #costs: Record<string, Record<string, number>> = {}

  /** An episode is over, as it is shown last. */
  add({ status, costs = {} }: EpisodeView): void {
    this.#stored++
    if (status === 'ready') this.#ready++
    this.addCosts(costs)
  }

  addCosts(costs: NonNullable<EpisodeView['costs']>): void {
    for (const [provider, amounts] of Object.entries(costs)) {
      const sums = (this.#costs[provider] ??= {})
      for (const [unit, amount] of Object.entries(amounts)) sums[unit] = (sums[unit] ?? 0) + amount
    }
  }

  /** What is wrong with what a person is told; nothing may be. */
  async faults(client: ApiClient): Promise<string[]> {
    const { usage, costs } = await client.call<UsageView>('GET', 'usage-get')
    const told = {
      storageBytes: usage.storageBytes,
      drafts: usage.drafts,
      activeEpisodes: usage.activeEpisodes,
      episodesThisMonth: usage.episodesThisMonth,
      costs: Object.values(costs).reduce((sum, month) => merge(sum, month), {}),
    }
    const atRest = { drafts: 0, activeEpisodes: 0 }
    const real = { storageBytes: this.#stored * SPEECH.length, ...atRest, episodesThisMonth: this.#ready }
    const expected = inShort({ ...real, costs: this.#costs })
    return inShort(told) === expected ? [] : [`usage-get tells ${inShort(told)}, and it is ${expected}`]
  }
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
function inShort({ costs, ...counts }: { readonly costs: Record<string, Record<string, number>> }): string {
  const told = Object.entries(costs)
    .flatMap(([provider, amounts]) => Object.entries(amounts).map(([unit, amount]) => ({ provider, unit, amount })))
    .filter(({ amount }) => Math.abs(amount) > 1e-6)
    .map(({ provider, unit, amount }) => `${provider}.${unit} ${Number(amount.toFixed(4))}`)
  return [JSON.stringify(counts), ...told.toSorted()].join(' ')
}
