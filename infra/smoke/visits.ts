import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'

import type {
  AudioSource,
  JobTranscriber,
  Mastering,
  PortName,
  Ports,
  Transcribed,
  Transcriber,
  Writer,
  Speaker,
} from '../../shared/podcast/ports.ts'
import type { CallContext } from '../../shared/resilience/call-context.ts'

/** What a visit needs of the world. */
export type VisitOptions = {
  readonly recordingPath: string
  readonly call: CallContext
  /** Between two looks at a job. */
  readonly pollMs: number
  readonly say: (what: string) => void
}

/** Every kind of call that a step makes of a port, once and as small as it can be. @throws what a call throws */
type Visit<Port extends PortName> = (implementation: Ports[Port], options: VisitOptions) => Promise<void>

const JOB_KEY = `smoke-${Date.now()}`
/** An eleven-second recording is worked on for seconds; behind others in a provider's line it may be minutes. */
const JOB_AT_WORK_MS_MAX = 12 * 60_000
/** How long ago a job that was just made can have been made, clocks being what they are. */
const JOB_MS_MAX = 3_600_000
/** Nobody calls back: jobs are asked for. */
const NO_WEBHOOK = { url: 'https://example.invalid/hook', token: 'none' }

export const VISITS: { readonly [Port in PortName]: Visit<Port> } = {
  transcribers: visitTranscriber,
  writers: visitWriter,
  speakers: visitSpeaker,
  masterings: visitMastering,
}

async function visitTranscriber(transcriber: Transcriber, options: VisitOptions): Promise<void> {
  const { call, say } = options
  if (transcriber.kind === 'job') return visitTranscriptionJob(transcriber, options)
  say(wordsHeard(await transcriber.transcribe({ language: 'en', recording: recordingOf(options) }, call)))
}

/** A long recording's words are not counted here. */
function wordsHeard(heard: Transcribed): string {
  return `heard ${'words' in heard ? heard.words.length : 'many'} words`
}

async function visitTranscriptionJob(transcriber: JobTranscriber, options: VisitOptions): Promise<void> {
  const { call, say } = options
  let uploadedTo: string | undefined
  const { id } = await transcriber.submit(
    {
      jobKey: JOB_KEY,
      language: 'en',
      recording: recordingOf(options),
      webhook: NO_WEBHOOK,
      uploadedTo: undefined,
      rememberUpload: async (to) => void (uploadedTo = to),
    },
    call,
  )
  try {
    const made = await untilOver(() => transcriber.read(id, call), options)
    // Looked for when it is over: what a list says of a job depends on how far that is.
    const found = await transcriber.find({ key: JOB_KEY, uploadedTo }, call)
    if (found?.id !== id) say('the job that was made is not found in the list of jobs')
    say(made.state === 'done' ? wordsHeard(made) : `the job ended as ${made.state}`)
  } finally {
    await transcriber.remove(id, call)
  }
}

async function visitWriter(writer: Writer, { call, say }: VisitOptions): Promise<void> {
  const passages = [{ startSeconds: 0, text: 'Ask not what your country can do for you.' }]
  const { notes } = await writer.writeNotes({ title: 'Smoke', language: 'en', durationSeconds: 11, passages }, call)
  say(`wrote ${notes.chapters.length} chapters and ${notes.tags.length} tags`)
}

async function visitSpeaker(speaker: Speaker, { call, say }: VisitOptions): Promise<void> {
  const { audio, characters } = await speaker.speak({ text: 'Hello.', voiceId: undefined }, call)
  say(`spoke ${characters} characters in ${audio.length} bytes`)
}

async function visitMastering(mastering: Mastering, options: VisitOptions): Promise<void> {
  const { call, say } = options
  // The clip once more stands for an intro: that is sent in another way than the recording.
  const sound = { recording: recordingOf(options), intro: recordingOf(options) }
  const { id } = await mastering.create(
    { jobKey: JOB_KEY, title: 'Smoke', loudnessTarget: -16, webhook: NO_WEBHOOK, ...sound },
    call,
  )
  try {
    const found = await mastering.find({ key: JOB_KEY, sinceMs: Date.now() - JOB_MS_MAX }, call)
    if (found?.id !== id) say('the production that was made is not found in the list of productions')
    await mastering.read(id, call)
    await mastering.start(id, { ...sound, recordStart: async () => undefined }, call)
    const made = await untilOver(() => mastering.read(id, call), options)
    if (made.state !== 'done') return say(`the production ended as ${made.state}`)
    let bytes = 0
    for await (const chunk of await mastering.download(made.result, undefined, call)) bytes += (chunk as Buffer).length
    say(`mastered to ${bytes} bytes`)
  } finally {
    await mastering.remove(id, call)
  }
}

function recordingOf({ recordingPath }: VisitOptions): AudioSource {
  return {
    contentType: 'audio/flac',
    link: () => Promise.reject(new Error('a recording of this machine has no link')),
    bytes: async () => Readable.from(createReadStream(recordingPath)),
  }
}

async function untilOver<State extends { readonly state: string }>(
  look: () => Promise<State>,
  { call, pollMs }: VisitOptions,
): Promise<Exclude<State, { readonly state: 'new' | 'working' }>> {
  const untilMs = performance.now() + JOB_AT_WORK_MS_MAX
  while (performance.now() < untilMs) {
    const found = await look()
    if (found.state !== 'working' && found.state !== 'new')
      return found as Exclude<State, { readonly state: 'new' | 'working' }>
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    call.signal.throwIfAborted()
  }
  throw new Error(`it was not over after ${JOB_AT_WORK_MS_MAX / 60_000} minutes`)
}
