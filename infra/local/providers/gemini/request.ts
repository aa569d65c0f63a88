import * as z from 'zod'

import { STAND_IN_NOTICE } from '../stand-in.ts'
import { checkJsonSchema, checkSchema } from './answer-schema.ts'
import { INPUT_TOKENS_MAX, levelsOf, OUTPUT_TOKENS_MAX } from './models.ts'
import { refuseField, refuseRequest } from './refusals.ts'

const CHARACTERS_PER_TOKEN = 4

const Part = z.strictObject({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  thoughtSignature: z.string().optional(),
  partMetadata: z.unknown().optional(),
  // Known, and not played here.
  inlineData: z.unknown().optional(),
  fileData: z.unknown().optional(),
  functionCall: z.unknown().optional(),
  functionResponse: z.unknown().optional(),
})
const Content = z.strictObject({ role: z.string().optional(), parts: z.array(Part).optional() })

const ThinkingConfig = z.strictObject({
  includeThoughts: z.boolean().optional(),
  thinkingBudget: z.int().optional(),
  thinkingLevel: z.enum(['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH']).optional(),
})

const GenerationConfig = z.strictObject({
  candidateCount: z.int().optional(),
  enableEnhancedCivicAnswers: z.boolean().optional(),
  frequencyPenalty: z.number().optional(),
  logprobs: z.int().optional(),
  maxOutputTokens: z.int().optional(),
  mediaResolution: z.string().optional(),
  presencePenalty: z.number().optional(),
  responseJsonSchema: z.unknown().optional(),
  responseLogprobs: z.boolean().optional(),
  responseMimeType: z.string().optional(),
  responseModalities: z.array(z.enum(['TEXT', 'IMAGE', 'AUDIO'])).optional(),
  responseSchema: z.unknown().optional(),
  seed: z.int().optional(),
  speechConfig: z.unknown().optional(),
  stopSequences: z.array(z.string()).optional(),
  temperature: z.number().optional(),
  thinkingConfig: ThinkingConfig.optional(),
  topK: z.number().optional(),
  topP: z.number().optional(),
})

const SafetySetting = z.strictObject({
  category: z.enum([
    'HARM_CATEGORY_HARASSMENT',
    'HARM_CATEGORY_HATE_SPEECH',
    'HARM_CATEGORY_SEXUALLY_EXPLICIT',
    'HARM_CATEGORY_DANGEROUS_CONTENT',
    'HARM_CATEGORY_CIVIC_INTEGRITY',
  ]),
  threshold: z.enum(['BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH', 'BLOCK_NONE', 'OFF']),
})

/** The fields of a GenerateContentRequest: https://ai.google.dev/api/generate-content#request-body */
const FIELDS = {
  model: z.string().optional(),
  contents: z.array(Content).optional(),
  systemInstruction: Content.optional(),
  generationConfig: GenerationConfig.optional(),
  safetySettings: z.array(SafetySetting).optional(),
  serviceTier: z.string().optional(),
  store: z.boolean().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  // Known, and not played here.
  cachedContent: z.string().optional(),
  continuationToken: z.string().optional(),
  tools: z.unknown().optional(),
  toolConfig: z.unknown().optional(),
}
export const GenerateRequest = z.strictObject(FIELDS)
export type GenerateRequest = z.infer<typeof GenerateRequest>
const CountRequest = z.strictObject({ contents: FIELDS.contents, generateContentRequest: GenerateRequest.optional() })

/** A request that was taken: what it asks, in one text, and how. */
export type Asked = {
  readonly prompt: string
  readonly promptTokens: number
  readonly config: z.infer<typeof GenerationConfig>
}

/** @throws ReplyError with Google's refusal of whatever is not right in a body */
export function readGenerate(body: unknown, model: string): Asked {
  const request = parse(GenerateRequest, body)
  const contents = requireContents(request)
  const config = request.generationConfig ?? {}
  checkPlayed(request)
  checkConfig(config, model)
  const promptTokens = tokensOf(textIn(contents)) + tokensOf(textIn([request.systemInstruction ?? {}]))
  if (promptTokens > INPUT_TOKENS_MAX)
    refuseRequest(
      `The input token count (${promptTokens}) exceeds the maximum number of tokens allowed (${INPUT_TOKENS_MAX}).`,
    )
  return { prompt: textIn(contents), promptTokens, config }
}

/** @throws ReplyError as `readGenerate` does */
export function readCount(body: unknown): number {
  const { contents, generateContentRequest } = parse(CountRequest, body)
  const request = generateContentRequest ?? { contents }
  return tokensOf(textIn(requireContents(request))) + tokensOf(textIn([request.systemInstruction ?? {}]))
}

export function tokensOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
}

/** As much of a text as so many tokens are. */
export function clipToTokens(text: string, tokens: number): string {
  return text.slice(0, Math.max(0, tokens) * CHARACTERS_PER_TOKEN)
}

type Contents = readonly z.infer<typeof Content>[]

