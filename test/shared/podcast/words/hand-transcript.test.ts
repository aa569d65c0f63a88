import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { HandTranscript, transcriptFrom } from '../../../../shared/podcast/words/hand-transcript.ts'
import { readHandTranscript } from '../../../../shared/podcast/words/read-hand-transcript.ts'
import { toSrt, toVtt, Transcript } from '../../../../shared/podcast/words/transcript.ts'

const read = (contentType: string, text: string) => readHandTranscript(contentType, Buffer.from(text))

describe('a transcript by hand', () => {
  test('may be plain text, whose times are estimated from the lengths of its words', () => {
    const hand = read('text/plain; charset=utf-8', '\uFEFFHello there.\r\n\r\nSecond   paragraph,\nof two lines.')
    expect(hand).toEqual({
      schemaVersion: 1,
      timed: false,
      passages: [{ text: 'Hello there.' }, { text: 'Second paragraph, of two lines.' }],
    })
    const { words, estimated, text } = transcriptFrom(hand, 10, 'en')
    expect([estimated, text]).toEqual([true, 'Hello there. Second paragraph, of two lines.'])
    expect(words[0]).toEqual({ text: 'Hello', startMs: 0, endMs: 1333 })
    expect(words.at(-1)?.endMs).toBe(10_000)
  })

  test('may be WebVTT, with voices, tags, escapes, notes and settings', () => {
    const vtt = `WEBVTT - a title\n\nNOTE not spoken\n\nSTYLE\n::cue{}\n\nintro\n00:01.000 --> 00:02.500 align:start\n<v.loud Ann>Hi &amp; <i>welcome</i>\n\n01:00:00.000 --> 01:00:01.000\nbye\n`
    expect(read('text/vtt', vtt).passages).toEqual([
      { text: 'Hi & welcome', startMs: 1000, endMs: 2500, speaker: 'Ann' },
      { text: 'bye', startMs: 3_600_000, endMs: 3_601_000 },
    ])
  })

  test('may be SubRip, as programs really write it', () => {
    const srt = '1\n0:00:01,5 --> 00:00:02,75\nHello\nthere\n\n2\n00:00:03,000 --> 00:00:04,000\n<b>bold</b>\n'
    expect(read('application/x-subrip', srt).passages).toEqual([
      { text: 'Hello there', startMs: 1500, endMs: 2750 },
      { text: 'bold', startMs: 3000, endMs: 4000 },
    ])
  })

  test('may be WebVTT with whatever programs put around the captions', () => {
    const vtt = [
      'WEBVTT\tKind',
      'Kind: captions',
      'Language: en',
      'X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000',
      '',
      'REGION',
      'id:fred',
      'width:40%',
      '',
      'NOTE a note --- with dashes',
      'of two lines',
      '',
      '00:01.000 --> 00:02.000 region:fred line:0 nonsense:%%',
      'It&#39;s &quot;here&quot; &eacute;',
      '00:02.000 --> 00:03.000',
      'right behind it, We <3 you and List<String>, <00:00:02.500><c.yellow>timed</c>',
    ].join('\n')
    expect(read('text/vtt', vtt).passages).toEqual([
      { text: 'It\'s "here" é', startMs: 1000, endMs: 2000 },
      { text: 'right behind it, We <3 you and List<String>, timed', startMs: 2000, endMs: 3000 },
    ])
  })

  test('gives every voice of a caption its own words', () => {
    const vtt = 'WEBVTT\n\n00:00.000 --> 00:02.000\n<v Ann>Hello.</v>\n<v.loud Bob &amp; Co>Hello!</v>\n'
    expect(read('text/vtt', vtt).passages).toEqual([
      { text: 'Hello.', speaker: 'Ann', startMs: 0, endMs: 1000 },
      { text: 'Hello!', speaker: 'Bob & Co', startMs: 1000, endMs: 2000 },
    ])
  })

  test('may be SubRip whose empty lines have spaces, stand within captions, or are missing', () => {
    const srt =
      '1\n00:00:01,000 --> 00:00:02,000\nOne\n \t\n2\n00:00:02,000 --> 00:00:03,000 X1:1 X2:2\n{\\an8}Two\n\nstill two\n3\n00:00:03.000 --> 00:00:04.000\n<font color="#fff">1999</font>\n'
    expect(read('application/x-subrip', srt).passages.map(({ text }) => text)).toEqual(['One', 'Two still two', '1999'])
  })

  test('may be the JSON of the podcast namespace', () => {
    const segments = [{ speaker: 'Ann', startTime: 0.5, endTime: 0.75, body: 'And' }]
    expect(read('application/json', JSON.stringify({ version: '1.0.0', segments }))).toMatchObject({
      timed: true,
      passages: [{ text: 'And', speaker: 'Ann', startMs: 500, endMs: 750 }],
    })
  })

  test('names its speakers in short: their names are written beside each word', () => {
    const long = `Ann${'n'.repeat(100_000)}`
    const segments = [{ speaker: long, startTime: 0, endTime: 9, body: 'one two' }]
    const words = [{ speaker: long, startMs: 0, endMs: 9, text: 'one' }]
    const files = {
      'application/json': [JSON.stringify({ segments }), JSON.stringify({ words })],
      'text/vtt': [`WEBVTT\n\n00:01.000 --> 00:02.500\n<v ${long.slice(0, 900)}>one\n`],
    }
    for (const [type, texts] of Object.entries(files))
      for (const text of texts) {
        const { speaker = '' } = read(type, text).passages[0] ?? {}
        expect(speaker).toMatch(/^Ann+$/)
        expect(speaker.length).toBeLessThanOrEqual(60)
      }
  })

  test('may be our own JSON, as it was or corrected, or only its text', () => {
    const ours = { language: 'en', words: [{ text: 'Hi', startMs: 0, endMs: 500, speaker: 'A' }] }
    expect(read('application/json', JSON.stringify(ours))).toMatchObject({ timed: true, passages: ours.words })
    expect(read('application/json', '{"text":"Only words"}')).toMatchObject({
      timed: false,
      passages: [{ text: 'Only words' }],
    })
  })

  test.each([
    ['text/vtt', 'no signature', /signature/i],
    ['text/vtt', 'WEBVTT\n\n00:99.000 --> 00:02.000\nx', /Line 3/],
    ['text/vtt', 'WEBVTT\n\n00:05.000 --> 00:02.000\nx', /Line 3/],
    ['application/x-subrip', '1\n00:00:01 -> 00:00:02\nx', /Line/],
    ['application/json', '{"words":[{"text":"x"}]}', /neither words with times nor a text/],
    ['application/json', '[', /not valid JSON/],
    ['text/plain', '\u0000\u0001\u0002', /not plain text/],
    ['text/plain', ' \n\u200B\n ', /no words/],
    ['text/plain', '\uFEFFWEBVTT - a title\r\n\r\n00:01.000 --> 00:02.000\r\nx', /WebVTT.* Content-Type: text\/vtt$/],
    ['text/plain', 'WEBVTT', /Content-Type: text\/vtt$/],
    ['text/plain', '1\n00:00:01,000 --> 00:00:02,000\nx', /SubRip.* Content-Type: application\/x-subrip$/],
    ['text/plain', '\n\n0:00:01,5 --> 0:00:02\nx', /Content-Type: application\/x-subrip$/],
    ['text/vtt', '1\n00:00:01,000 --> 00:00:02,000\nx', /Content-Type: application\/x-subrip$/],
    ['application/x-subrip', 'WEBVTT\n\n00:01.000 --> 00:02.000\nx', /Content-Type: text\/vtt$/],
    ['application/json', 'WEBVTT\n\n00:01.000 --> 00:02.000\nx', /Content-Type: text\/vtt$/],
  ])('of type %s is refused when it is wrong: %j', async (type, text, words) => {
    await expect(async () => read(type, text)).rejects.toMatchObject({
      kind: 'invalid',
      technical: expect.stringMatching(words) as string,
    })
  })

  test('may speak of captions without being any', () => {
    for (const text of ['WEBVTTs are files.', 'From here --> to there', 'At 00:01 --> we began', '"WEBVTT" it says'])
      expect(read('text/plain', text).passages).toEqual([{ text }])
  })

  test('tells its owner what is wrong, and of what there may be how much', async () => {
    await expect(async () => read('text/plain', 'a '.repeat(250_001))).rejects.toMatchObject({
      message: 'This transcript cannot be read. It has more than 250,000 words.',
    })
  })

  test.each(['text/plain', 'text/vtt', 'application/x-subrip', 'application/json'])(
    'of type %s is refused before it is taken apart when it has a million lines',
    async (type) => {
      const lines = ' \n'.repeat(1_000_000)
      await expect(async () => read(type, lines)).rejects.toMatchObject({
        technical: 'It has more than 1,000,000 lines',
      })
      await expect(async () => read(type, lines.slice(2))).rejects.not.toMatchObject({
        technical: expect.stringMatching('lines$') as string,
      })
    },
  )

  test('is refused when it has more words than a day has time for', async () => {
    expect(read('text/plain', 'a '.repeat(250_000)).passages).toHaveLength(1)
    const words = 'It has more than 250,000 words'
    await expect(async () => read('text/plain', 'a '.repeat(250_001))).rejects.toMatchObject({ technical: words })
    const lines = 'a b\n\n'.repeat(125_001)
    await expect(async () => read('text/plain', lines)).rejects.toMatchObject({ technical: words })
  })

  test('is refused when it is no text, or of a type nobody reads', async () => {
    await expect(async () => readHandTranscript('text/plain', Buffer.from([0xff, 0xfe, 0x41]))).rejects.toMatchObject({
      technical: 'It is not text in UTF-8',
    })
    for (const type of ['', 'application/pdf', 'constructor'])
      await expect(async () => read(type, 'x')).rejects.toMatchObject({ kind: 'unsupported' })
  })

  test('whatever its times, lies inside the recording, in order, word by word', () => {
    const passage = fc.record({
      text: fc.stringMatching(/^[a-z]{1,8}( [a-z]{1,8}){0,5}$/),
      startMs: fc.nat(20_000),
      lengthMs: fc.nat(5000),
    })
    fc.assert(
      fc.property(
        fc.array(passage, { minLength: 1 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 15 }),
        (some, timed, seconds) => {
          const passages = some
            .toSorted((a, b) => a.startMs - b.startMs)
            .map(({ text, startMs, lengthMs }) => (timed ? { text, startMs, endMs: startMs + lengthMs } : { text }))
          const hand = HandTranscript.parse({ schemaVersion: 1, timed, passages })
          const transcript = Transcript.parse(transcriptFrom(hand, seconds, 'en'))
          expect(transcript.words.map(({ text }) => text)).toEqual(
            some.toSorted((a, b) => a.startMs - b.startMs).flatMap(({ text }) => text.split(' ')),
          )
          for (const { startMs, endMs } of transcript.words) {
            expect(startMs).toBeLessThanOrEqual(endMs)
            expect(endMs).toBeLessThanOrEqual(seconds * 1000)
          }
          expect(toVtt(transcript.words)).not.toContain('NaN')
          expect(toSrt(transcript.words)).not.toContain('NaN')
        },
      ),
    )
  })
})
