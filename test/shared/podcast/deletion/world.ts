import type { Readable } from 'node:stream'

import { explain } from '../../../../shared/dependencies/engine.ts'
import { engineSettings, sweepRules } from '../../../../shared/dependencies/engine-settings.ts'
import { StepRunner } from '../../../../shared/engine/runner.ts'
import { sweep } from '../../../../shared/engine/sweep/sweep.ts'
import { PLANS } from '../../../../shared/quotas/plans.ts'
import { artefactKey } from '../../../../shared/podcast/artefacts.ts'
import { beginDeletion } from '../../../../shared/podcast/deletion/deletion.ts'
import { removeLateArrivals } from '../../../../shared/podcast/deletion/late-arrivals.ts'
import { removeEpisode } from '../../../../shared/podcast/deletion/remove-episode.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import type { Owner, OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { deleteEpisode } from '../../../../shared/podcast/owner/delete.ts'
import { prepareUpload } from '../../../../shared/podcast/owner/upload.ts'
import { PIPELINE } from '../../../../shared/podcast/pipeline.ts'
import type { Speaker, Writer } from '../../../../shared/podcast/ports.ts'
import type { Objects } from '../../../../shared/podcast/storage.ts'
import type { EpisodeStore } from '../../../../shared/podcast/stores.ts'
import type { Tools } from '../../../../shared/podcast/tools.ts'
import { MemoryTasks } from '../../engine/memory-queue.ts'
import { MemoryWorkflows } from '../../engine/memory-store.ts'
import { testConfig } from '../../test-config.ts'
import { settle, VirtualTime, WORLD_EPOCH_MS } from '../../virtual-time.ts'
import { draft, RESULTS } from '../episode-fixtures.ts'
import { MemoryObjects } from '../memory-objects.ts'
import { MemoryDeletions, MemoryNotes } from './memory-caches.ts'
import type { Passing } from './memory-caches.ts'

const CONFIG = testConfig()
const RULES = sweepRules(CONFIG)
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
/** How long a link can be used. */
const LINK_MS = 30 * MINUTE_MS

/** As long as a function may run. */
const REQUEST_MS = 540 * SECOND_MS

class Died extends Error {}

/** Episodes of a few people that are worked on, and deleted at any moment, in virtual time. */
export class DeletionWorld {
  readonly time = new VirtualTime()
  readonly objects = new MemoryObjects()
  readonly notes = new MemoryNotes()
  readonly deletions = new MemoryDeletions()
  readonly workflows = new MemoryWorkflows<Episode>(PIPELINE, RULES)
  readonly tasks = new MemoryTasks(() => this.nowMs)
  /** By episode: when its owner was told that it is deleted, or had last asked for it. */
  readonly deletedAtMs = new Map<string, number>()
  /** By name: since when an object is there that was stored after the deletion of its episode. */
  readonly lateSinceMs = new Map<string, number>()
  /** The longest that anything stayed that had arrived late. */
  latestStayMs = 0
  late = 0
  readonly #random: () => number
  readonly #unending = new AbortController().signal
  #ids = 0

  constructor(random: () => number) {
    this.#random = random
  }

  get nowMs(): number {
    return WORLD_EPOCH_MS + this.time.nowMs
  }

