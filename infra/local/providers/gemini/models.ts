import { STAND_IN_NOTICE } from '../stand-in.ts'

export type ThinkingLevel = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'

export const INPUT_TOKENS_MAX = 1_048_576
export const OUTPUT_TOKENS_MAX = 65_536

/** Tokens that a level costs here; by how much they really differ depends on the task. */
export const THINKING_TOKENS: Readonly<Record<ThinkingLevel, number>> = { MINIMAL: 0, LOW: 90, MEDIUM: 400, HIGH: 1600 }
/** Flash models think that much by themselves. */
export const LEVEL_DEFAULT = 'MEDIUM'

const WITHOUT_MINIMAL = ['LOW', 'MEDIUM', 'HIGH'] as const
/** 3.7 Flash refuses `MINIMAL` (can1357/oh-my-pi#10543), and so did 3.1 Pro; of a newer one nothing is known. */
const LEVELS: Readonly<Record<string, readonly ThinkingLevel[]>> = {
  'gemini-3.8-flash': WITHOUT_MINIMAL,
  'gemini-3.7-flash': WITHOUT_MINIMAL,
  'gemini-3.6-flash': WITHOUT_MINIMAL,
  'gemini-3.5-flash': ['MINIMAL', ...WITHOUT_MINIMAL],
  'gemini-3.5-flash-lite': ['MINIMAL', ...WITHOUT_MINIMAL],
  'gemini-3.1-flash-lite': ['MINIMAL', ...WITHOUT_MINIMAL],
  'gemini-3.1-pro-preview': WITHOUT_MINIMAL,
}
export const MODELS = Object.keys(LEVELS)

/** The levels of thinking that a model takes; undefined when there is no such model, or no more. */
export function levelsOf(model: string): readonly ThinkingLevel[] | undefined {
  return Object.hasOwn(LEVELS, model) ? LEVELS[model] : undefined
}

/** How Google words a model that it does not have, or has retired. */
export function modelNotFound(model: string, version: string): string {
  return `models/${model} is not found for API version ${version}, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods.`
}

export function describeModel(model: string) {
  return {
    name: `models/${model}`,
    version: '001',
    displayName: model,
    description: `${model}, ${STAND_IN_NOTICE}`,
    inputTokenLimit: INPUT_TOKENS_MAX,
    outputTokenLimit: OUTPUT_TOKENS_MAX,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
    temperature: 1,
    maxTemperature: 2,
    topP: 0.95,
    topK: 64,
    thinking: true,
  }
}
