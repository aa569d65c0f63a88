import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

import { DomainError } from '../../../../shared/errors/domain-error.ts'
import type { OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { cancelEpisode } from '../../../../shared/podcast/owner/cancel.ts'
import { createEpisode } from '../../../../shared/podcast/owner/create.ts'
import { deleteEpisode } from '../../../../shared/podcast/owner/delete.ts'
import { processEpisode } from '../../../../shared/podcast/owner/process.ts'
import { giveTranscript } from '../../../../shared/podcast/owner/transcript.ts'
import { prepareUpload, uploadAudio } from '../../../../shared/podcast/owner/upload.ts'
import type { SignedUpload } from '../../../../shared/podcast/storage.ts'
import { PLANS } from '../../../../shared/quotas/plans.ts'
import { seededRandom } from '../../seeded-random.ts'
import type { RoomCloud } from './cloud.ts'
import { Died, DoomedInstance } from './doomed-instance.ts'
import type { Doom } from './doomed-instance.ts'
import { ownerTools, sweepOnce } from './instance.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** As long as a link is good for, by the life's own time: storage here goes by the machine's. */
const LINK_MS = 30 * MINUTE_MS
const PEOPLE = ['alice', 'bob', 'carol'] as const
const LIMITS = { ...PLANS.unlimited, storageBytes: 60_000, drafts: 8 }
const BYTES_MAX = 4_000
const FLAC = 'audio/flac'
/** Until the last link that was given has ended, and the sweep that failed then has come again. */
const QUIET_MS = [3 * HOUR_MS, HOUR_MS]

type Person = (typeof PEOPLE)[number]
type Link = {
  readonly upload: SignedUpload
  readonly person: Person
  readonly sizeBytes: number
  readonly givenAtMs: number
}
type Instance = { readonly doomed: DoomedInstance; readonly tools: OwnerTools }

export type RoomReport = {
  /** What was done, and how often it succeeded, was refused, failed, or died. */
  readonly ends: Record<string, Record<string, number>>
  /** What was not as it must be. */
  readonly wrong: string[]
  readonly storedBytesMost: number
}

/**
 * People upload, replace, link, transcribe, process, cancel and delete, several at once, while services fail and
 * processes die between any two calls; and the sweep comes.
 * @param seed makes the same life again
 */
export class RoomLife {
  readonly #cloud: RoomCloud
  readonly #random: () => number
  readonly #ids = new Map<string, Person>()
  /** Those whose owner knows of them. */
  readonly #created: Record<Person, string[]> = { alice: [], bob: [], carol: [] }
  readonly #links: Link[] = []
  readonly #life = randomBytes(4).toString('hex')
  readonly #instances: Instance[] = []
  /** Sees everything, and nothing happens to it. */
  readonly #observer: OwnerTools
  readonly report = { ends: {}, wrong: [], storedBytesMost: 0 } as RoomReport & { storedBytesMost: number }
  #nowMs = Date.now()

  constructor(cloud: RoomCloud, seed: number) {
    this.#cloud = cloud
    this.#random = seededRandom(seed)
    this.#observer = ownerTools(cloud, this.#now)
    for (let index = 0; index < 3; index++) this.#instances.push(this.#start())
  }

  /** Acts at least so often, and looks whether everything is counted. */
  async live(acts: number): Promise<RoomReport> {
    for (let done = 0; done < acts;) {
      const together = this.#instances.slice(0, 1 + this.#below(3))
      for (const { doomed } of together) doomed.meet(this.#random() < 0.35 ? this.#anyDoom() : undefined)
      // One request may come to two instances at once.
      const same = this.#random() < 0.15 ? this.#anyAct() : undefined
      await Promise.all(together.map((instance) => this.#end(instance, same ?? this.#anyAct())))
      done += together.length
      for (const [index, { doomed }] of this.#instances.entries())
        if (doomed.isDead) this.#instances[index] = this.#start()
      this.#nowMs += this.#below(3 * MINUTE_MS)
      await this.#check('at most')
      if (this.#random() < 0.02) await this.settle()
    }
    await this.settle()
    return this.report
  }

  /** Lets everything end that ends by itself. From then on what is counted is what is there. */
  async settle(): Promise<void> {
    for (const passMs of QUIET_MS) {
      this.#nowMs += passMs
      await sweepOnce(this.#start().tools)
    }
    await this.#check('exactly')
  }

  readonly #now = (): number => this.#nowMs

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #anyOf<T>(items: readonly T[]): T | undefined {
    return items[this.#below(items.length)]
  }

  #start(): Instance {
    const doomed = new DoomedInstance()
    const cloud = { access: doomed.firestore(this.#cloud.access), objects: doomed.objects(this.#cloud.objects) }
    const tools = ownerTools(cloud, this.#now)
    return { doomed, tools }
  }

  #anyDoom(): Doom {
    const how = this.#anyOf(['away', 'unheard', 'twice', 'diesBefore', 'diesAfter'] as const) ?? 'away'
    return { service: this.#random() < 0.5 ? 'firestore' : 'gcs', how, at: 1 + this.#below(6) }
  }

  #anyAct(): { name: string; run: (instance: Instance) => Promise<unknown> } {
    const person = this.#anyOf(PEOPLE) ?? 'alice'
    const userId = this.#userIdOf(person)
    const owner = { userId, limits: LIMITS }
    const episodeId = this.#anyOf(this.#created[person].slice(-10))
    const operation = { id: randomBytes(12).toString('hex'), keyed: true, resumed: false }
    const sizeBytes = 1 + this.#below(BYTES_MAX)
    const pick = this.#random()
    if (episodeId === undefined || pick < 0.12) {
      this.#ids.set(operation.id, person)
      const draft = { title: 'x', language: 'en', options: {} }
      const run = async ({ tools }: Instance) => {
        const { id } = await createEpisode(tools, owner, operation, draft)
        if (!this.#created[person].includes(id)) this.#created[person].push(id)
      }
      return { name: 'create', run }
    }
    if (pick < 0.36) {
      const isTold = this.#random() < 0.7
      const breaks = this.#random() < 0.15
      const audio = {
        stream: () => Readable.from(breaks ? breakOff(sizeBytes) : [Buffer.alloc(sizeBytes)]),
        contentType: FLAC,
        bytesMax: isTold ? sizeBytes : BYTES_MAX,
      }
      const { signal } = new AbortController()
      return { name: 'upload', run: ({ tools }) => uploadAudio(tools, owner, { episodeId, audio }, signal) }
    }
    if (pick < 0.5) {
      const run = async ({ tools }: Instance) => {
        const upload = await prepareUpload(tools, owner, { episodeId, contentType: FLAC, sizeBytes })
        this.#links.push({ upload, person, sizeBytes, givenAtMs: this.#nowMs })
      }
      return { name: 'link', run }
    }
    if (pick < 0.62) {
      const link = this.#anyOf(this.#links.slice(-8))
      const bytes = this.#random() < 0.3 ? 1 : link?.sizeBytes
      return { name: 'put', run: () => this.#put(link, bytes) }
    }
    if (pick < 0.77) {
      const transcript = { json: JSON.stringify('w'.repeat(sizeBytes)), timed: false }
      return { name: 'transcript', run: ({ tools }) => giveTranscript(tools, owner, episodeId, transcript) }
    }
    if (pick < 0.83) {
      const languages = { takes: () => true, list: [] }
      const run = ({ tools }: Instance) => processEpisode({ ...tools, languages }, owner, episodeId, operation)
      return { name: 'process', run }
    }
    if (pick < 0.86) return { name: 'cancel', run: ({ tools }) => cancelEpisode(tools, userId, episodeId, operation) }
    if (pick < 0.88) return { name: 'fail', run: ({ tools }) => fail(tools, episodeId) }
    if (pick < 0.96) {
      // Now and then they go on asking for what they have deleted.
      const forgets = this.#random() < 0.7
      const run = async ({ tools }: Instance) => {
        await deleteEpisode(tools, userId, episodeId, operation)
        if (forgets) this.#created[person] = this.#created[person].filter((id) => id !== episodeId)
      }
      return { name: 'delete', run }
    }
    return { name: 'sweep', run: ({ tools }) => sweepOnce(tools) }
  }

  async #end(instance: Instance, act: { name: string; run: (instance: Instance) => Promise<unknown> }): Promise<void> {
    const ends = (this.report.ends[act.name] ??= {})
    const end = await act.run(instance).then(
      (answer) => (typeof answer === 'number' ? String(answer) : 'done'),
      (error: unknown) => {
        if (error instanceof Died || instance.doomed.isDead) return 'died'
        if (error instanceof DomainError) return error.kind
        this.report.wrong.push(`${act.name}: ${String(error)}`)
        return 'wrong'
      },
    )
    ends[end] = (ends[end] ?? 0) + 1
  }

  /** Through a link, while it is good; it does not matter what has become of its episode. */
  async #put(link: Link | undefined, bytes = 1): Promise<number | undefined> {
    if (link === undefined || this.#nowMs > link.givenAtMs + LINK_MS) return
    const { url, method, headers } = link.upload
    const answer = await fetch(url, { method, headers, body: Buffer.alloc(bytes) })
    await answer.arrayBuffer()
    return answer.status
  }

  /** Whether everything that is there is counted, and nothing else is. */
  async #check(how: 'at most' | 'exactly'): Promise<void> {
    const bytes = new Map<string, number>()
    for await (const page of this.#cloud.objects.list('episodes/'))
      for (const { key, sizeBytes } of page) bytes.set(key, sizeBytes)
    for (const person of PEOPLE) {
      const stored = [...bytes].reduce((sum, [key, size]) => sum + (this.#ownerOf(key) === person ? size : 0), 0)
      const { storageBytes, drafts } = await this.#observer.usage.read(this.#userIdOf(person))
      this.report.storedBytesMost = Math.max(this.report.storedBytesMost, stored)
      if (stored > storageBytes) this.report.wrong.push(`${person} has ${stored} B, counted as ${storageBytes}`)
      if (how === 'at most') continue
      if (stored !== storageBytes)
        this.report.wrong.push(`${person} has ${stored} B, counted as ${storageBytes} at rest`)
      await this.#checkEpisodes(person, drafts, bytes)
    }
    if (how === 'exactly')
      for (const key of bytes.keys()) if (bytes.get(key) === 0) this.report.wrong.push(`${key} stays`)
  }

  async #checkEpisodes(person: Person, draftsCounted: number, bytes: ReadonlyMap<string, number>): Promise<void> {
    let drafts = 0
    for (const [id, whose] of this.#ids) {
      const episode = whose === person ? await this.#observer.episodes.read(id) : undefined
      if (episode?.status === 'draft') drafts++
      const { audio, handTranscript } = episode ?? {}
      for (const brought of [audio, handTranscript])
        if (brought !== undefined && bytes.get(brought.key) !== brought.sizeBytes)
          this.report.wrong.push(`${id} refers to ${brought.key}, which is not there`)
      if (episode?.deletedAtMs !== undefined) this.report.wrong.push(`${id} is still there`)
    }
    if (drafts !== draftsCounted) this.report.wrong.push(`${person} has ${drafts} drafts, counted as ${draftsCounted}`)
  }

  /** Nobody of another life is the same person. */
  #userIdOf(person: Person): string {
    return `${person} ${this.#life}`
  }

  #ownerOf(key: string): Person | undefined {
    return this.#ids.get(key.split('/')[1] ?? '')
  }
}

async function* breakOff(bytes: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(bytes)
  throw new Error('the sender is gone')
}

/** As work on it would have ended. */
async function fail({ episodes }: OwnerTools, id: string): Promise<void> {
  await episodes.move(id, (episode, nowMs) =>
    episode.status === 'processing' ? { next: { ...episode, status: 'error', updatedAtMs: nowMs } } : {},
  )
}
