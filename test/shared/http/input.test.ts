import { expect, test } from 'vitest'
import * as z from 'zod'

import type { HttpError } from '../../../shared/http/http-error.ts'
import { inputParsing } from '../../../shared/http/input.ts'
import { exchangeOf, incoming } from './exchange-fixture.ts'

test('what is said about a bad input stays short, however much the input says that nobody asked for', async () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `nobody-asked-for-${index}`)
  const nested = { ['n'.repeat(5_000)]: { deep: 1 } }
  for (const input of [Object.fromEntries(names.map((name) => [name, 1])), nested]) {
    const request = incoming({ 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })
    request.push(JSON.stringify(input))
    request.complete = true
    request.push(null)
    const schema = z.strictObject({}).or(z.record(z.string(), z.strictObject({})))
    const refusal = await inputParsing(exchangeOf(request, { schema }), async () => ({ status: 200 })).catch(
      (error: unknown) => error as HttpError,
    )
    expect(refusal).toMatchObject({ code: 'validation_error' })
    const { technical, details } = refusal as HttpError
    expect(JSON.stringify({ technical, details }).length).toBeLessThan(15_000)
    expect(technical.length).toBeLessThan(700)
  }
})
