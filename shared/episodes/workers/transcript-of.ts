import { Transcript } from '../transcript.ts'
import type { Work } from './work.ts'

/** The stored transcript of the recording. */
export async function transcriptOf(work: Work): Promise<Transcript> {
  const key = work.episode.results.transcribe?.transcriptKey
  const text = key === undefined ? undefined : await work.dependencies.objects.readText(key)
  if (text === undefined) throw new Error('the transcript is not in storage')
  return Transcript.parse(JSON.parse(text))
}