function textIn(contents: Contents): string {
  return contents.flatMap(({ parts = [] }) => parts.map(({ text }) => text ?? '')).join('\n')
}

function requireContents({ contents = [] }: Pick<GenerateRequest, 'contents'>): Contents {
  if (contents.length === 0) refuseRequest('* GenerateContentRequest.contents: contents is not specified\n')
  for (const [index, { role = 'user', parts = [] }] of contents.entries()) {
    if (role !== 'user' && role !== 'model') refuseRequest('Please use a valid role: user, model.')
    const at = `GenerateContentRequest.contents[${index}].parts`
    if (parts.length === 0) refuseRequest(`* ${at}: contents.parts must not be empty.\n`)
    const empty = parts.findIndex(({ partMetadata: _about, thought: _thought, ...data }) => noneOf(data))
    if (empty >= 0)
      refuseRequest(`* ${at}[${empty}].data: required oneof field 'data' must have one initialized field\n`)
  }
  return contents
}

function noneOf(data: object): boolean {
  return Object.values(data).every((value) => value === undefined)
}

/** What the real service would take says so, instead of being passed over. */
function checkPlayed({ cachedContent, continuationToken, tools, toolConfig, contents = [] }: GenerateRequest): void {
  const parts = contents.flatMap((content) => content.parts ?? [])
  const others = parts.map(({ inlineData, fileData, functionCall, functionResponse }) => ({
    inlineData,
    fileData,
    functionCall,
    functionResponse,
  }))
  for (const asked of [{ cachedContent, continuationToken, tools, toolConfig }, ...others])
    for (const [name, value] of Object.entries(asked))
      if (value !== undefined)
        refuseRequest(`This is no fault of Gemini: ${name} is not in what was ${STAND_IN_NOTICE}.`)
}

function checkConfig(config: Asked['config'], model: string): void {
  const { maxOutputTokens = 1, responseMimeType = 'text/plain', temperature = 1, candidateCount = 1 } = config
  const { responseJsonSchema, responseSchema, thinkingConfig, stopSequences = [] } = config
  checkRange('maxOutputTokens', maxOutputTokens, 1, OUTPUT_TOKENS_MAX)
  checkRange('temperature', temperature, 0, 2)
  checkRange('candidateCount', candidateCount, 1, 1)
  if (stopSequences.length > 5) refuseRequest('Number of stop sequences must be at most 5.')
  const mimeTypes = ['text/plain', 'application/json', 'text/x.enum']
  if (!mimeTypes.includes(responseMimeType))
    refuseRequest(
      `* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are ${mimeTypes.map((type) => `\`${type}\``).join(', ')}.\n`,
    )
  if (responseJsonSchema !== undefined && responseSchema !== undefined)
    refuseRequest('Only one of response_schema and response_json_schema may be set.')
  if ((responseJsonSchema ?? responseSchema) !== undefined && responseMimeType === 'text/plain')
    refuseRequest('response_schema needs a response_mime_type of application/json.')
  if (responseJsonSchema !== undefined) checkJsonSchema(responseJsonSchema)
  if (responseSchema !== undefined) checkSchema(responseSchema)
  checkThinking(thinkingConfig, model)
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return
  refuseRequest(
    `Unable to submit request because it has a ${name} value of ${value} but the supported range is from ${least} (inclusive) to ${most} (inclusive). Update the value and try again.`,
  )
}

function checkThinking(config: z.infer<typeof ThinkingConfig> = {}, model: string): void {
  const { thinkingBudget, thinkingLevel = 'THINKING_LEVEL_UNSPECIFIED' } = config
  if (thinkingLevel === 'THINKING_LEVEL_UNSPECIFIED') return
  if (thinkingBudget !== undefined) refuseRequest('You can only set only one of thinking budget and thinking level.')
  if (levelsOf(model)?.includes(thinkingLevel) === false)
    refuseRequest(`Thinking level ${thinkingLevel} is not supported for this model.`)
}

/** @throws ReplyError with what protobuf's JSON parser says of a field that it does not know, or of a wrong value */
function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = pathOf(issue?.path ?? [])
  if (issue?.code === 'unrecognized_keys') {
    const at = field === '' ? '' : ` at '${field}'`
    refuseField(`Invalid JSON payload received. Unknown name "${issue.keys[0]}"${at}: Cannot find field.`, field)
  }
  const value = JSON.stringify(valueAt(body, issue?.path ?? [])) ?? 'nothing'
  refuseField(`Invalid value at '${field}' (${typeIn(issue)}), ${value}`, field)
}

function typeIn(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code !== 'invalid_type') return 'an enumeration'
  return { string: 'TYPE_STRING', boolean: 'TYPE_BOOL', int: 'TYPE_INT32' }[String(issue.expected)] ?? 'a message'
}

/** As protobuf spells it: `contents[0].parts[1].inline_data`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((whole, key) => {
    if (typeof key === 'number') return `${whole}[${key}]`
    const name = String(key).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return whole === '' ? name : `${whole}.${name}`
  }, '')
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)
}
