import type { WorkDependencies } from '../../../../shared/dependencies/work.ts'
import { remove } from '../../../../shared/engine/transitions/owner.ts'
import { removeEpisode } from '../../../../shared/podcast/deletion/remove-episode.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../../shared/podcast/pipeline.ts'
import { PROVIDER_NAMES } from '../../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../../shared/providers/providers.ts'
import { seededRandom } from '../../seeded-random.ts'
import { testConfig } from '../../test-config.ts'
import { CannedProvider } from './canned-provider.ts'
import { EpisodeInMemory } from './episode-in-memory.ts'
import { recordAnswers } from './record-answers.ts'

/** What is charged each time that it is asked for. */
const CHARGED = /^POST (\/v2\/transcript|.*:generateContent|\/v1\/(text-to-speech\/.*|speech-to-text)|.*\/start\.json)$/
/** One, and one repeat of it. */
const CHARGED_MOST = 2
/** Of an episode's document, as JSON: a store takes a megabyte, and an answer may have strings of many. */
const DOCUMENT_CHARS_MAX = 64_000

/** What became of one episode whose provider's answers were tampered with. */
export type AnsweredLife = { readonly broken: string[]; readonly status: string; readonly degraded: number }

/** Episodes by the deployed runner and the deployed clients, with stores in memory and answers given again. */
export class AnsweredEpisodes {
  readonly #providers: ReadonlyMap<ProviderName, CannedProvider>
  readonly #config: WorkDependencies['config']

  private constructor(providers: ReadonlyMap<ProviderName, CannedProvider>) {
    this.#providers = providers
    const environment = [...providers].map(([name, { origin }]) => [`${name.toUpperCase()}_BASE_URL`, origin])
    this.#config = testConfig({ ...Object.fromEntries(environment), STORAGE_API_ENDPOINT: 'http://127.0.0.1:1' })
  }

  /** @param tamperedShare of a provider's answers */
  static async open(tamperedShare = 0.5): Promise<AnsweredEpisodes> {
    const providers = new Map<ProviderName, CannedProvider>()
    for (const name of PROVIDER_NAMES) {
      const provider = new CannedProvider(await recordAnswers(name), tamperedShare)
      await provider.start()
      providers.set(name, provider)
    }
    return new AnsweredEpisodes(providers)
  }

  close(): void {
    for (const provider of this.#providers.values()) provider.stop()
  }

  /** How many of its answers have been tampered with so far. */
  answersOf(name: ProviderName): number {
    return this.#providers.get(name)?.tampered ?? 0
  }

  /** One episode from its start to its removal, with seeded wrong answers from one provider. */
  async live(tampered: ProviderName, seed: number): Promise<AnsweredLife> {
    const random = seededRandom(seed)
    for (const [name, provider] of this.#providers) provider.forget(name === tampered ? random : undefined)
    return new AnsweredEpisode(this.#config, this.#providers, random).live(tampered)
  }
}

class AnsweredEpisode {
  readonly #providers: ReadonlyMap<ProviderName, CannedProvider>
  readonly #episode: EpisodeInMemory

  constructor(
    config: WorkDependencies['config'],
    providers: ReadonlyMap<ProviderName, CannedProvider>,
    random: () => number,
  ) {
    this.#providers = providers
    this.#episode = new EpisodeInMemory(config, random)
  }

  async live(tampered: ProviderName): Promise<AnsweredLife> {
    // Mastering here takes a second each: that fallback has tests of its own.
    const work = await this.#episode.start({ intro: { text: 'Hello.' }, fallbacks: ['notes', 'voice'] })
    await this.#episode.carryOutAll(work)
    const ended = this.#episode.read()
    this.#checkEnd(ended, tampered)
    await this.#remove(work)
    return { broken: this.#episode.broken, status: ended?.status ?? 'unreadable', degraded: degradedSteps(ended) }
  }

  #checkEnd(episode: Episode | undefined, tampered: ProviderName): void {
    const { broken, breakers } = this.#episode
    const chars = JSON.stringify(episode ?? {}).length
    if (chars > DOCUMENT_CHARS_MAX) broken.push(`the document has ${chars} characters`)
    for (const [question, times] of this.#providers.get(tampered)?.asked ?? [])
      if (CHARGED.test(question) && times > CHARGED_MOST) broken.push(`${question} was charged ${times} times`)
    for (const { name, state } of Object.values(breakers))
      if (state !== 'closed') broken.push(`the breaker of ${name} is ${state}`)
    if (
      episode?.status === 'error' &&
      (tampered === 'gemini' || (tampered === 'elevenlabs' && episode.steps.voice.state === 'error'))
    )
      broken.push(`an error where a fallback was allowed: ${episode.error?.technical_message ?? ''}`)
  }

  async #remove(work: WorkDependencies): Promise<void> {
    const { broken, id } = this.#episode
    await work.episodes.move(id, (current, nowMs) => remove(PIPELINE, current, {}, nowMs))
    const tools = { ...work, orphanAgeMs: 1 }
    const { signal } = new AbortController()
    try {
      await removeEpisode(tools, id, signal)
    } catch {
      // The next sweep comes on a better day.
      for (const provider of this.#providers.values()) provider.forget(undefined)
      await removeEpisode(tools, id, signal).catch((error: unknown) => broken.push(`not deleted: ${String(error)}`))
    }
    if (this.#episode.isThere) broken.push('the document is still there')
  }
}

function degradedSteps(episode: Episode | undefined): number {
  return Object.values(episode?.steps ?? {}).filter(({ degraded }) => degraded !== undefined).length
}
