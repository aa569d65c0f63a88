import { describe, expect, test } from 'vitest'

import { Language } from '../../../../shared/podcast/content.ts'
import { primaryLanguage } from '../../../../shared/podcast/words/language.ts'
import { termsOf } from '../../../../shared/podcast/words/terms.ts'

describe('the language of an episode', () => {
  test.each([
    ['en', 'en'],
    ['EN', 'en'],
    ['en-gb', 'en-GB'],
    ['pt-BR', 'pt-BR'],
    ['de-AT', 'de-AT'],
    ['zh-Hans', 'zh-Hans'],
    ['zh-CN', 'zh-CN'],
    ['zh-hant-tw', 'zh-Hant-TW'],
    ['zh-cmn-Hans', 'zh-Hans'],
    ['nb', 'nb'],
    ['es-419', 'es-419'],
    ['iw', 'he'],
    ['sl-rozaj', 'sl-rozaj'],
    ['auto', 'auto'],
  ])('%s is %s', (given, kept) => {
    expect(Language.parse(given)).toBe(kept)
  })

  test.each([
    '',
    ' ',
    'e',
    'english',
    'en_GB',
    'en-',
    '-en',
    'en--GB',
    'AUTO',
    'x-klingon',
    'en GB',
    'ενγ',
    'a'.repeat(36),
  ])('"%s" is no tag', (given) => {
    expect(Language.safeParse(given).success).toBe(false)
  })

  test.each([
    ['zh-Hant-TW', 'zh'],
    ['en_US', 'en'],
    ['auto', 'und'],
    ['nonsense', 'und'],
  ])('%s without the rest is %s', (tag, language) => {
    expect(primaryLanguage(tag)).toBe(language)
  })
})

describe('what a text is about can be counted in every language that an episode can have', () => {
  test.each(['zh-Hant-TW', 'es-419', 'auto', 'und', 'nb', 'fil', 'sr-Latn-RS', 'tlh'])('%s', async (language) => {
    expect((await termsOf(language))('Lighthouses, lighthouses')).toEqual(['lighthouses', 'lighthouses'])
  })

  test('without what says nothing, whatever its script and region', async () => {
    expect((await termsOf('de-Latn-AT'))('und der Leuchtturm')).toEqual(['leuchtturm'])
  })
})
