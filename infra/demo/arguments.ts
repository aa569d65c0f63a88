import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import type { ProviderName } from '../../shared/providers/providers.ts'
import { CommandRefused, readWords } from '../command-line.ts'
import { checkFunctionSettings, chooseFirestore } from '../local/start-options.ts'

/** What is to be shown, checked before anything starts. */
export type Asked = {
  /** The recording, absolute. */
  readonly path: string
  readonly firestore: string
  /** Providers that are down for all of it. */
  readonly outage: readonly ProviderName[]
  /** What is handed in as the transcript: a file, or words. Undefined: somebody transcribes. */
  readonly byHand: { readonly file: string } | { readonly words: string } | undefined
}

const AWAY = [...PROVIDER_NAMES, 'all']

export const USAGE = `Usage: npm run demo [-- FILE] [--outage=${AWAY.join('|')}, or several with commas] [--firestore=official]
Makes an episode of one recording on this machine, and leaves it in .steadycast/demo/.
  FILE                       a wav, mp3, m4a, flac or ogg; the clip that ships if none is named
  --outage                   providers that are down. When everybody who transcribes is, the words of FILE must lie
                             beside it as a .txt (talk.mp3, talk.txt): they are handed in by hand
  --firestore=official       runs on Google's own emulator (FIRESTORE_EMULATOR_HOST: on one that runs already)`

/** The clip that ships. */
export const FIXTURE = fileURLToPath(new URL('../../test/fixtures/speech.flac', import.meta.url))
/** What is said in the fixture, as its owner would type it. */
const FIXTURE_WORDS =
  'And so, my fellow Americans: ask not what your country can do for you. Ask what you can do for your country.'

/**
 * @param words of the command line, without the program and its script
 * @param folder that paths are relative to
 * @throws CommandRefused in one line when it cannot be done
 */
export function readArguments(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  folder: string,
): Asked {
  const options = { firestore: { type: 'string' }, outage: { type: 'string' } } as const
  const { positionals, values } = readWords(words, options, { allowPositionals: true })
  const [named, ...more] = positionals
  if (more.length > 0) throw new CommandRefused(`One recording at a time: ${more.join(' ')} is one too many.`)
  const firestore = chooseFirestore(values.firestore, environment)
  const outage = readOutage(values.outage)
  const { transcribers } = checkFunctionSettings(environment).providerOrder
  const isUnheard = transcribers.every((name) => outage.includes(name))
  if (named === undefined)
    return { path: FIXTURE, firestore, outage, byHand: isUnheard ? { words: FIXTURE_WORDS } : undefined }
  const path = resolve(folder, named)
  requireFile(path, { absent: `There is no file ${named}.`, other: `${named} is not a file. Name a recording.` })
  return { path, firestore, outage, byHand: isUnheard ? findWords(named, folder, transcribers) : undefined }
}

function readOutage(text: string | undefined): readonly ProviderName[] {
  const away = text?.split(',').map((name) => name.trim()) ?? []
  const stranger = away.find((name) => !AWAY.includes(name))
  if (stranger !== undefined)
    throw new CommandRefused(
      `--outage: expected ${AWAY.join(', ')}; there is no ${stranger || 'provider without a name'}`,
    )
  return PROVIDER_NAMES.filter((name) => away.includes('all') || away.includes(name))
}

/** The words that lie beside a recording, as a .txt. */
function findWords(named: string, folder: string, transcribers: readonly string[]): { readonly file: string } {
  const beside = `${named.replace(/\.[^./\\]*$/, '')}.txt`
  const file = resolve(folder, beside)
  const why = `with ${transcribers.join(' and ')} down somebody must type: put the words of the recording there.`
  requireFile(file, { absent: `There is no ${beside}; ${why}`, other: `${beside} is not a file; ${why}` })
  return { file }
}

function requireFile(path: string, words: { readonly absent: string; readonly other: string }): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new CommandRefused(words.absent)
  if (!found.isFile()) throw new CommandRefused(words.other)
}
