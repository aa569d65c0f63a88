import { describe, expect, test } from 'vitest'

import { recordingType } from '../../../../shared/podcast/sound/recording-types.ts'

describe('the type of a recording', () => {
  test.each([
    ['audio/mpeg', 'audio/mpeg'],
    [' Audio/OGG ; codecs=opus', 'audio/ogg'],
    ['video/quicktime', 'video/quicktime'],
    [undefined, 'application/octet-stream'],
  ])('%j is stored as %s', (sent, stored) => {
    expect(recordingType(sent)).toBe(stored)
  })

  test.each([
    'text/html',
    'image/svg+xml',
    'a/b;\0',
    '',
    'audio',
    'audio/',
    'audio/mpegurl',
    'application/dash+xml',
    'audio/x-scpls',
    'constructor',
  ])('is not %j', (sent) => {
    expect(() => recordingType(sent)).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })
})
