import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { artefactKey, episodePrefix, outputKeys } from '../../../shared/podcast/artefacts.ts'
import type { Artefact } from '../../../shared/podcast/artefacts.ts'

const ARTEFACTS: Artefact[] = [
  'transcript.json',
  'notes.json',
  'intro.mp3',
  'mastered.mp3',
  'episode.mp3',
  'episode.json',
  'episode.vtt',
  'episode.srt',
]
const ID = fc.stringMatching(/^[0-9a-f]{24}$/)
const PLACE = fc.tuple(ID, fc.nat(), fc.constantFrom(...ARTEFACTS))

describe('an episode', () => {
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
    const keyOf = (artefact: Artefact) => artefactKey('0'.repeat(24), 3, artefact)
    expect(Object.values(outputKeys(keyOf))).toEqual(
      ['episode.mp3', 'episode.json', 'episode.vtt', 'episode.srt'].map((name) => keyOf(name as Artefact)),
    )
  })
})
