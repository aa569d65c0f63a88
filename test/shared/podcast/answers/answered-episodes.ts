import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { CircuitBreaker } from '../../../../shared/breaker/breaker.ts'
import { systemClock } from '../../../../shared/breaker/clock.ts'
import { sweepRules } from '../../../../shared/dependencies/engine-settings.ts'
import { stepRunner } from '../../../../shared/dependencies/engine.ts'
import { loadPorts } from '../../../../shared/dependencies/providers.ts'
import type { SharedBreakers } from '../../../../shared/dependencies/breakers.ts'
import type { WorkDependencies } from '../../../../shared/dependencies/work.ts'
import { enqueueAll } from '../../../../shared/engine/enqueue.ts'
import { remove, start } from '../../../../shared/engine/transitions/owner.ts'
import { removeEpisode } from '../../../../shared/podcast/deletion/remove-episode.ts'
import { Episode } from '../../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../../shared/podcast/pipeline.ts'
import { PORT_NAMES } from '../../../../shared/podcast/ports.ts'
import type { NotesCache } from '../../../../shared/podcast/storage.ts'
import { meaningOf } from '../../../../shared/providers/provider-error.ts'
import { PROVIDER_NAMES } from '../../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../../shared/providers/providers.ts'
import { MemoryTasks } from '../../engine/memory-queue.ts'
import { MemoryWorkflows } from '../../engine/memory-store.ts'
import { seededRandom } from '../../seeded-random.ts'
import { testConfig } from '../../test-config.ts'
import { draft } from '../episode-fixtures.ts'
import { MemoryObjects } from '../memory-objects.ts'
import { CannedProvider } from './canned-provider.ts'
import { recordAnswers } from './record-answers.ts'

