import { createHash } from 'node:crypto'

/** Everything of one episode lies under this prefix. */
export function episodePrefix(episodeId: string): string {
  return `episodes/${episodeId}/`
}

/** An upload gets a name of its own, so that a signed URL can be create-once and a second upload replaces nothing. */
export function sourceKey(episodeId: string, uploadId: string): string {
  return `${episodePrefix(episodeId)}source/${uploadId}`
}

/** A transcript by hand; a corrected one has a name of its own. */
export function handTranscriptKey(episodeId: string, uploadId: string): string {
  return `${episodePrefix(episodeId)}by-hand/${uploadId}.json`
}

/**
 * What was spoken for a person, for all their episodes; removed with the one that it was made for, or when there is much
 * that is newer.
 * @param hash of what was spoken, and how
 */
export function cachedVoiceKey(userId: string, hash: string, episodeId: string): string {
  return `${cachedVoicesPrefix(userId, hash)}${episodeId}.mp3`
}

/** The same words in the same voice lie under this prefix, whichever episode they were made for. */
export function cachedVoicesPrefix(userId: string, hash: string): string {
  return `${cachedVoicePrefix(userId)}${hash}.`
}

/** Whether a cached voice was made for an episode. */
export function isVoiceOf(episodeId: string, key: string): boolean {
  return key.endsWith(`.${episodeId}.mp3`)
}

/** All that was spoken for one person lies under this prefix. */
export function cachedVoicePrefix(userId: string): string {
  return `cache/voice/${createHash('sha256').update(userId).digest('hex').slice(0, 40)}/`
}

/** The one name of each artefact that a generation makes; the step that stores it says which. */
export function artefactKey(episodeId: string, generation: number, artefact: string): string {
  return `${episodePrefix(episodeId)}g${generation}/${artefact}`
}

/** The artefacts that a finished episode consists of. */
export const OUTPUTS = ['episode.mp3', 'episode.json', 'episode.vtt', 'episode.srt'] as const

/** Their names, by what the episode's result calls them. */
export function outputKeys(keyOf: (artefact: (typeof OUTPUTS)[number]) => string) {
  return {
    audioKey: keyOf('episode.mp3'),
    transcriptKey: keyOf('episode.json'),
    vttKey: keyOf('episode.vtt'),
    srtKey: keyOf('episode.srt'),
  }
}
