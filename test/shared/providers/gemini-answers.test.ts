import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'

import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { Notes } from '../../../shared/podcast/words/notes.ts'
import { Generated, readAnswer } from '../../../shared/providers/gemini/answer.ts'
import { GEMINI_ANSWERS, play, USAGE } from './answers/gemini.ts'
import type { AnswerRow, Stage } from './answers/gemini.ts'
import { accountAt, CALL, guardOf, makePort } from './provider-fixtures.ts'
import { serviceOfTest } from './service-of-test.ts'

/** Every kind of answer through the real client, from a service that does what the row says. */
let stage: Stage = 'silence'
let requests = 0

const service = serviceOfTest((request, response) => {
  requests++
  request.resume().on('end', () => play(stage, response))
})
beforeEach(() => {
  requests = 0
})

const MATERIAL = {
  title: 'Working title',
  language: 'en',
  durationSeconds: 60,
  passages: [{ startSeconds: 0, text: 'Hello there.' }],
}
const COST = { calls: 1, inputTokens: 1200, cachedInputTokens: 1024, outputTokens: 290 }

async function ask(row: Pick<AnswerRow, 'stage'>, material = MATERIAL) {
  stage = row.stage
  // Nobody waits two minutes for silence.
  const writer = await makePort(
    'writers',
    accountAt('gemini', service.url),
    guardOf('gemini', stage === 'silence' ? 0.001 : 1),
  )
  return writer.writeNotes(material, CALL)
}

async function failureOf(row: Pick<AnswerRow, 'stage'>): Promise<ProviderError> {
  const thrown: unknown = await ask(row).catch((error: unknown) => error)
  if (!(thrown instanceof ProviderError)) throw new Error('expected a ProviderError', { cause: thrown })
  return thrown
}

const breakerOf = (error: unknown) => {
  const meaning = meaningOf(error)
  return typeof meaning === 'string' ? meaning : meaning.reason
}

test('enough kinds of answer are known, each once', () => {
  const answers = GEMINI_ANSWERS.map(({ answer }) => answer)
  expect(new Set(answers).size).toBe(answers.length)
  expect(answers.length).toBeGreaterThan(50)
})

describe('an answer that is used', () => {
  test.each(GEMINI_ANSWERS.filter(({ kind }) => kind === 'used'))('$answer', async (row) => {
    const { notes, cost } = await ask(row)
    expect(Notes.parse(notes)).toEqual(notes)
    expect(notes.title).toBe('A title')
    expect(cost['calls']).toBe(1)
    expect(requests).toBe(1)
  })
})

describe('an answer that is of no use', () => {
  test.each(GEMINI_ANSWERS.filter(({ kind }) => kind !== 'used'))('$answer: $kind', async (row) => {
    const error = await failureOf(row)
    const { kind, canPass, cost, ambiguous } = error
    expect({ kind, canPass, ambiguous, charged: cost !== undefined, breaker: breakerOf(error) }).toEqual({
      kind: row.kind,
      canPass: row.canPass,
      ambiguous: row.lost !== 'no',
      charged: row.charged,
      breaker: row.breaker,
    })
    if (row.charged) expect(cost).toEqual(COST)
    expect(requests).toBe(1)
  })
})