const RECORDING = readFileSync(fileURLToPath(new URL('../../../fixtures/speech.flac', import.meta.url)))
/** What is charged each time that it is asked for. */
const CHARGED = /^POST (\/v2\/transcript|.*:generateContent|\/v1\/(text-to-speech\/.*|speech-to-text)|.*\/start\.json)$/
/** One, and one repeat of it. */
const CHARGED_MOST = 2
const DELIVERIES_MOST = 120

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
  #nowMs = 1_800_000_000_000
  readonly #config: WorkDependencies['config']
  readonly #breakers: SharedBreakers
  readonly #providers: ReadonlyMap<ProviderName, CannedProvider>
  readonly #random: () => number
  readonly #workflows: MemoryWorkflows<Episode>
  readonly #tasks = new MemoryTasks(() => this.#nowMs)
  readonly #objects = new MemoryObjects()
  readonly #signal = new AbortController().signal
  readonly #broken: string[] = []

  constructor(
    config: WorkDependencies['config'],
    providers: ReadonlyMap<ProviderName, CannedProvider>,
    random: () => number,
  ) {
    this.#config = config
    this.#breakers = freshBreakers(config)
    this.#providers = providers
    this.#random = random
    this.#workflows = new MemoryWorkflows(PIPELINE, sweepRules(config))
  }

  async live(tampered: ProviderName): Promise<AnsweredLife> {
    // Mastering here takes a second each: that fallback has tests of its own.
    const options = { intro: { text: 'Hello.' }, fallbacks: ['notes', 'voice'] as ('notes' | 'voice')[] }
    const episode = {
      ...draft(options),
      audio: { key: 'recording', contentType: 'audio/flac', sizeBytes: RECORDING.length },
    }
    this.#objects.stored.set('recording', { content: RECORDING, contentType: 'audio/flac' })
    this.#workflows.create(episode)
    const work = await this.#loadWork()
    const started = await work.episodes.move(episode.id, (current, nowMs) => start(PIPELINE, current, {}, nowMs))
    await enqueueAll(work.queue, episode.id, started?.tasks ?? [])
    await this.#carryOutAll(work)
    const ended = this.#read(episode.id)
    this.#checkEnd(ended, tampered)
    await this.#remove(work, episode.id)
    return { broken: this.#broken, status: ended?.status ?? 'unreadable', degraded: degradedSteps(ended) }
  }

  async #loadWork(): Promise<WorkDependencies> {
    const store = this.#workflows.open({
      nowMs: () => this.#nowMs,
      pace: { clock: systemClock, random: this.#random },
      passing: async () => undefined,
      losesAnswer: () => false,
    })
    const episodes = {
      ...store,
      read: async (id: string) => this.#read(id),
      readToRemove: async (id: string) => this.#read(id),
      remove: async (id: string) => this.#workflows.forget(id),
    }
    const parts = {
      config: this.#config,
      episodes,
      queue: this.#tasks.open(async () => undefined),
      objects: this.#objects,
      notesCache: NO_CACHE,
      random: this.#random,
      now: () => this.#nowMs,
      ...(await loadPorts(this.#config, this.#breakers, PORT_NAMES)),
    }
    // What is not here only the edge uses.
    return parts as unknown as WorkDependencies
  }

  async #carryOutAll(work: WorkDependencies): Promise<void> {
    const runner = stepRunner(work)
    for (let deliveries = 0; deliveries < DELIVERIES_MOST; deliveries++) {
      const [next] = [...this.#tasks.waiting].toSorted(([, a], [, b]) => a.dueMs - b.dueMs)
      if (next === undefined) return
      const [name, { workflowId, task, dueMs }] = next
      this.#nowMs = Math.max(this.#nowMs, dueMs) + 1
      const { kind: outcome } = await runner.run(workflowId, task, this.#signal)
      if (outcome === 'busy' || outcome === 'interrupted') this.#nowMs += 60_000
      else this.#tasks.end(name)
    }
    if (this.#read(draft().id)?.status === 'processing') this.#broken.push(`unfinished after ${DELIVERIES_MOST} tasks`)
  }

  /** As a store gives it: what cannot be written as a document, or be read again, is none. */
  #read(id: string): Episode | undefined {
    const stored = this.#workflows.read(id)
    if (stored === undefined) return undefined
    const read = Episode.safeParse(JSON.parse(JSON.stringify(stored)))
    if (read.success) return read.data
    this.#broken.push(`a document that nobody can read: ${read.error.issues[0]?.path.join('.')}`)
    return undefined
  }

  #checkEnd(episode: Episode | undefined, tampered: ProviderName): void {
    for (const [question, times] of this.#providers.get(tampered)?.asked ?? [])
      if (CHARGED.test(question) && times > CHARGED_MOST) this.#broken.push(`${question} was charged ${times} times`)
    for (const { name, state } of Object.values(this.#breakers))
      if (state !== 'closed') this.#broken.push(`the breaker of ${name} is ${state}`)
    if (
      episode?.status === 'error' &&
      (tampered === 'gemini' || (tampered === 'elevenlabs' && episode.steps.voice.state === 'error'))
    )
      this.#broken.push(`an error where a fallback was allowed: ${episode.error?.technical_message ?? ''}`)
  }

  async #remove(work: WorkDependencies, id: string): Promise<void> {
    await work.episodes.move(id, (current, nowMs) => remove(PIPELINE, current, {}, nowMs))
    const tools = { ...work, orphanAgeMs: 1 }
    try {
      await removeEpisode(tools, id, this.#signal)
    } catch {
      // The next sweep comes on a better day.
      for (const provider of this.#providers.values()) provider.forget(undefined)
      await removeEpisode(tools, id, this.#signal).catch((error: unknown) =>
        this.#broken.push(`not deleted: ${String(error)}`),
      )
    }
    if (this.#workflows.read(id) !== undefined) this.#broken.push('the document is still there')
  }
}

function freshBreakers({ breakers }: WorkDependencies['config']): SharedBreakers {
  const all = Object.keys(breakers).map((name) => [name, new CircuitBreaker({ name, classify: meaningOf })] as const)
  return Object.fromEntries(all) as SharedBreakers
}

const NO_CACHE: NotesCache = {
  reserve: async () => ({ kind: 'ours' }),
  keep: async () => undefined,
  release: async () => undefined,
  forget: async () => undefined,
  forgetOf: async () => 0,
}

function degradedSteps(episode: Episode | undefined): number {
  return Object.values(episode?.steps ?? {}).filter(({ degraded }) => degraded !== undefined).length
}
