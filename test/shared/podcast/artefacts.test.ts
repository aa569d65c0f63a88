import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { artefactKey, episodePrefix, outputKeys } from '../../../shared/podcast/artefacts.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'

const ARTEFACTS = PIPELINE.flatMap(({ stores }) => stores)
const ID = fc.stringMatching(/^[0-9a-f]{24}$/)
const PLACE = fc.tuple(ID, fc.nat(), fc.constantFrom(...ARTEFACTS))

describe('an episode', () => {
  test('has no artefact that two steps store', () => {
    expect(ARTEFACTS).toContain('transcript.json')
    expect(new Set(ARTEFACTS).size).toBe(ARTEFACTS.length)
  })

  test('has one name for each artefact of a generation, which no other has', () => {
    fc.assert(
      fc.property(PLACE, PLACE, (one, other) => {
        const same = one.every((part, index) => part === other[index])
        expect(artefactKey(...one) === artefactKey(...other)).toBe(same)
        expect(artefactKey(...one).startsWith(episodePrefix(one[0]))).toBe(true)
      }),
    )
  })

  test('names its outputs as what made them did', () => {
    const keyOf = (artefact: string) => artefactKey('0'.repeat(24), 3, artefact)
    expect(Object.values(outputKeys(keyOf))).toEqual(
      ['episode.mp3', 'episode.json', 'episode.vtt', 'episode.srt'].map((name) => keyOf(name)),
    )
  })
})
