import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'

const foldersIn = (path: string) =>
  readdirSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()

test('every provider has a folder, a stand-in and a place in the list', () => {
  const listed = [...PROVIDER_NAMES].toSorted()
  expect(foldersIn('shared/providers')).toEqual(listed)
  expect(foldersIn('infra/local/providers')).toEqual(listed)
  expect(Object.keys(STAND_INS).toSorted()).toEqual(listed)
})
