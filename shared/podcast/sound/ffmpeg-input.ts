import { join } from 'node:path'

import { readContainer } from './container.ts'
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

/** Arguments that have ffmpeg join mp3s, which a list of ours names; it opens nothing else. */
export function joinArgs(list: string): string[] {
  return [...readAs('concat', ['mp3']), '-i', list]
}

/** @throws NotAudioError */
export async function requireMp3(folder: string, input: string): Promise<void> {
  if ((await readContainer(join(folder, input))) !== 'mp3') throw new NotAudioError('no mp3')
}

function readAs(format: Container | 'concat', within: readonly Container[] = []): string[] {
  return ['-protocol_whitelist', 'file', '-format_whitelist', [format, ...within].join(','), '-f', format]
}
