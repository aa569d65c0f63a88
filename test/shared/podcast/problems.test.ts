import { expect, test } from 'vitest'

import { UnsupportedRecordingType } from '../../../shared/podcast/errors.ts'
import * as problems from '../../../shared/podcast/problems.ts'
import { recordingType } from '../../../shared/podcast/sound/recording-types.ts'

const WORDS = Object.values(problems).flatMap((one) => (typeof one === 'string' ? [] : [one]))

test('nobody whose episode has ended is told to do what is refused then', () => {
  expect(WORDS.length).toBeGreaterThan(6)
  // An upload is taken in a draft alone, and a recording that was processed stays.
  for (const { message } of WORDS) expect(message).not.toMatch(/\bupload|change the recording/i)
})

test('whoever sent no audio is told the same formats, before and after it was processed, and each is taken', () => {
  const before = /such as (.*)\.$/.exec(new UnsupportedRecordingType().message)?.[1] ?? ''
  const after = /recording as (.*)\.$/.exec(problems.NOT_AUDIO.message)?.[1] ?? ''
  expect(after).toBe(before)
  const formats = before.split(/, | or /)
  expect(formats).toEqual(['mp3', 'm4a', 'wav', 'flac', 'ogg', 'webm', 'mp4'])
  for (const format of formats) expect(recordingType(`audio/${format}`)).toBe(`audio/${format}`)
})
