/* What providers answer about very long recordings, as bytes: made once, and as large as theirs are. */

/** A day of speech, and quickly. */
export const LONG_WORDS = 200_000

const textOf = (index: number) => `word${index % 977}${index % 12 === 11 ? '.' : ''}`
const spoken = () => Array.from({ length: LONG_WORDS }, (_, index) => textOf(index))

/** A finished job of AssemblyAI, which says each word twice: once more under who said it. */
export function longJob(): Buffer {
  const words = spoken().map((text, index) => ({
    text,
    start: index * 400,
    end: index * 400 + 350,
    confidence: 0.98,
    speaker: index % 40 < 20 ? 'A' : 'B',
  }))
  const said = { text: words.map(({ text }) => text).join(' '), words, utterances: [{ speaker: 'A', words }] }
  return Buffer.from(
    JSON.stringify({
      id: 't1',
      status: 'completed',
      audio_url: 'https://s.example/a',
      audio_duration: LONG_WORDS * 0.4,
      language_code: 'en_us',
      ...said,
    }),
  )
}

/** An answer of Scribe, which has a space between any two words. */
export function longScribe(): Buffer {
  const words = spoken().flatMap((text, index) => [
    {
      text,
      start: index * 0.4,
      end: index * 0.4 + 0.35,
      type: 'word',
      speaker_id: `speaker_${index % 2}`,
      logprob: -0.0123,
    },
    { text: ' ', start: index * 0.4 + 0.35, end: index * 0.4 + 0.4, type: 'spacing', speaker_id: 'speaker_0' },
  ])
  const text = spoken().join(' ')
  return Buffer.from(JSON.stringify({ language_code: 'eng', text, audio_duration_secs: LONG_WORDS * 0.4, words }))
}
