import { EpisodeStatus } from './episode.ts'
import { TITLE_DEFAULT } from './defaults.ts'
import { PIPELINE } from './pipeline.ts'

/*
 * What an episode can be without when its document is damaged. Nothing here is ever written: what is damaged stays as
 * it is until a write replaces it.
 */

type Substituted = { readonly name: string; readonly substitutes?: Readonly<Record<string, unknown>> }

/** What stands for fields that must be there, and whose loss changes nothing that matters. */
const SUBSTITUTES = {
  schemaVersion: 0,
  title: TITLE_DEFAULT,
  options: {},
  results: {},
  'audio.key': '',
  'audio.contentType': 'application/octet-stream',
  // So that what was kept of them is still found when the episode is deleted.
  ...Object.fromEntries(PIPELINE.flatMap(substitutesOf)),
}

function substitutesOf({ name, substitutes = {} }: Substituted): [path: string, value: unknown][] {
  return Object.entries(substitutes).map(([path, value]) => [`results.${name}.${path}`, value])
}

/** Without a whole step nobody knows where an episode stands; and what is being deleted must not come back. */
function mayGo(path: readonly PropertyKey[]): boolean {
  const [field, name] = path
  if (field === 'deletedAtMs') return false
  return field !== 'steps' || (path.length > 2 && name !== undefined)
}

/** For everybody who works with an episode. */
export const READING = { substitutes: SUBSTITUTES, mayGo }

/**
 * For its removal, which must be possible whatever it has become.
 * @param id of its document
 * @param stored what its document has
 */
export function readingToRemove(id: string, stored: Readonly<Record<string, unknown>>) {
  const substitutes = {
    ...SUBSTITUTES,
    id,
    userId: '',
    language: '',
    generation: 0,
    steps: {},
    status: lastStatus(stored['history']),
    createdAtMs: 0,
    updatedAtMs: 0,
  }
  return { substitutes }
}

/** What its history says last of where it stood. */
function lastStatus(history: unknown): EpisodeStatus {
  const entries: unknown[] = Array.isArray(history) ? history : []
  const told = entries.findLast((entry) => isMap(entry) && entry['what'] === 'episode')
  const to = isMap(told) ? told['to'] : undefined
  return EpisodeStatus.safeParse(to).data ?? 'error'
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
