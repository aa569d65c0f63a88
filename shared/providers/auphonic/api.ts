/*
 * Auphonic's API as its documentation has it (https://auphonic.com/help/api/), as far as we use it: there is no official
 * SDK whose types could be taken. Requests of ours and answers of the stand-in are checked against these.
 */

/** GET /info/production_status.json */
export const PRODUCTION_STATUS = {
  fileUpload: [0, 'File Upload'],
  waiting: [1, 'Waiting'],
  error: [2, 'Error'],
  done: [3, 'Done'],
  processing: [4, 'Audio Processing'],
  encoding: [5, 'Audio Encoding'],
  outgoing: [6, 'Outgoing File Transfer'],
  mixdown: [7, 'Audio Mono Mixdown'],
  splitting: [8, 'Split Audio On Chapter Marks'],
  incomplete: [9, 'Incomplete'],
  notStarted: [10, 'Not Started Yet'],
  outdated: [11, 'Outdated'],
  incoming: [12, 'Incoming File Transfer'],
  stopping: [13, 'Stopping'],
  speechRecognition: [14, 'Speech Recognition'],
  changed: [15, 'Production Changed'],
} as const satisfies Record<string, readonly [code: number, words: string]>
export type ProductionStatus = keyof typeof PRODUCTION_STATUS

/** Values of one algorithm; `loudnesstarget` in LUFS, amounts in dB. */
export type AlgorithmValue = boolean | number | string

/** Another file beside the recording: fetched from `input_file`, or uploaded in a field called `id`. */
type OtherInputFile = { readonly type: 'intro' | 'outro' } & (
  { readonly id: string; readonly input_file?: never } | { readonly input_file: string; readonly id?: string }
)

/** POST /productions.json */
export type ProductionRequest = {
  readonly metadata?: { readonly title?: string }
  readonly output_basename?: string
  readonly output_files?: readonly { readonly format: 'mp3'; readonly bitrate: string; readonly ending?: string }[]
  readonly algorithms?: Readonly<Record<string, AlgorithmValue>>
  readonly input_file?: string
  readonly multi_input_files?: readonly OtherInputFile[]
  readonly webhook?: string
}

/** `data` of GET /production/{uuid}.json, and of each of GET /productions.json */
export type ProductionAnswer = {
  readonly uuid: string
  readonly status: number
  readonly status_string: string
  readonly error_status: number | null
  readonly error_message: string
  readonly warning_message: string
  readonly length: number
  readonly format: string
  readonly start_allowed: boolean
  readonly change_allowed: boolean
  readonly output_basename: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly webhook: string
  readonly creation_time: string
  readonly change_time: string
  readonly used_credits: { readonly recurring: number; readonly onetime: number; readonly combined: number }
  readonly output_files: readonly {
    readonly format: string
    readonly ending: string
    readonly filename: string
    readonly bitrate: string
    readonly size: number | null
    readonly download_url: string | null
  }[]
}

/** Around every JSON answer: it can say no inside an HTTP 200. */
export type EnvelopeAnswer<Data> = {
  readonly status_code: number
  readonly error_code: string | null
  readonly error_message: string
  readonly form_errors: Readonly<Record<string, unknown>>
  readonly data: Data
}
