import { describe, expect, test } from 'vitest'

import { readTranscriptByHand, notesFromTranscript } from '../../../../shared/podcast/words/long-texts.ts'
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
    const text = 'w'.repeat(60_000)
    const transcript = { language: 'en', durationSeconds: 11, text, words: [{ text, startMs: 0, endMs: 11_000 }] }
    expect(Notes.safeParse(await notesFromTranscript(transcript, undefined, 'ann', signal)).success).toBe(true)
  })
})
