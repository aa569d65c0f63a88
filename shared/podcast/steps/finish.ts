import type { Readable } from 'node:stream'
import * as z from 'zod'

import { resultOf } from '../../engine/definition.ts'
import { together } from '../../resilience/together.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { outputKeys, OUTPUTS } from '../artefacts.ts'
import { KeptLinks, signLinks } from '../links.ts'
import type { Linked } from '../links.ts'
import { id3Tag, stripId3 } from '../sound/id3.ts'
import { shiftChapters } from '../words/notes.ts'
import type { Tools } from '../tools.ts'
import { defineStep, keysOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { makeOfHeard } from './make-of-transcript.ts'
import { master } from './master.ts'
import { transcribe } from './transcribe.ts'
import { write } from './write.ts'

const keyOf = keysOf(OUTPUTS)

/** The durable outputs: the mastered audio with its tags, the transcript and captions on the episode's own clock. */
export const finish = defineStep({
  name: 'finish',
  after: [write, master],
  redoneWith: [transcribe, write, master],
  kind: 'plain',
  share: 0.1,
  stores: OUTPUTS,
  words: { makes: 'tags, captions, links', purpose: 'Tags, captions and durable outputs' },
  worker: { maxDispatchesPerSecond: 20, maxConcurrentDispatches: 40 },
  result: z.looseObject({
    audioKey: z.string(),
    transcriptKey: z.string(),
    vttKey: z.string(),
    srtKey: z.string(),
    links: KeptLinks.optional().catch(undefined),
  }),

  async run(attempt, tools) {
    const { workflow, signal } = attempt
    const { objects } = tools
    const mastered = resultOf(workflow, master)
    const notes = resultOf(workflow, write)?.notes
    if (mastered === undefined || notes === undefined) throw new Error('finishing before mastering and writing')
    const files = outputKeys((artefact) => keyOf(attempt, artefact))
    const introMs = Math.round(mastered.introSeconds * 1000)
    const { json, vtt, srt, language } = await makeOfHeard(attempt, tools, { make: 'outputs', introMs })
    const tag = await id3Tag({
      title: notes.title,
      description: notes.description,
      language,
      durationSeconds: mastered.durationSeconds,
      chapters: shiftChapters(notes.chapters, mastered.introSeconds),
    })
    const withTag = (await objects.readStream(mastered.audioKey)).compose(stripId3(tag))
    const store = (key: string, content: Readable | string, contentType: string) => (ends: AbortSignal) =>
      objects.create(key, content, contentType, ends)
    await together(signal, [
      store(files.audioKey, withTag, 'audio/mpeg'),
      store(files.transcriptKey, json, 'application/json'),
      store(files.vttKey, vtt, 'text/vtt; charset=utf-8'),
      store(files.srtKey, srt, 'application/x-subrip; charset=utf-8'),
    ])
    const links = await linksTo({ keys: files, title: workflow.title }, attempt, tools)
    return { kind: 'done', result: { ...files, ...(links && { links }) } }
  },
})

/** For whoever looks at it first. Without them the episode is as ready: they are signed when somebody asks. */
async function linksTo(linked: Linked, attempt: EpisodeAttempt, { objects }: Tools): Promise<KeptLinks | undefined> {
  try {
    return await signLinks(objects, linked, attempt.nowMs())
  } catch (error) {
    log('WARNING', 'links.not_kept', { episodeId: attempt.workflow.id, error: errorFields(error) })
    return undefined
  }
}
