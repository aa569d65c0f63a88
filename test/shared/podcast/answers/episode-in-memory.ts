import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { CircuitBreaker } from '../../../../shared/breaker/breaker.ts'
import { systemClock } from '../../../../shared/breaker/clock.ts'
import type { SharedBreakers } from '../../../../shared/dependencies/breakers.ts'
import { sweepRules } from '../../../../shared/dependencies/engine-settings.ts'
import { stepRunner } from '../../../../shared/dependencies/engine.ts'
import { loadPorts } from '../../../../shared/dependencies/providers.ts'
import type { WorkDependencies } from '../../../../shared/dependencies/work.ts'
import { enqueueAll } from '../../../../shared/engine/enqueue.ts'
import { start } from '../../../../shared/engine/transitions/owner.ts'
import { beginUpgrade } from '../../../../shared/engine/transitions/upgrade.ts'
import { Episode } from '../../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../../shared/podcast/pipeline.ts'
import { PORT_NAMES } from '../../../../shared/podcast/ports.ts'
import { viewOf } from '../../../../shared/podcast/view.ts'
import type { EpisodeView } from '../../../../shared/podcast/view.ts'
import type { NotesCache } from '../../../../shared/podcast/storage.ts'
import { meaningOf } from '../../../../shared/providers/provider-error.ts'
import { MemoryTasks } from '../../engine/memory-queue.ts'
import { MemoryWorkflows } from '../../engine/memory-store.ts'
import { draft } from '../episode-fixtures.ts'
import { MemoryObjects } from '../memory-objects.ts'

export type Recording = { readonly content: Buffer; readonly contentType: string }
/** Eleven seconds. */
const SPEECH: Recording = {
  content: readFileSync(fileURLToPath(new URL('../../../fixtures/speech.flac', import.meta.url))),
  contentType: 'audio/flac',
}
const DELIVERIES_MOST = 120

/** One episode by the deployed runner and the deployed clients, with stores in memory and a clock that does not wait. */
export class EpisodeInMemory {
  nowMs = 1_800_000_000_000
  readonly id = draft().id
  readonly breakers: SharedBreakers
  readonly broken: string[] = []
  /** As its owner would have seen it before each delivery. */
  readonly seen: EpisodeView[] = []
  readonly #config: WorkDependencies['config']
  readonly #random: () => number
  readonly #workflows: MemoryWorkflows<Episode>
  readonly #tasks = new MemoryTasks(() => this.nowMs)
  readonly #objects = new MemoryObjects()

  constructor(config: WorkDependencies['config'], random: () => number) {
    this.#config = config
    this.breakers = freshBreakers(config)
    this.#random = random
    this.#workflows = new MemoryWorkflows(PIPELINE, sweepRules(config))
  }

  async start(options: Episode['options'], language = 'en', recording: Recording = SPEECH): Promise<WorkDependencies> {
    const { content, contentType } = recording
    const audio = { key: 'recording', contentType, sizeBytes: content.length, objectGeneration: '1' }
    this.#objects.stored.set('recording', recording)
    this.#workflows.create({ ...draft(options), language, audio })
    const work = await this.#loadWork()
    await this.#move(work, (current, nowMs) => start(PIPELINE, current, {}, nowMs))
    return work
  }

  /** What the sweep does when it is time. */
  async upgrade(work: WorkDependencies): Promise<void> {
    await this.#move(
      work,
      (current, nowMs) => beginUpgrade(PIPELINE, current, {}, nowMs) ?? { next: current, tasks: [] },
    )
  }

  async #move(work: WorkDependencies, change: Parameters<WorkDependencies['episodes']['move']>[1]): Promise<void> {
    const moved = (await work.episodes.move(this.id, change)) as { tasks: Parameters<typeof enqueueAll>[2] } | undefined
    await enqueueAll(work.queue, this.id, moved?.tasks ?? [])
  }

  async #loadWork(): Promise<WorkDependencies> {
    const store = this.#workflows.open({
      nowMs: () => this.nowMs,
      pace: { clock: systemClock, random: this.#random },
      passing: async () => undefined,
      losesAnswer: () => false,
    })
    const episodes = {
      ...store,
      read: async (id: string) => this.read(id),
      readToRemove: async (id: string) => this.read(id),
      remove: async (id: string) => this.#workflows.forget(id),
    }
    const parts = {
      config: this.#config,
      episodes,
      queue: this.#tasks.open(async () => undefined),
      objects: this.#objects,
      notesCache: NO_CACHE,
      random: this.#random,
      now: () => this.nowMs,
      ...(await loadPorts(this.#config, this.breakers, PORT_NAMES)),
    }
    // What is not here only the edge uses.
    return parts as unknown as WorkDependencies
  }

  async carryOutAll(work: WorkDependencies): Promise<void> {
    const runner = stepRunner(work)
    const { signal } = new AbortController()
    for (let deliveries = 0; deliveries < DELIVERIES_MOST; deliveries++) {
      const [next] = [...this.#tasks.waiting].toSorted(([, a], [, b]) => a.dueMs - b.dueMs)
      if (next === undefined) return
      const [name, { workflowId, task, dueMs }] = next
      const before = this.read()
      if (before !== undefined) this.seen.push(viewOf(before))
      this.nowMs = Math.max(this.nowMs, dueMs) + 1
      const { kind } = await runner.run(workflowId, task, signal)
      if (kind === 'busy' || kind === 'interrupted') this.nowMs += 60_000
      else this.#tasks.end(name)
    }
    if (this.read()?.status === 'processing') this.broken.push(`unfinished after ${DELIVERIES_MOST} tasks`)
  }

  /** Whether anything of it is stored still. */
  get isThere(): boolean {
    return this.#workflows.read(this.id) !== undefined
  }

  /** As a store gives it: what cannot be written as a document, or be read again, is none. */
  read(id = this.id): Episode | undefined {
    const stored = this.#workflows.read(id)
    if (stored === undefined) return undefined
    const read = Episode.safeParse(JSON.parse(JSON.stringify(stored)))
    if (read.success) return read.data
    this.broken.push(`a document that nobody can read: ${read.error.issues[0]?.path.join('.')}`)
    return undefined
  }
}

function freshBreakers({ breakers }: WorkDependencies['config']): SharedBreakers {
  const all = Object.keys(breakers).map((name) => [name, new CircuitBreaker({ name, classify: meaningOf })] as const)
  return Object.fromEntries(all) as SharedBreakers
}

const NO_CACHE: NotesCache = {
  reserve: async () => ({ kind: 'ours' }),
  renew: async () => undefined,
  keep: async () => undefined,
  release: async () => undefined,
  forget: async () => undefined,
  forgetOf: async () => 0,
}
