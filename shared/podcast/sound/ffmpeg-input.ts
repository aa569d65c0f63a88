import { join } from 'node:path'

import { beginsWithFrame, readContainer } from './container.ts'
import type { Container } from './container.ts'
import { NotAudioError } from './not-audio.ts'

/** Pictures, subtitles and data of a recording are not read. */
const SOUND_ONLY = ['-vn', '-sn', '-dn']

/**
 * Arguments with which ffmpeg reads a file of `folder` as what its first bytes say. ffmpeg must not guess: what it takes
 * for a playlist makes it open other files, or addresses. @throws NotAudioError
 */
export async function inputArgs(folder: string, input: string): Promise<string[]> {
  const container = await readContainer(join(folder, input))
  if (container === undefined) throw new NotAudioError('no recording of a known kind')
  return [...readAs(container), ...SOUND_ONLY, '-i', input]
}

/**
 * Arguments that have ffmpeg join mp3s, which a list of ours names. It guesses what each of them is, and may take one for
 * a list in its turn: only what `requireFrames` lets pass may be in it.
 */
export function joinArgs(list: string): string[] {
  return [...readAs('concat', ['mp3']), '-i', list]
}

/** @throws NotAudioError for a file that does not begin with a frame of an mp3, behind its tags */
export async function requireFrames(folder: string, input: string): Promise<void> {
  if (!(await beginsWithFrame(join(folder, input)))) throw new NotAudioError('no mp3')
}

function readAs(format: Container | 'concat', within: readonly Container[] = []): string[] {
  return ['-protocol_whitelist', 'file', '-format_whitelist', [format, ...within].join(','), '-f', format]
}
