import { expect, test } from 'vitest'

import { BreakerControl } from '../../../shared/breaker/control.ts'
import type { BreakerStore } from '../../../shared/breaker/store.ts'
import { listBreakers } from '../../../shared/operations/breakers.ts'

test('a breaker says when it was changed; one that nobody has used, that this was in 1970', async () => {
  const atMs = Date.UTC(2026, 0, 2)
  let stored: Awaited<ReturnType<BreakerStore['read']>>['stored']
  const store: BreakerStore = {
    read: async () => ({ stored, serverMs: atMs }),
    async write(_name, data) {
      stored = { data, version: 1 }
      return { version: 1, serverMs: atMs }
    },
  }
  const control = new BreakerControl(store, () => undefined)
  const [untouched] = await listBreakers(control, ['gemini'])
  expect(untouched).toMatchObject({ name: 'gemini', state: 'closed', changedAt: '1970-01-01T00:00:00.000Z' })
  await control.override('gemini', { action: 'close', by: 'root', reason: 'a drill', forMs: undefined })
  const [changed] = await listBreakers(control, ['gemini'])
  expect(changed).toMatchObject({ mode: 'forced_closed', changedAt: '2026-01-02T00:00:00.000Z' })
})
