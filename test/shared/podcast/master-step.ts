import { Readable } from 'node:stream'

import type { Attempt, Ended } from '../../../shared/engine/attempt.ts'
import type { Job } from '../../../shared/engine/workflow.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { SourceFailed } from '../../../shared/podcast/errors.ts'
import type { Mastering } from '../../../shared/podcast/ports.ts'
import { master } from '../../../shared/podcast/steps/master.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { draft, RESULTS } from './episode-fixtures.ts'

/** What a test says of the world in which it masters one episode. */
type World = {
  readonly mastering?: Mastering
  readonly recording: Buffer
  readonly intro: Buffer | undefined
  /** As the transcription told it. */
  readonly recordingSeconds: number
}

export type Mastered = { audioKey: string; durationSeconds: number; introSeconds: number }

/**
 * The step that masters, with its job and what it stores in memory, attempt after attempt. Time is the test's: it passes
 * as `pass` says.
 */
export function masterStep({ mastering, recording, intro, recordingSeconds }: World) {
  const objects = new Map<string, Buffer>([['recording', recording]])
  if (intro !== undefined) objects.set('intro', intro)
  let job: Job = { key: 'job-1', webhookToken: 't', polls: 0 }
  let startsInVain = 0
  let nowMs = 1_000_000

  const tools = {
    objects: {
      within() {
        return this
      },
      requireReachable: async () => undefined,
      async create(key: string, content: Readable | Buffer) {
        const bytes = content instanceof Readable ? await readAll(content) : content
        if (!objects.has(key)) objects.set(key, bytes)
      },
      readStream: async (key: string) => Readable.from([objects.get(key) ?? Buffer.alloc(0)]),
      signedRead: async (key: string) => `http://127.0.0.1:1/${key}`,
    },
    masterings: mastering === undefined ? [] : [mastering],
    webhookUrl: () => 'http://127.0.0.1:1/hook',
    safetyPollMs: 1000,
    ffmpegPath: undefined,
  } as unknown as Tools

  const attempt = (): Attempt<Episode> => {
    const episode = draft()
    const { signal } = new AbortController()
    const { voice: spoken, ...others } = RESULTS
    const step = { ...episode.steps.master, state: 'running' as const, job, startsInVain }
    return {
      workflow: {
        ...episode,
        audio: { key: 'recording', contentType: 'audio/wav', sizeBytes: recording.length },
        steps: { ...episode.steps, master: step },
        results: {
          ...others,
          transcribe: { transcriptKey: 't', durationSeconds: recordingSeconds, wordCount: 1 },
          ...(intro !== undefined && { voice: { ...spoken, audioKey: 'intro' } }),
        },
      },
      name: master.name,
      step,
      provider: mastering?.name,
      signal,
      call: { signal, correlationId: 'c', random: () => 0 },
      resumesIntent: false,
      nowMs: () => nowMs,
      charge: (cost) => ({ attempt: 'a', provider: 'p', cost }),
      tell: () => undefined,
      recordJob: async (known) => void (job = { ...job, ...known }),
    }
  }

  return {
    objects,
    tools,
    get job(): Job {
      return job
    },
    pass(ms: number): void {
      nowMs += ms
    },
    /** As the engine does before another attempt: the next production is a new one. */
    dropJob(): void {
      startsInVain += job.starts?.count ?? 0
      job = { key: 'job-1', webhookToken: 't', polls: 0 }
    },
    run: (): Promise<Ended<Mastered>> => master.run(attempt(), tools),
    fallBack: async (): Promise<Mastered> => {
      const made = await master.fallBack?.(attempt(), tools, { why: 'away', canPass: true })
      return made?.result as Mastered
    },
    /** The step as often as it takes. */
    async finish(pauseMs: number): Promise<Mastered> {
      for (let polls = 0; polls < 400; polls++) {
        const ended = await this.run()
        if (ended.kind === 'done') return ended.result
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
      throw new Error('no end in sight')
    },
  }
}

async function readAll(content: Readable): Promise<Buffer> {
  try {
    return Buffer.concat((await content.toArray()) as Buffer[])
  } catch (error) {
    throw new SourceFailed(error)
  }
}
