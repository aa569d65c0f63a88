import { durationSeconds } from '../sound/duration.ts'
import { secondsPackedMax } from '../sound/plausible-length.ts'
import type { Tools } from '../tools.ts'
import { recordingOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'

/** Those of others may be measured first, each within its own limit. */
const IN_LINE_MS_MAX = 240_000

/**
 * The length of the recording in seconds, as the file says it, or as counting its frames does, and no longer than its
 * bytes can be. Reads to the end a file that does not say: three hours of mp3, 172 MB, take 0.2 s of processor time.
 * @throws NotAudioError
 */
export async function measureRecording(attempt: EpisodeAttempt, { objects }: Pick<Tools, 'objects'>): Promise<number> {
  const { key, contentType, sizeBytes } = recordingOf(attempt)
  const { signal, workflow, call } = attempt
  const about = { contentType, sizeBytes, userId: workflow.userId }
  const measured = call.progress?.expectQuiet(IN_LINE_MS_MAX)
  try {
    const seconds = await durationSeconds(await objects.readStream(key), about, { signal })
    return Math.min(seconds, secondsPackedMax(sizeBytes ?? Infinity))
  } finally {
    measured?.()
  }
}
