import { inChild } from '../../../shared/resilience/in-child.ts'
import type { SpeechJob } from './speech-child.ts'

const RUN_TIMEOUT_MS = 60_000

/** Runs eSpeak NG in a process of its own. @returns what it wrote to `output`, a wav */
export function speak(job: SpeechJob): Promise<Uint8Array> {
  const limits = { timeMs: RUN_TIMEOUT_MS, signal: new AbortController().signal }
  return inChild<Uint8Array>(new URL('./speech-child.ts', import.meta.url), job, limits)
}
