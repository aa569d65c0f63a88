/** What could not be read as audio. */
export class NotAudioError extends Error {
  override readonly name = 'NotAudioError'
}