describe('what an answer says', () => {
  const stageOf = (answer: string) => {
    const found = GEMINI_ANSWERS.find((row) => row.answer === answer)
    if (found === undefined) throw new Error(`no such row: ${answer}`)
    return found
  }

  test('about charges is told also when it is used', async () => {
    expect((await ask(stageOf('notes'))).cost).toEqual(COST)
    expect((await ask(stageOf('notes without usage or end'))).cost).toEqual({
      calls: 1,
      inputTokens: 0,
      cachedInputTokens: 0,
      outputTokens: 0,
    })
    expect(USAGE.candidatesTokenCount + USAGE.thoughtsTokenCount).toBe(COST.outputTokens)
  })

  test('is told to the operator in its own words', async () => {
    expect((await failureOf(stageOf('a retired model'))).message).toContain('is no longer available')
    expect((await failureOf(stageOf('an unknown field'))).message).toContain('Unknown name "systemInstruction"')
  })

  test('about a text that is too long is told to the person', async () => {
    expect((await failureOf(stageOf('too many tokens'))).words?.message).toContain('more words')
    expect((await failureOf(stageOf('a bare 400'))).words).toBeUndefined()
  })

  test("about when to come back is kept to, but not for a day's quota, and not for ever", async () => {
    expect((await failureOf(stageOf('429 with a delay'))).retryAfterMs).toBe(34_070)
    expect((await failureOf(stageOf("429 of a day's quota"))).retryAfterMs).toBe(900_000)
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '99999999s' }]
    const forEver = { status: 503, body: { error: { message: 'x', status: 'UNAVAILABLE', details } } }
    expect((await failureOf({ stage: forEver })).retryAfterMs).toBe(900_000)
  })

  test('may begin with a byte order mark', async () => {
    const body = `\uFEFF${JSON.stringify({ candidates: [{ content: { parts: [{ text: '{"title": "T"}' }] } }] })}`
    expect((await ask({ stage: { status: 200, body } })).notes.title).toBe('T')
  })

  test('may be of the wrong kind in every place, and is no error of ours', async () => {
    for (const body of [
      { candidates: 'x', usageMetadata: 7, promptFeedback: [] },
      { candidates: [null, { content: { parts: [7] } }], usageMetadata: { promptTokenCount: '5' } },
      { candidates: [{ content: null, finishReason: 5 }], usageMetadata: { promptTokenCount: -5 } },
      { candidates: null, promptFeedback: { blockReason: null } },
    ]) {
      const { kind, cost } = await failureOf({ stage: { status: 200, body } })
      expect([kind, cost?.['inputTokens']]).toEqual(['unusable', 0])
    }
    expect((await failureOf({ stage: { status: 200, body: [] } })).kind).toBe('unusable')
    expect((await failureOf({ stage: { status: 400, body: { error: { message: 7 } } } })).kind).toBe('invalid_input')
    expect((await failureOf({ stage: { status: 400, body: [{ error: { message: 'Unknown name' } }] } })).kind).toBe(
      'invalid_input',
    )
  })
})

describe('what an answer lacks', () => {
  const saying = (notes: object) => ({
    stage: { status: 200, body: { candidates: [{ content: { parts: [{ text: JSON.stringify(notes) }] } }] } },
  })
  const material = {
    ...MATERIAL,
    passages: Array.from({ length: 99 }, (_unused, index) => ({ startSeconds: index, text: `Passage ${index}.` })),
  }

  test('is the working title, and the first words of the transcript', async () => {
    const { notes } = await ask(saying({ chapters: [{ startSeconds: 0, title: 'C' }] }), material)
    expect(notes).toMatchObject({ title: 'Working title', chapters: [{ title: 'C' }], tags: [] })
    expect(notes.description).toMatch(/^Passage 0\. Passage 1\. .* Passage \d+\.$/)
    expect(notes.description.length).toBeLessThanOrEqual(300)
  })

  test('is a title of its own words, where the owner has given none', async () => {
    const untitled = { ...material, title: 'Untitled episode' }
    const { notes } = await ask(saying({ description: 'All about tides. And more.' }), untitled)
    expect(notes.title).toBe('All about tides.')
  })
})

test('whatever is answered is notes or a ProviderError, with charges that can be added up', () => {
  const request = { provider: 'gemini', operation: 'test', method: 'POST', url: '', headers: {} } as const
  const odd = fc.oneof(fc.constantFrom<unknown>(null, -1, 1e300, '', [], {}, [null]), fc.jsonValue({ maxDepth: 3 }))
  const bodies = GEMINI_ANSWERS.flatMap(({ stage: said }) => (typeof said === 'object' ? [said.body] : []))
  const mutated = fc
    .tuple(fc.constantFrom(...bodies), fc.nat(), odd)
    .map(([body, at, value]) => replaceOne(body, at, value))
  fc.assert(
    fc.property(mutated, (body) => {
      const parsed = Generated.safeParse(body)
      if (!parsed.success) return
      const { notes, cost } = readOrFail(() => readAnswer(request, parsed.data, MATERIAL))
      if (notes !== undefined) expect(Notes.parse(notes)).toEqual(notes)
      expect(Object.values(cost ?? {}).every((amount) => Number.isSafeInteger(amount) && amount >= 0)).toBe(true)
      expect(cost?.['calls']).toBe(1)
    }),
    { verbose: 1, numRuns: 3000 },
  )
})

function readOrFail(read: () => ReturnType<typeof readAnswer>): Partial<ReturnType<typeof readAnswer>> {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProviderError && error.cost !== undefined) return { cost: error.cost }
    throw error
  }
}

/** The same with one of its values, wherever it is, exchanged. */
function replaceOne(body: unknown, at: number, value: unknown): unknown {
  let left = at % JSON.stringify(body).split(/[:,[]/).length
  return JSON.parse(JSON.stringify(body), (_key, inner: unknown) => (left-- === 0 ? value : inner)) as unknown
}
