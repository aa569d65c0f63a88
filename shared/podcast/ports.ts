import type { Readable } from 'node:stream'

import type { CallContext } from '../resilience/call-context.ts'
import type { CheckedSound } from './sound/checked-sound.ts'

/*
 * What the steps of the pipeline ask of the world. A port has one implementation per provider that can do it, in that
 * provider's folder; configuration says which of them a step goes to, and in which order.
 */

/** Every port by the name under which a step finds its implementations, in order. */
export type Ports = {
  readonly transcribers: Transcriber
  readonly writers: Writer
  readonly speakers: Speaker
  readonly masterings: Mastering
}
export type PortName = keyof Ports
/** What a step is given: for each port the implementations to go to, the first first. */
export type PortLists = { readonly [Name in PortName]: readonly Ports[Name][] }

const PORT_KINDS = {
  transcribers: ['job', 'call'],
  writers: ['call'],
  speakers: ['call'],
  masterings: ['job'],
} as const satisfies { readonly [Name in PortName]: readonly Ports[Name]['kind'][] }
export const PORT_NAMES = Object.keys(PORT_KINDS) as PortName[]
/** Ports whose providers can keep something of an episode, and call back about it. */
export const JOB_PORTS = PORT_NAMES.filter((name) => PORT_KINDS[name].some((kind) => kind === 'job'))

/** What something cost at a provider: unit to amount, as the provider measures it. */
export type Cost = Readonly<Record<string, number>>

/** A stored recording or intro, in either of the ways in which a provider can be given it. */
export type AudioSource = {
  readonly contentType: string
  /** A signed link, good for a day; `query` becomes part of it, and is shown wherever the provider lists it. */
  readonly link: (query?: Record<string, string>) => Promise<string>
  /** The bytes, for a provider that cannot fetch from our storage. */
  readonly bytes: () => Promise<Readable>
}

/**
 * Where a provider tells us that a job has news, and the token that it must bring: worth nothing for any other job. A
 * provider that does not call back is given neither.
 */
export type WebhookTarget = { readonly url: string; readonly token: string }

/**
 * Why a provider ended a job without a result. `not_audio`, `no_speech`: what the recording is. `refused`: something
 * else about this job. `unfetched`: it says that it could not fetch the recording from us. `ended`: another reason that is
 * not in the recording, or that nobody knows; a new job may succeed. Jobs of either kind are not charged.
 */
export type JobFailure = {
  readonly state: 'failed'
  readonly reason: 'not_audio' | 'no_speech' | 'refused' | 'unfetched' | 'ended'
  /** In the provider's own words. */
  readonly message: string
}

/** What every provider of a port has. */
type Port = {
  /** The vendor's name, as `steps.*.provider` shows it. */
  readonly name: string
  /** `job`: started once and asked for until it ends; `call`: one request, charged each time. */
  readonly kind: 'job' | 'call'
  /** Whether the provider tells us by a webhook when a job has news; otherwise it is only polled. */
  readonly callsBack: boolean
}

/** Which languages a transcriber takes: a fact that needs no call. */
export type Languages = {
  /** Tags of BCP 47, and `auto`: what people are told. */
  readonly list: readonly string[]
  /** Whether it takes a language, a tag with script and region as well, or `auto`. */
  readonly takes: (language: string) => boolean
}

export type TranscriptionRequest = {
  /** BCP 47, or `auto`. */
  readonly language: string
  readonly recording: AudioSource
}

export type TranscriptRequest = TranscriptionRequest & {
  /** Names the job: `find` knows it again by this. */
  readonly jobKey: string
  readonly webhook: WebhookTarget
  /** Where an earlier attempt has uploaded the recording to, and how this one remembers that. */
  readonly uploadedTo: string | undefined
  readonly rememberUpload: (uploadedTo: string) => Promise<void>
}

/** Words with times in whole milliseconds of the recording. */
export type HeardWord = { text: string; startMs: number; endMs: number; speaker?: string | undefined }

export type TranscriptState =
  { readonly state: 'working'; readonly doing?: string } | JobFailure | ({ readonly state: 'done' } & Transcribed)

/** What was heard in a recording. */
export type Heard = {
  /** BCP 47, as it was heard; undefined when the provider does not say. */
  readonly language: string | undefined
  /** As the provider measures it, maybe in whole seconds; undefined when it does not say. */
  readonly durationSeconds: number | undefined
  readonly text: string
  readonly words: readonly HeardWord[]
}

/** `json`: the same of a long recording, as JSON, because it is read where nobody else waits for it. */
export type Transcribed = (Heard | { readonly json: string }) & { readonly cost: Cost }

/** Recording to words. */
export type Transcriber = JobTranscriber | CallTranscriber

type AnyTranscriber = Port & {
  /** Whether it takes a language, BCP 47 or `auto`: one that does not is not asked. */
  readonly takes: Languages['takes']
}