  /** An episode is begun now, worked on, and deleted within the next minutes. */
  begin(id: string, userId: string): void {
    // A few texts, so that caches are shared.
    const text = `Words ${Math.floor(this.#random() * 3)} of ${userId}`
    const { transcribe } = RESULTS
    const isDraft = this.#random() < 0.3
    const transcriptKey = `episodes/${id}/g1/transcript.json`
    const transcript = { language: 'en', durationSeconds: 1, text, words: [{ text, startMs: 0, endMs: 900 }] }
    const episode: Episode = { ...draft({ intro: { text } }), id, userId, createdAtMs: this.nowMs, isCounted: true }
    if (isDraft) this.workflows.create(episode)
    else {
      void this.objects.create(transcriptKey, JSON.stringify(transcript), 'application/json')
      void this.objects.create(`episodes/${id}/source/1`, 'sound', 'audio/flac')
      const done = { ...episode.steps.transcribe, state: 'done' as const }
      this.workflows.create({
        ...episode,
        status: 'processing',
        generation: 1,
        audio: { key: `episodes/${id}/source/1`, contentType: 'audio/flac', sizeBytes: 5 },
        results: { transcribe: { ...transcribe, transcriptKey } },
        steps: {
          ...episode.steps,
          transcribe: done,
          write: { ...episode.steps.write, dispatch: 1, nextCheckAtMs: this.nowMs },
          voice: { ...episode.steps.voice, dispatch: 1, nextCheckAtMs: this.nowMs },
        },
      })
    }
    this.#after(10 * SECOND_MS, async () => (isDraft ? this.#uploadByLink(id, userId) : this.#workOn(id)))
    this.#after(2 * MINUTE_MS, () => this.#delete(id, userId))
  }

  /** A sweep each minute, and a look at what is there, from now on. */
  async run(untilMs: number): Promise<void> {
    const tick = () => {
      void this.#sweep()
      this.#look()
      this.time.after(MINUTE_MS, tick)
    }
    this.time.after(MINUTE_MS, tick)
    await this.time.run(untilMs)
    await settle()
  }

  /** What of a deleted episode is to be seen anywhere but in the record of its deletion. */
  tracesOf(id: string): string[] {
    return [
      ...[...this.objects.stored.keys()].filter((key) => key.includes(id)),
      ...[...this.notes.entries].filter(([, { episodeId }]) => episodeId === id).map(([key]) => `${id} ${key}`),
      ...(this.workflows.read(id) === undefined ? [] : ['its document']),
    ]
  }

  #after(mostMs: number, act: () => Promise<unknown>): void {
    this.time.after(this.#random() * mostMs, () => void act().catch(() => undefined))
  }

  /** Somebody's way to the store and to storage: mostly quick, at times slow; who can be frozen may wake a day later. */
  #passing(mayFreeze: boolean, slowMs = 30 * SECOND_MS): Passing {
    let frozenUntilMs = 0
    return async () => {
      const dice = this.#random()
      if (mayFreeze && frozenUntilMs === 0 && dice < 0.05)
        frozenUntilMs = this.time.nowMs + this.#random() * 20 * HOUR_MS
      await this.time.sleep(this.#random() * (dice < 0.2 ? slowMs : 200))
      if (frozenUntilMs > this.time.nowMs) await this.time.sleep(frozenUntilMs - this.time.nowMs)
    }
  }

