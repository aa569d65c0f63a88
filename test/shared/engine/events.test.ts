import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { EVENTS } from '../../../shared/engine/transitions/events.ts'

const FOLDER = fileURLToPath(new URL('../../../shared/engine/transitions/', import.meta.url))
/** What events share: it moves nothing by itself. */
const SHARED = new Set(['charges', 'events', 'lost-attempts', 'moved', 'paid-calls', 'pass-over'])

test('every file of transitions has its events in the index', async () => {
  const events = new Set<unknown>(Object.values(EVENTS))
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((file) => !SHARED.has(file))
  for (const file of files) {
    const exported = Object.values((await import(`${FOLDER}${file}.ts`)) as Record<string, unknown>)
    expect({ file, hasEvent: exported.some((one) => events.has(one)) }).toEqual({ file, hasEvent: true })
  }
  expect(events.size).toBe(Object.keys(EVENTS).length)
})
