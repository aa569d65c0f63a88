import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { LANGUAGE_CODES as STAND_IN_CODES } from '../../../../infra/local/providers/assemblyai/submission.ts'
import { Language } from '../../../../shared/podcast/content.ts'
import { codeOf, LANGUAGE_CODES, languages, tagOf } from '../../../../shared/providers/assemblyai/languages.ts'

/** The enumeration as the installed SDK publishes it. */
function codesOfSdk(): string[] {
  const types = new URL('../../../../node_modules/assemblyai/dist/types/openapi.generated.d.ts', import.meta.url)
  const [, union = ''] = /export type TranscriptLanguageCode =([^;]+);/.exec(readFileSync(types, 'utf8')) ?? []
  return [...union.matchAll(/"(\w+)"/g)].map(([, code = '']) => code)
}

test('ours is the enumeration of the SDK, and so is that of the stand-in', () => {
  const codes = codesOfSdk().toSorted()
  expect(codes.length).toBeGreaterThan(90)
  expect([LANGUAGE_CODES.toSorted(), STAND_IN_CODES.toSorted()]).toEqual([codes, codes])
})

describe('the code of a tag', () => {
  test.each([
    ['en', 'en'],
    ['en-GB', 'en_uk'],
    ['en-US', 'en_us'],
    ['en-AU', 'en_au'],
    ['en-Latn-GB', 'en_uk'],
    ['en-IE', 'en'],
    ['en_US', 'en_us'],
    ['pt-BR', 'pt'],
    ['de-AT', 'de'],
    ['de-CH', 'de_ch'],
    ['gsw', 'de_ch'],
    ['zh-Hans', 'zh'],
    ['zh-CN', 'zh'],
    ['zh-Hant-TW', 'zh'],
    ['es-419', 'es'],
    ['nb', 'no'],
    ['nb-NO', 'no'],
    ['nn', 'nn'],
    ['no', 'no'],
    ['fil', 'tl'],
    ['tl', 'tl'],
    ['jv', 'jw'],
    ['haw', 'haw'],
    ['iw', 'he'],
    ['tlh', undefined],
    ['yue', undefined],
    ['und', undefined],
    ['auto', undefined],
  ])('%s is %s', (tag, code) => {
    expect(codeOf(tag)).toBe(code)
  })
})

test('each language that is told is one that people can say, and comes back as what it was', () => {
  const said = languages.list.filter((tag) => tag !== 'auto')
  expect(said.map((tag) => Language.parse(tag))).toEqual(said)
  expect(said.map((tag) => tagOf(codeOf(tag) ?? ''))).toEqual(said)
  expect(languages.list.every((tag) => languages.takes(tag))).toBe(true)
  expect([languages.takes('auto'), languages.takes('tlh')]).toEqual([true, false])
})

test('a code that this release does not know is read as far as it can be', () => {
  expect([tagOf('fr_ca'), tagOf('global_english')]).toEqual(['fr-CA', undefined])
})
