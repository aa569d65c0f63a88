import type { Readable } from 'node:stream'

import { id3Tag, stripId3 } from '../../audio/id3.ts'
import { artefactKey, outputKeys } from '../artefacts.ts'
import type { Artefact } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import { shiftChapters } from '../notes.ts'
import { shiftTranscript, toSrt, toVtt } from '../transcript.ts'
import { transcriptOf } from './transcript-of.ts'
import type { StepWork, Work } from './work.ts'

/** The durable outputs: the mastered audio with its tags, the transcript and captions on the episode's own clock. */
export const finish: StepWork = { run: outputs }

async function outputs(work: Work): Promise<Outcome> {
  const { objects } = work.dependencies
  const { id, generation, results, language } = work.episode
  const { master, write } = results
  if (master === undefined || write === undefined) throw new Error('finishing before mastering and writing')
  const keyOf = (artefact: Artefact): string => artefactKey(id, generation, artefact)
  const files = outputKeys(keyOf)
  const tag = await id3Tag({
    title: write.notes.title,
    description: write.notes.description,
    language,
    durationSeconds: master.durationSeconds,
    chapters: shiftChapters(write.notes.chapters, master.introSeconds),
  })
  const transcript = shiftTranscript(await transcriptOf(work), Math.round(master.introSeconds * 1000))
  const tagged = (await objects.readStream(master.audioKey)).compose(stripId3(tag))
  const store = (key: string, content: Readable | string, contentType: string) =>
    objects.create(key, content, contentType, work.signal)
  await Promise.all([
    store(files.audioKey, tagged, 'audio/mpeg'),
    store(files.transcriptKey, JSON.stringify(transcript), 'application/json'),
    store(files.vttKey, toVtt(transcript.words), 'text/vtt; charset=utf-8'),
    store(files.srtKey, toSrt(transcript.words), 'application/x-subrip; charset=utf-8'),
  ])
  return { kind: 'done', results: { finish: files } }
}
