import { expect, test } from 'vitest'

import { loadConfiguration } from '../../../shared/dependencies/config.ts'

function settingsOf(variables: Record<string, string>) {
  const place = { GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b' }
  return loadConfiguration({ ...place, ...variables }, []).providers.auphonic.settings
}

const OFF = { leveler: false, filtering: false, denoise: false, normloudness: false }

test.each([
  ['', { leveler: true, filtering: true, denoise: true, normloudness: true }],
  ['leveler, normloudness', { ...OFF, leveler: true, normloudness: true }],
  ['none', OFF],
  ['{"denoise": true, "denoiseamount": 12}', { ...OFF, denoise: true, denoiseamount: 12 }],
  ['{"filtering": true, "filtermethod": "autoeq"}', { ...OFF, filtering: true, filtermethod: 'autoeq' }],
])('AUPHONIC_ALGORITHMS=%s', (value, algorithms) => {
  expect(settingsOf({ AUPHONIC_ALGORITHMS: value })['AUPHONIC_ALGORITHMS']).toEqual(algorithms)
})

// What cuts would make words and chapters late; loudness is each episode's own.
test.each([
  'leveller',
  'silence_cutter',
  'denoiseamount',
  '{"loudnesstarget": -16}',
  '{"denoise": "yes"}',
  '{"denoise"',
])('AUPHONIC_ALGORITHMS=%s stops the start', (value) => {
  expect(() => settingsOf({ AUPHONIC_ALGORITHMS: value })).toThrow(/AUPHONIC_ALGORITHMS/)
})

test('AUPHONIC_BITRATE_KBPS', () => {
  expect(settingsOf({})['AUPHONIC_BITRATE_KBPS']).toBe('128')
  expect(settingsOf({ AUPHONIC_BITRATE_KBPS: ' 96 ' })['AUPHONIC_BITRATE_KBPS']).toBe('96')
  expect(() => settingsOf({ AUPHONIC_BITRATE_KBPS: '100' })).toThrow(/AUPHONIC_BITRATE_KBPS: expected one of 64/)
})
