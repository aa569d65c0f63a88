import { randomUUID } from 'node:crypto'

import * as z from 'zod'

import { STAND_IN_NOTICE } from '../stand-in.ts'
import { answerSchema } from './json-schema.ts'
import type { AnswerSchema, Passage } from './json-schema.ts'
import { LEVEL_DEFAULT, THINKING_TOKENS } from './models.ts'
import { clipToTokens, tokensOf } from './request.ts'
import type { Asked } from './request.ts'

/** A prompt that was blocked: its tokens are charged, and it has no candidates. */
export function blockedPrompt(model: string, { promptTokens }: Asked) {
  return {
    promptFeedback: { blockReason: 'SAFETY' as const },
    usageMetadata: usageOf({ promptTokens, cachedTokens: 0, answerTokens: undefined, thoughtTokens: 0 }),
    ...namesOf(model),
  }
}

/**
 * An answer as the model gives it. Thinking comes out of the same budget as the answer, so that a small one may leave
 * nothing to be said.
 * @param cachedTokens how much of the prompt was read before
 */
export function generate(model: string, { prompt, promptTokens, config }: Asked, cachedTokens: number) {
  const budget = config.maxOutputTokens ?? Infinity
  const thoughtTokens = Math.min(budget, thinkingTokensOf(config.thinkingConfig))
  const schema = (config.responseJsonSchema ?? config.responseSchema) as AnswerSchema | undefined
  const whole = schema
    ? JSON.stringify(answerSchema(schema, passagesOf(prompt)))
    : `A text ${STAND_IN_NOTICE} for ${promptTokens} tokens.`
  const text = clipToTokens(whole, budget - thoughtTokens)
  const thoughts = config.thinkingConfig?.includeThoughts === true ? [{ text: THOUGHT, thought: true }] : []
  const parts = [...thoughts, ...(text === '' ? [] : [{ text, thoughtSignature: SIGNATURE }])]
  return {
    candidates: [
      {
        index: 0,
        content: { role: 'model', ...(parts.length > 0 && { parts }) },
        finishReason: text.length < whole.length ? ('MAX_TOKENS' as const) : ('STOP' as const),
      },
    ],
    usageMetadata: usageOf({ promptTokens, cachedTokens, answerTokens: tokensOf(text), thoughtTokens }),
    ...namesOf(model),
  }
}

const THOUGHT = `**Reading the transcript**\n\nThese thoughts were ${STAND_IN_NOTICE}: {"title": "not the notes"}`
const SIGNATURE = Buffer.from(STAND_IN_NOTICE).toString('base64')

function namesOf(model: string) {
  return { modelVersion: model, responseId: randomUUID() }
}

function thinkingTokensOf({ thinkingLevel, thinkingBudget }: NonNullable<Asked['config']['thinkingConfig']> = {}) {
  if (thinkingBudget !== undefined && thinkingBudget >= 0)
    return Math.min(thinkingBudget, THINKING_TOKENS[LEVEL_DEFAULT])
  const level =
    thinkingLevel === undefined || thinkingLevel === 'THINKING_LEVEL_UNSPECIFIED' ? LEVEL_DEFAULT : thinkingLevel
  return THINKING_TOKENS[level]
}

type Used = { promptTokens: number; cachedTokens: number; answerTokens: number | undefined; thoughtTokens: number }

function usageOf({ promptTokens, cachedTokens, answerTokens, thoughtTokens }: Used) {
  return {
    promptTokenCount: promptTokens,
    ...(cachedTokens > 0 && { cachedContentTokenCount: cachedTokens }),
    ...(answerTokens !== undefined && { candidatesTokenCount: answerTokens }),
    ...(thoughtTokens > 0 && { thoughtsTokenCount: thoughtTokens }),
    totalTokenCount: promptTokens + (answerTokens ?? 0) + thoughtTokens,
    promptTokensDetails: [{ modality: 'TEXT' as const, tokenCount: promptTokens }],
  }
}

/** The passages in a prompt that is our JSON, or the lines of one that is not. */
function passagesOf(prompt: string): Passage[] {
  try {
    const parsed = z
      .object({ passages: z.array(z.object({ startSeconds: z.number(), text: z.string() })) })
      .safeParse(JSON.parse(prompt))
    if (parsed.success) return parsed.data.passages
  } catch {
    // Not JSON: taken as plain text.
  }
  return prompt
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((text, index) => ({ startSeconds: index * 10, text }))
}