/** One call, answered with the words, and charged each time. */
export type CallTranscriber = AnyTranscriber & {
  readonly kind: 'call'
  /** Sent once. @throws ProviderError, BreakerOpenError; RecordingUnfetched */
  transcribe(request: TranscriptionRequest, call: CallContext): Promise<Transcribed>
}

/** A job whose id was never recorded: its name, where its recording was uploaded to, and since when it can be there. */
export type SoughtJob = {
  readonly key: string
  readonly uploadedTo: string | undefined
  readonly sinceMs?: number | undefined
}

/** The job is charged, so it is looked for before it is created again. */
export type JobTranscriber = AnyTranscriber & {
  readonly kind: 'job'
  /** Creates the job; sent once. @throws ProviderError, BreakerOpenError */
  submit(request: TranscriptRequest, call: CallContext): Promise<{ id: string }>
  /** The newest job of that name: how one is found whose id was never recorded. */
  find(job: SoughtJob, call: CallContext): Promise<{ id: string } | undefined>
  read(id: string, call: CallContext): Promise<TranscriptState>
  /** Has the provider forget a job. Does nothing about one that is not there. */
  remove(id: string, call: CallContext): Promise<void>
}

/** What there is to write about: all of it is material, none of it instruction. */
export type Material = {
  readonly title: string
  readonly language: string
  readonly durationSeconds: number
  readonly passages: readonly { readonly startSeconds: number; readonly text: string }[]
}

type WrittenNotes = {
  title: string
  description: string
  chapters: { startSeconds: number; title: string }[]
  tags: string[]
}

/** Transcript to show notes. Each call is charged. */
export type Writer = Port & {
  readonly kind: 'call'
  /** What its notes depend on beside the material: another model or instruction makes other notes. */
  readonly version: string
  /** Sent once. @throws ProviderError, BreakerOpenError */
  writeNotes(material: Material, call: CallContext): Promise<{ notes: WrittenNotes; cost: Cost }>
}

type SpeechRequest = { readonly text: string; readonly voiceId: string | undefined }

/** Text to a spoken mp3. Each call is charged. */
export type Speaker = Port & {
  readonly kind: 'call'
  /** What the sound depends on beside the words: voice, model and format. @throws ProviderError, BreakerOpenError */
  version(request: Pick<SpeechRequest, 'voiceId'>, call: CallContext): Promise<string>
  /** Sent once. @throws ProviderError, BreakerOpenError */
  speak(
    request: SpeechRequest,
    call: CallContext,
  ): Promise<{ audio: Buffer; contentType: string; characters: number; cost: Cost }>
}

type MasteringRequest = {
  /** Names the production: `find` knows it again by this. */
  readonly jobKey: string
  readonly title: string
  /** LUFS. */
  readonly loudnessTarget: number
  readonly recording: AudioSource
  readonly intro: AudioSource | undefined
  readonly webhook: WebhookTarget
}

export type MasteringState =
  /** Created, and not at work. `mayStart`: the provider says that it may be started, once more where it was before. */
  | { readonly state: 'new'; readonly mayStart: boolean; readonly doing: string }
  | { readonly state: 'working'; readonly doing?: string }
  | JobFailure
  | { readonly state: 'done'; readonly result: MasteredFile; readonly cost: Cost }

/** What there is to be fetched, and what the provider says of it: both are checked against what comes. */
export type MasteredFile = {
  readonly url: string
  readonly saidSeconds: number | undefined
  readonly saidBytes: number | undefined
}

/** What `start` sends, and how it is remembered, around the request itself, that it may have reached the provider. */
type MasteringStart = Pick<MasteringRequest, 'recording' | 'intro'> & {
  readonly recordStart: (how: 'sent' | 'notCarriedOut') => Promise<void>
}

/** Recording and intro to one mastered mp3. Creating a production is free and starting it is charged. */
export type Mastering = Port & {
  readonly kind: 'job'
  create(request: MasteringRequest, call: CallContext): Promise<{ id: string }>
  /** The newest production of that name, made since then: how one is found whose id was never recorded. */
  find(job: { key: string; sinceMs: number }, call: CallContext): Promise<{ id: string } | undefined>
  read(id: string, call: CallContext): Promise<MasteringState>
  /**
   * Starts the paid work, sending the sound first where the provider cannot fetch it. Only for a `new` production.
   * @returns why not, where the production has ended or is not there any more
   */
  start(id: string, request: MasteringStart, call: CallContext): Promise<JobFailure | undefined>
  /**
   * The mastered sound, which ends with an error where it is none or not all there: see `CheckedSound`.
   * @param expectedSeconds what it should be long, as far as we know
   */
  download(result: MasteredFile, expectedSeconds: number | undefined, call: CallContext): Promise<CheckedSound>
  /** Ends a running production; one that has ended, or is not there, is left as it is. */
  stop(id: string, call: CallContext): Promise<void>
  /** Removes a production and its files. Does nothing about one that is not there. */
  remove(id: string, call: CallContext): Promise<void>
}
