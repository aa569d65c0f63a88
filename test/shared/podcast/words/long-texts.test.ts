import { describe, expect, test } from 'vitest'

import { isDamaged } from '../../../../shared/podcast/parse-artefact.ts'
import { makeOfTranscript, readTranscriptByHand } from '../../../../shared/podcast/words/long-texts.ts'
import { prepareHandTranscript } from '../../../../shared/podcast/words/prepare-hand-transcript.ts'
import { Notes } from '../../../../shared/podcast/words/notes.ts'

const { signal } = new AbortController()
const LINES = 4000
const clock = (index: number) =>
  `${String(Math.floor(index / 3600)).padStart(2, '0')}:${String(Math.floor(index / 60) % 60).padStart(2, '0')}:${String(index % 60).padStart(2, '0')}.000`
const LONG = Array.from(
  { length: LINES },
  (_, index) => `${clock(index)} --> ${clock(index + 1)}\n<v Ann>Line ${index} &amp; more`,
).join('\n\n')

/** Work on a long text, and how often others came to their turn meanwhile. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0
  const counting = setInterval(() => turns++, 1)
  await work.finally(() => clearInterval(counting))
  return turns
}

describe('a long text', () => {
  test('is read as a short one is, while others come to their turn', async () => {
    const body = Buffer.from(`WEBVTT\n\n${LONG}\n`)
    const reading = readTranscriptByHand({ contentType: 'text/vtt', body }, 'ann', signal)
    expect(await turnsDuring(reading)).toBeGreaterThan(5)
    expect(await reading).toEqual(prepareHandTranscript('text/vtt', body))
  })

  test('that is wrong somewhere is refused with the place', async () => {
    const body = Buffer.from(`WEBVTT\n\n${LONG}\n\n00:00 --> x\nwrong\n`)
    await expect(readTranscriptByHand({ contentType: 'text/vtt', body }, 'ann', signal)).rejects.toMatchObject({
      kind: 'invalid',
      details: { issues: [{ path: `line ${3 * LINES + 3}` }] },
    })
  })

  test('of a type that nobody reads is not read', async () => {
    const reading = readTranscriptByHand(
      { contentType: 'application/pdf', body: Buffer.alloc(1_000_000) },
      'ann',
      signal,
    )
    await expect(reading).rejects.toMatchObject({ kind: 'unsupported' })
  })

  test('is left when whoever asked has gone', async () => {
    const gone = new AbortController()
    const reading = readTranscriptByHand(
      { contentType: 'text/plain', body: Buffer.from('word '.repeat(100_000)) },
      'ann',
      gone.signal,
    )
    gone.abort(new Error('gone'))
    await expect(reading).rejects.toThrow('gone')
  })

  test('makes show notes that can be read, even of one word without an end', async () => {
    const word = 'w'.repeat(400_000)
    const transcript = {
      language: 'en',
      durationSeconds: 11,
      text: word,
      words: [{ text: word, startMs: 0, endMs: 9 }],
    }
    const task = { make: 'notes', text: JSON.stringify(transcript), givenTitle: undefined } as const
    expect(Notes.safeParse(await makeOfTranscript(task, 'ann', signal)).success).toBe(true)
  })
})

/** As many words as a transcript by hand may have, each under the longest name that a speaker may have. */
const MOST_WORDS = 250_000
const SPOKEN = Array.from({ length: MOST_WORDS }, (_, index) => `word${index % 977}`)
const PASSAGES = {
  'in one passage': [{ text: SPOKEN.join(' '), speaker: 'Ann'.padEnd(60, 'n') }],
  'in as many passages as there may be': SPOKEN.slice(0, 200_000).map((text) => ({ text })),
}

describe.each(Object.entries(PASSAGES))('the longest transcript by hand, %s,', (_how, passages) => {
  const hand = JSON.stringify({ schemaVersion: 1, timed: false, passages })
  const task = { make: 'transcript', text: hand, durationSeconds: 80_000, language: 'en' } as const
  const count = Math.max(passages.length, passages[0]?.text.split(' ').length ?? 0)

  test('is laid over its recording, and becomes notes and captions, while others come to their turn', async () => {
    const making = makeOfTranscript(task, 'ann', signal)
    const turns = [await turnsDuring(making)]
    const made = await making
    if (isDamaged(made)) throw new Error('it cannot be read')
    expect(made.wordCount).toBe(count)
    for (const next of [
      { make: 'material', text: made.json },
      { make: 'notes', text: made.json, givenTitle: undefined },
      { make: 'outputs', text: made.json, introMs: 1000 },
    ] as const) {
      const working = makeOfTranscript(next, 'ann', signal)
      turns.push(await turnsDuring(working))
      expect(isDamaged(await working)).toBe(false)
    }
    expect(Math.min(...turns)).toBeGreaterThan(5)
  })
})

test('a stored transcript that cannot be read is told of, however long it is', async () => {
  for (const text of ['[]', JSON.stringify({ text: 'w'.repeat(2_000_000), words: [0] })]) {
    const made = await makeOfTranscript({ make: 'outputs', text, introMs: 0 }, 'ann', signal)
    expect(isDamaged(made) && made.damaged.length).toBeGreaterThan(0)
  }
})
