import type { Attempt } from '../engine/attempt.ts'
import type { PortLists } from './ports.ts'
import type { NotesCache, Objects } from './storage.ts'

/** What steps use of the world. */
export type Tools = PortLists & {
  readonly objects: Objects
  readonly notesCache: NotesCache
  /** Where a provider calls back about an episode's job. */
  readonly webhookUrl: (provider: string, episodeId: string) => string
  /** How soon a job is asked for although its provider said it would call, in ms. */
  readonly safetyPollMs: number
  /** The ffmpeg to run; undefined: the one on PATH, else the one in the package. */
  readonly ffmpegPath: string | undefined
}

/** The provider that an attempt is to ask. */
export function providerOf<P extends { readonly name: string }>(
  providers: readonly P[],
  { name, provider }: Pick<Attempt, 'name' | 'provider'>,
): P {
  const found = providers.find((one) => one.name === provider)
  if (found === undefined) throw new Error(`${name} has no provider called ${provider ?? '(none)'}`)
  return found
}

const POLL_ALONE_MS = { first: 2_000, cap: 20_000 }
const POLL_GROWTH = 1.4
const POLL_SAFETY_CAP = 3

/** When to ask for a job next: soon where nobody will tell us, seldom where a webhook will and the poll is the safety net. */
export function nextPollMs(polls: number, { callsBack }: { callsBack: boolean }, safetyPollMs: number): number {
  const [firstMs, capMs] = callsBack
    ? [safetyPollMs, safetyPollMs * POLL_SAFETY_CAP]
    : [POLL_ALONE_MS.first, POLL_ALONE_MS.cap]
  return Math.min(capMs, firstMs * POLL_GROWTH ** Math.min(polls, 50))
}
