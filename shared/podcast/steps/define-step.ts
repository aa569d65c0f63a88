import type * as z from 'zod'

import type { Attempt, Ended } from '../../engine/attempt.ts'
import type { StepDefinition } from '../../engine/definition.ts'
import { artefactKey } from '../artefacts.ts'
import type { Config } from '../../config.ts'
import type { EpisodeContent, StoredOptions } from '../content.ts'
import type { AudioSource, PortName, Ports, WebhookTarget } from '../ports.ts'
import type { Tools } from '../tools.ts'

/** What the demo and the documentation say of a step. */
type StepWords = {
  /** What it makes, in a few words. */
  readonly makes: string
  /** From what to what, as the table of functions tells it. */
  readonly purpose: string
}

/** What the function that works on a step is given where it is not what every worker has, and how fast it is fed. */
type StepWorker = {
  readonly maxDispatchesPerSecond: number
  readonly maxConcurrentDispatches: number
  readonly memoryMiB?: 512 | 2048
  /** Tasks that one instance works on at a time. */
  readonly concurrency?: number
}

/** A step of the pipeline: the engine's definition, and what the podcast adds to it. */
export type PodcastStep<Name extends string, Schema extends z.ZodType> = StepDefinition<
  Name,
  Schema,
  EpisodeContent,
  Tools
> & {
  /** Providers of which port do it; absent: none. */
  readonly port?: PortName
  /** Whether one of them can do it for this episode; absent: each can. One that cannot is not asked. */
  suits?(episode: EpisodeContent, provider: Ports[PortName]): boolean
  /** The artefacts it stores; no other step has an artefact of that name. */
  readonly stores: readonly string[]
  /** What of the options its result depends on: when that changes, it is done again; absent: nothing. */
  dependsOn?(options: StoredOptions): unknown
  /**
   * What stands for fields of its result, by their paths within it, where a damaged document is without them: what else
   * the result says is read all the same. Nothing of it is ever stored. Whoever has `forget` says all that it takes.
   */
  readonly substitutes?: Readonly<Record<string, unknown>>
  /** Removes what a result is kept under outside its episode, for its owner's others; absent: it is kept nowhere else. */
  forget?(result: z.infer<Schema>, kept: Pick<Tools, 'objects' | 'notesCache'>): Promise<void>
  /** Removes what is too much of what results are kept under for their owner's others; absent: nothing can be. */
  tidy?(result: z.infer<Schema>, userId: string, kept: Pick<Tools, 'objects'>): Promise<void>
  readonly words: StepWords
  readonly worker: StepWorker
  /** What an instance makes sure of before it takes a task: it does not start when this throws. */
  readonly prepare?: (config: Config) => Promise<void>
}

export type EpisodeAttempt = Attempt<EpisodeContent>
export type StepEnded<Schema extends z.ZodType> = Promise<Ended<z.infer<Schema>>>

/** What does without the provider has a name that owners and operators allow it by, and the other way round. */
type FallbackAndItsName =
  { readonly fallback: string; readonly fallBack: object } | { readonly fallback?: never; readonly fallBack?: never }

/**
 * Says everything about one step; the pipeline lists it. What its code asks of storage ends with the attempt, and is
 * heard of as its progress.
 */
export function defineStep<const Name extends string, Schema extends z.ZodType>(
  step: PodcastStep<Name, Schema> & FallbackAndItsName,
): PodcastStep<Name, Schema> {
  const [adopt, fallBack] = [step.adopt?.bind(step), step.fallBack?.bind(step)]
  return {
    ...step,
    run: (attempt, tools) => step.run(attempt, within(attempt, tools)),
    ...(adopt && { adopt: (attempt, tools) => adopt(attempt, within(attempt, tools)) }),
    ...(fallBack && { fallBack: (attempt, tools, because) => fallBack(attempt, within(attempt, tools), because) }),
  }
}

function within({ signal, call: { progress } }: EpisodeAttempt, tools: Tools): Tools {
  const caller = { signal, ...(progress && { onProgress: progress.advance }) }
  return { ...tools, objects: tools.objects.within(caller) }
}

/** How a step names its artefacts: under which key an attempt stores each of what it `stores`. */
export function keysOf<const Name extends string>(_stores: readonly Name[]) {
  return ({ workflow }: EpisodeAttempt, artefact: Name) => artefactKey(workflow.id, workflow.generation, artefact)
}

const SOURCE_URL_SECONDS = 24 * 3600

/** A stored object as a provider can be given it. */
export function audioSource(
  { objects }: Pick<Tools, 'objects'>,
  { key, contentType, objectGeneration: generation }: { key: string; contentType: string; objectGeneration?: string },
): AudioSource {
  return {
    contentType,
    link: (query) =>
      objects.signedRead(key, {
        seconds: SOURCE_URL_SECONDS,
        ...(query && { query }),
        ...(generation !== undefined && { generation }),
      }),
    bytes: () => objects.readStream(key),
  }
}

/** The recording that is being processed; processing has made sure that there is one. */
export function recordingOf({ workflow: { audio } }: EpisodeAttempt): NonNullable<EpisodeContent['audio']> {
  if (audio === undefined) throw new Error('an episode in processing without a recording')
  return audio
}

export function recordingSource(attempt: EpisodeAttempt, tools: Pick<Tools, 'objects'>): AudioSource {
  const { key, contentType, objectGeneration } = recordingOf(attempt)
  return audioSource(tools, { key, contentType, ...(objectGeneration !== undefined && { objectGeneration }) })
}

/** Where the provider of an attempt calls back about its job. */
export function webhookTarget({ workflow, provider = '', step }: EpisodeAttempt, tools: Tools): WebhookTarget {
  return { url: tools.webhookUrl(provider, workflow.id), token: step.job?.webhookToken ?? '' }
}
