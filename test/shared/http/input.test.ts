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

test('a key that is not known is told with those that are, wherever it stands', async () => {
  const intro = z.strictObject({ text: z.string(), voiceId: z.string().optional() }).optional()
  const schema = z.strictObject({ title: z.string().default('x'), options: z.strictObject({ intro }).default({}) })
  const refusalOf = async (input: unknown) => {
    const request = incoming({ 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })
    request.push(JSON.stringify(input))
    request.complete = true
    request.push(null)
    const refusal = inputParsing(exchangeOf(request, { schema }), async () => ({ status: 200 }))
    return refusal.catch((error: unknown) => (error as HttpError).technical)
  }
  expect(await refusalOf({ limit: 5 })).toBe('input: Unrecognized key: "limit"; known: title, options')
  const deep = { options: { intro: { text: 'x', voice: 'y' } } }
  expect(await refusalOf(deep)).toBe('options.intro: Unrecognized key: "voice"; known: text, voiceId')
})
