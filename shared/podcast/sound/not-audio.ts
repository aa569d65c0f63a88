/** What could not be read as audio. */
export class NotAudioError extends Error {
  override readonly name = 'NotAudioError'
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
