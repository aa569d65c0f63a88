/** What could not be read as audio. */
export class NotAudioError extends Error {
  override readonly name: string = 'NotAudioError'
}

/** Perhaps audio, but not of a length that can be measured in the time and the memory that one recording may take. */
export class NotMeasuredError extends NotAudioError {
  override readonly name = 'NotMeasuredError'
}

/** What was read; undefined for what could not be read as audio. */
export async function unlessNotAudio<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof NotAudioError) return undefined
    throw error
  }
}
