import { randomBytes } from 'node:crypto'

import { PRODUCTION_STATUS } from '../../../../shared/providers/auphonic/api.ts'
import type { ProductionAnswer, ProductionStatus } from '../../../../shared/providers/auphonic/api.ts'
import { durationSeconds, master } from '../../audio/mastering.ts'
import { fetchAudio, STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { Details } from './requests.ts'

const LATENCY_MS = { base: 2500, shareOfAudio: 0.03 }
const DEFAULT_TARGET_LUFS = -16
const CREDIT_HOURS_MIN = 0.05
const RUNNING: ReadonlySet<ProductionStatus> = new Set([
  'fileUpload',
  'waiting',
  'processing',
  'encoding',
  'outgoing',
  'mixdown',
  'splitting',
  'incoming',
  'stopping',
  'speechRecognition',
])
const STARTABLE: ReadonlySet<ProductionStatus> = new Set(['notStarted', 'outdated', 'changed'])

/** A production as it is kept. */
export type KeptProduction = {
  readonly uuid: string
  readonly details: Details
  readonly status: ProductionStatus
  readonly output: Buffer | undefined
  readonly errorMessage: string
  readonly lengthSeconds: number
  readonly created: string
  readonly changedAt: string
  readonly uploads: ReadonlyMap<string, Buffer>
}

/** One production, from its form to its files. */
export class Production {
  readonly uuid: string
  details: Details
  status: ProductionStatus
  output: Buffer | undefined
  #errorMessage: string
  #lengthSeconds: number
  #run = 0
  #changedAt: string
  readonly #uploads: Map<string, Buffer>
  readonly #created: string

  constructor(kept: KeptProduction) {
    this.uuid = kept.uuid
    this.details = kept.details
    this.output = kept.output
    this.#errorMessage = kept.errorMessage
    this.#lengthSeconds = kept.lengthSeconds
    this.#changedAt = kept.changedAt
    this.#uploads = new Map(kept.uploads)
    this.#created = kept.created
    this.status = kept.status
  }

  static of(details: Details): Production {
    const uuid = randomBytes(16).toString('base64url').replace(/[-_]/g, 'x').slice(0, 22)
    const [created, uploads] = [new Date().toISOString(), new Map<string, Buffer>()]
    const nothing = { output: undefined, errorMessage: '', lengthSeconds: 0, uploads }
    const status = formStatus(details, uploads)
    return new Production({ ...nothing, uuid, details, status, created, changedAt: created })
  }

  /** What a later start makes the same production of; one that was at work begins anew then. */
  save(): KeptProduction {
    return {
      uuid: this.uuid,
      details: this.details,
      status: this.status,
      output: this.output,
      errorMessage: this.#errorMessage,
      lengthSeconds: this.#lengthSeconds,
      created: this.#created,
      changedAt: this.#changedAt,
      uploads: this.#uploads,
    }
  }

  get isRunning(): boolean {
    return RUNNING.has(this.status)
  }

  get startAllowed(): boolean {
    return STARTABLE.has(this.status)
  }

  /** Fields in which a file may be uploaded. */
  get uploadFields(): ReadonlySet<string> {
    const declared = (this.details.multi_input_files ?? []).flatMap(({ id }) => (id === undefined ? [] : [id]))
    return new Set(['input_file', 'image', ...declared])
  }

  upload(files: ReadonlyMap<string, Buffer>): void {
    for (const [field, data] of files) this.#uploads.set(field, data)
    this.#change({})
  }

  /** As somebody does in the web page: what was made before is not what is asked for any more. */
  update({ reset_data: isReset, ...details }: Details): void {
    if (isReset) {
      this.output = undefined
      this.#errorMessage = ''
      this.status = 'notStarted'
      this.details = { input_file: this.details.input_file }
    }
    this.#change(details)
  }

  #change(details: Details): void {
    this.details = { ...this.details, ...details }
    this.#changedAt = new Date().toISOString()
    const isComplete = formStatus(this.details, this.#uploads) === 'notStarted'
    if (!isComplete) this.status = 'incomplete'
    else if (this.output !== undefined) this.status = 'outdated'
    else this.status = this.status === 'error' ? 'changed' : 'notStarted'
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.#run++
    this.status = 'stopping'
    await wait(0)
    this.status = formStatus(this.details, this.#uploads)
  }

  /** Works until it is done, has failed, or is stopped. @returns whether there is news to be told */
  async work(latencyFactor: number): Promise<boolean> {
    const run = ++this.#run
    this.status = 'waiting'
    try {
      for await (const status of this.#stages(latencyFactor)) {
        if (run !== this.#run) return false
        this.status = status
      }
    } catch (error) {
      if (run !== this.#run) return false
      this.status = 'error'
      this.#errorMessage = `Audio could not be processed: ${error instanceof Error ? error.message : 'unknown format'}`
    }
    return run === this.#run && !this.#isForm
  }

  async *#stages(latencyFactor: number): AsyncGenerator<ProductionStatus> {
    const startedAtMs = Date.now()
    const { algorithms, output_files: files = [], speech_recognition: speech } = this.details
    yield 'incoming'
    const recording = await this.#fetch('input_file', this.details.input_file)
    const other = this.details.multi_input_files?.find(({ type }) => type === 'intro')
    const intro = other && (await this.#fetch(other.id ?? '', other.input_file))
    // Nothing came: the form is not complete after all.
    if (recording.length === 0) return yield 'incomplete'
    yield 'processing'
    const seconds = await durationSeconds(recording)
    const output = await master(recording, intro, algorithms?.loudnesstarget ?? DEFAULT_TARGET_LUFS)
    if (speech !== undefined) yield 'speechRecognition'
    yield 'encoding'
    if (files.some(({ mono_mixdown: isMono }) => isMono)) yield 'mixdown'
    if (files.some(({ split_on_chapters: isSplit }) => isSplit)) yield 'splitting'
    await wait(
      (LATENCY_MS.base + seconds * 1000 * LATENCY_MS.shareOfAudio) * latencyFactor - (Date.now() - startedAtMs),
    )
    yield 'outgoing'
    this.#lengthSeconds = await durationSeconds(output)
    this.output = Buffer.from(output)
    yield 'done'
  }

  async #fetch(field: string, url: string | undefined): Promise<Buffer> {
    const data = this.#uploads.get(field) ?? (url === undefined ? undefined : await fetchAudio(url))
    if (data === undefined) throw new Error('the input file could not be downloaded')
    return data
  }

  get #isForm(): boolean {
    return this.status === 'incomplete' || this.status === 'notStarted'
  }

  /** What is charged for it: nothing before it has an output. */
  get bill(): Record<string, number> {
    if (this.output === undefined) return {}
    return { productions: 1, audioSeconds: this.#lengthSeconds, creditHours: this.#creditHours }
  }

  get #creditHours(): number {
    return this.output === undefined ? 0 : Math.max(CREDIT_HOURS_MIN, this.#lengthSeconds / 3600)
  }

  /** As GET /production/{uuid}.json shows it. */
  view(origin: string): ProductionAnswer & Readonly<Record<string, unknown>> {
    const { details, status } = this
    const [code, words] = PRODUCTION_STATUS[status]
    const credits = this.#creditHours
    return {
      uuid: this.uuid,
      status: code,
      status_string: words,
      error_status: status === 'error' ? PRODUCTION_STATUS.error[0] : null,
      error_message: this.#errorMessage,
      warning_status: null,
      warning_message: STAND_IN_NOTICE,
      length: this.#lengthSeconds,
      format: 'mp3',
      start_allowed: this.startAllowed,
      change_allowed: !this.isRunning,
      output_basename: details.output_basename ?? '',
      metadata: details.metadata ?? {},
      algorithms: details.algorithms ?? {},
      webhook: details.webhook ?? '',
      creation_time: this.#created,
      change_time: this.#changedAt,
      used_credits: { recurring: credits, onetime: 0, combined: credits },
      output_files: this.#files(origin),
    }
  }

  #files(origin: string): ProductionAnswer['output_files'] {
    const { output_files: files = [{ format: 'mp3' as const }], output_basename: name = 'result' } = this.details
    return files.map((file) => {
      const filename = file.filename ?? `${name}${file.suffix ?? ''}.${file.ending ?? file.format}`
      const path = `/api/download/audio-result/${this.uuid}/${encodeURIComponent(filename)}`
      return {
        format: file.format,
        ending: file.ending ?? file.format,
        filename,
        bitrate: 'bitrate' in file ? (file.bitrate ?? '112') : '',
        size: this.output?.length ?? null,
        download_url: this.output === undefined ? null : `${origin}${path}`,
      }
    })
  }
}

/** What the form lacks: a recording, or a file that was declared and has not come. */
function formStatus(details: Details, uploads: ReadonlyMap<string, Buffer>): 'incomplete' | 'notStarted' {
  const { input_file: url, multi_input_files: others = [] } = details
  const hasRecording = url !== undefined || uploads.has('input_file')
  const hasOthers = others.every(({ id = '', input_file: link }) => link !== undefined || uploads.has(id))
  return hasRecording && hasOthers ? 'notStarted' : 'incomplete'
}