  async #workOn(id: string): Promise<void> {
    for (const name of ['write', 'voice'] as const) {
      const runner = this.#worker()
      void runner.run(id, { step: name, generation: 1, dispatch: 1 }, this.#unending).catch(() => undefined)
    }
    // Other steps of workers that hold a lease, or did: what they store may land at any time.
    for (const name of ['mastered.mp3', 'mastered-here.mp3', 'episode.mp3', 'episode.vtt'] as const) {
      const key = artefactKey(id, 1, name)
      const passing = this.#passing(true)
      if (this.#random() < 0.3) this.#after(MINUTE_MS, () => this.#objectsOf(passing).create(key, 'made', 'audio/mpeg'))
    }
  }

  async #uploadByLink(id: string, userId: string): Promise<void> {
    const passing = this.#passing(false)
    const { url } = await prepareUpload(this.#owner(passing), ownerOf(userId), {
      episodeId: id,
      contentType: 'audio/flac',
      sizeBytes: 5,
    })
    // Begun while the link is good, and arrived whenever its sender is done.
    const beginMs = this.#random() * LINK_MS
    const wayMs = this.#random() * (this.#random() < 0.2 ? 20 * HOUR_MS : MINUTE_MS)
    this.time.after(beginMs + wayMs, () => void this.objects.create(url, 'sound', 'audio/flac'))
  }

  async #delete(id: string, userId: string): Promise<void> {
    let calls = 0
    const diesAt = this.#random() < 0.3 ? Math.floor(this.#random() * 12) : Infinity
    const passing = this.#passing(false)
    const dying: Passing = async () => {
      await passing()
      if (calls++ === diesAt) throw new Died()
    }
    const ask = (by: Passing) =>
      deleteEpisode(this.#owner(by), userId, id, { id: `${id}-delete`, keyed: false, resumed: false })
    await ask(dying).catch(async () => {
      // Some ask again, the others leave it to the sweep; what was not even marked was not deleted.
      if (this.#random() < 0.5 || this.workflows.read(id)?.deletedAtMs === undefined) await ask(passing)
    })
    this.deletedAtMs.set(id, this.nowMs)
  }

  async #sweep(): Promise<void> {
    const { objects, notesCache, episodes, queue, now } = this.#owner(this.#passing(false, 5 * SECOND_MS))
    const cleanUp = { objects, notesCache, episodes, now, random: this.#random, transcribers: [], masterings: [] }
    const options = {
      pipeline: PIPELINE,
      store: episodes,
      queue: { ...queue, find: async () => ({ kind: 'gone' as const }) },
      rules: RULES,
      now,
      newId: () => `s${++this.#ids}`.padStart(12, '0'),
      tell: () => undefined,
      findLastResult: async () => undefined,
      remove: (id: string, signal: AbortSignal) => removeEpisode({ ...cleanUp, orphanAgeMs: HOUR_MS }, id, signal),
      tidy: async () => undefined,
      save: async () => undefined,
    }
    await sweep<Episode>(options, { dryRun: false }, this.#unending)
    await removeLateArrivals({ deletions: this.deletions, objects, notesCache, now }, this.#unending)
  }

  /** What has arrived for an episode whose document is gone, and how long that stays. */
  #look(): void {
    const { records } = this.deletions
    const names = [
      ...this.objects.stored.keys(),
      ...[...this.notes.entries].map(([key, { episodeId }]) => `${episodeId} ${key}`),
    ]
    const there = new Set(names.filter((name) => records.has(/episode-\d+/.exec(name)?.[0] ?? '')))
    for (const [trace, sinceMs] of this.lateSinceMs) {
      this.latestStayMs = Math.max(this.latestStayMs, this.nowMs - sinceMs)
      if (!there.has(trace)) this.lateSinceMs.delete(trace)
    }
    for (const trace of there) {
      if (this.lateSinceMs.has(trace)) continue
      this.lateSinceMs.set(trace, this.nowMs)
      this.late++
    }
  }

  #owner(passing: Passing): OwnerTools {
    const now = () => this.nowMs
    return {
      episodes: this.#episodes(passing),
      objects: this.#objectsOf(passing),
      queue: this.tasks.open(passing),
      usage: { read: notHere },
      notesCache: this.notes.open(passing, now),
      now,
      config: CONFIG,
    }
  }

  #episodes(passing: Passing): EpisodeStore {
    const store = this.workflows.open({
      nowMs: () => this.nowMs,
      pace: { clock: this.time.clock(), random: this.#random },
      passing,
      losesAnswer: () => false,
    })
    const read = async (id: string) => {
      await passing()
      return this.workflows.read(id)
    }
    return {
      ...store,
      preload: () => undefined,
      create: notHere,
      look: notHere,
      page: notHere,
      read,
      readToRemove: read,
      moveToRemove: (id, decide) => store.move(id, decide),
      move: (id, decide, seen) => store.move(id, decide, seen),
      remove: async (id) => {
        await passing()
        const episode = this.workflows.read(id)
        if (episode !== undefined) this.deletions.records.set(id, beginDeletion(episode, this.nowMs))
        this.workflows.forget(id)
        await passing()
      },
    }
  }

  #objectsOf(passing: Passing): Objects {
    const { objects } = this
    const passed = <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) => {
      return async (...args: Args): Promise<T> => {
        await passing()
        const answer = await work(...args)
        await passing()
        return answer
      }
    }
    const remove = passed(objects.remove.bind(objects))
    const list = async function* (prefix: string) {
      await passing()
      yield* objects.list(prefix)
    }
    return {
      preload: () => undefined,
      within() {
        return this
      },
      requireReachable: async () => undefined,
      bucket: objects.bucket,
      create: passed((key: string, content: Readable | Buffer | string, type: string) =>
        objects.create(key, content, type),
      ),
      stat: passed(objects.stat.bind(objects)),
      readText: passed(objects.readText.bind(objects)),
      readStream: passed(objects.readStream.bind(objects)),
      signedRead: objects.signedRead.bind(objects),
      // The name is all there is to this link.
      signedUpload: async (key) => ({ url: key, method: 'PUT', headers: {}, expiresAt: '' }),
      list,
      remove,
      async removeAll(prefix, kept = new Set()) {
        let found = 0
        for await (const page of list(prefix))
          for (const one of page.filter(({ key }) => !kept.has(key))) {
            await remove(one)
            found++
          }
        return found
      },
    }
  }

  #worker(): StepRunner<Episode, Tools> {
    const passing = this.#passing(true)
    const { episodes, objects, notesCache, queue } = this.#owner(passing)
    const working = async <T>(answer: T): Promise<T> => {
      await this.time.sleep(this.#random() * MINUTE_MS)
      return answer
    }
    const notes = { title: 'T', description: 'D', chapters: [], tags: [] }
    const writer: Writer = {
      name: 'a-writer',
      kind: 'call',
      callsBack: false,
      version: 'v1',
      writeNotes: () => working({ notes, cost: { calls: 1 } }),
    }
    const audio = Buffer.from('spoken')
    const speaker: Speaker = {
      name: 'a-speaker',
      kind: 'call',
      callsBack: false,
      version: async () => 'v1',
      speak: () => working({ audio, contentType: 'audio/mpeg', characters: 1, cost: { calls: 1 } }),
    }
    const providers: Record<string, { name: string; kind: 'call' }[]> = { write: [writer], voice: [speaker] }
    const ports = { writers: [writer], speakers: [speaker], transcribers: [], masterings: [] }
    return new StepRunner<Episode, Tools>({
      pipeline: PIPELINE,
      store: episodes,
      queue,
      clock: {
        monotonicMs: () => this.time.nowMs,
        sleep: (ms) => this.time.sleep(ms),
        every: (ms, callback) => this.#every(ms, callback),
      },
      random: this.#random,
      newId: () => `${++this.#ids}`.padStart(12, '0'),
      newWebhookToken: () => 't',
      settings: engineSettings(CONFIG),
      providersOf: (step) => providers[step] ?? [],
      allowsFallback: () => true,
      wantsUpgrade: () => false,
      explain,
      afterStale: async () => undefined,
      tell: () => undefined,
      tools: {
        ...ports,
        objects,
        notesCache,
        webhookUrl: () => '',
        safetyPollMs: MINUTE_MS,
        ffmpegPath: undefined,
      },
    })
  }

  #every(periodMs: number, callback: () => void): () => void {
    let end: () => void
    const untilMs = this.time.nowMs + REQUEST_MS
    const again = () => {
      if (this.time.nowMs > untilMs) return
      callback()
      end = this.time.after(periodMs, again)
    }
    end = this.time.after(periodMs, again)
    return () => end()
  }
}

function ownerOf(userId: string): Owner {
  return { userId, limits: PLANS.standard }
}

function notHere(): Promise<never> {
  return Promise.reject(new Error('nobody asks for this here'))
}
