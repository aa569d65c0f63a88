import * as z from 'zod'

import { refuseRequest } from './refusals.ts'

/** As much of a JSON Schema, or of Gemini's own dialect of it, as decides what is taken. */
type Node = {
  type?: string | string[] | undefined
  properties?: Record<string, Node> | undefined
  items?: Node | undefined
  required?: string[] | undefined
}

const Type = z.string().regex(/^(?:object|array|string|number|integer|boolean|null)$/i)
/** What `responseJsonSchema` takes of JSON Schema: https://ai.google.dev/api/generate-content#generationconfig */
const JsonSchema: z.ZodType<Node> = z.lazy(() =>
  z.strictObject({
    $id: z.string().optional(),
    $defs: z.record(z.string(), JsonSchema).optional(),
    $ref: z.string().optional(),
    $anchor: z.string().optional(),
    type: z.union([Type, z.array(Type)]).optional(),
    format: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    enum: z.array(z.union([z.string(), z.number()])).optional(),
    items: JsonSchema.optional(),
    prefixItems: z.array(JsonSchema).optional(),
    minItems: z.int().optional(),
    maxItems: z.int().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    anyOf: z.array(JsonSchema).optional(),
    oneOf: z.array(JsonSchema).optional(),
    properties: z.record(z.string(), JsonSchema).optional(),
    additionalProperties: z.union([z.boolean(), JsonSchema]).optional(),
    required: z.array(z.string()).optional(),
    propertyOrdering: z.array(z.string()).optional(),
  }),
)

const int64 = z.union([z.int(), z.string().regex(/^\d+$/)]).optional()
/** Its own dialect: https://ai.google.dev/api/caching#Schema */
const Schema: z.ZodType<Node> = z.lazy(() =>
  z.strictObject({
    type: Type.optional(),
    format: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    nullable: z.boolean().optional(),
    enum: z.array(z.string()).optional(),
    items: Schema.optional(),
    minItems: int64,
    maxItems: int64,
    properties: z.record(z.string(), Schema).optional(),
    minProperties: int64,
    maxProperties: int64,
    required: z.array(z.string()).optional(),
    propertyOrdering: z.array(z.string()).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minLength: int64,
    maxLength: int64,
    pattern: z.string().optional(),
    anyOf: z.array(Schema).optional(),
    default: z.unknown().optional(),
    example: z.unknown().optional(),
  }),
)

/** @throws ReplyError for a keyword that Gemini does not take, or a schema that it does not */
export function checkJsonSchema(schema: unknown): void {
  check(JsonSchema, schema, 'response_json_schema')
}

/** @throws ReplyError as `checkJsonSchema` does */
export function checkSchema(schema: unknown): void {
  check(Schema, schema, 'response_schema')
}

function check(dialect: z.ZodType<Node>, schema: unknown, field: string): void {
  const parsed = dialect.safeParse(schema)
  const at = `GenerateContentRequest.generation_config.${field}`
  if (parsed.success) return checkNode(parsed.data, at)
  const [issue] = parsed.error.issues
  const place = [at, ...(issue?.path ?? []).map(String)].join('.')
  refuseRequest(`* ${place}: ${issue?.message ?? 'not a schema'}\n`)
}

function checkNode(node: Node, at: string): void {
  const { items, properties = {}, required = [] } = node
  if (typeOf(node) === 'array') {
    if (items === undefined) refuseRequest(`* ${at}.items: missing field.\n`)
    // Reported of gemini-3.8-flash, which says nothing more: vercel/ai#21192, googleapis/python-genai#2170.
    if (typeOf(items ?? {}) === 'object' && ('minItems' in node || 'maxItems' in node)) refuseRequest()
  }
  for (const [index, name] of required.entries())
    if (!Object.hasOwn(properties, name)) refuseRequest(`* ${at}.required[${index}]: property is not defined\n`)
  for (const [name, inner] of Object.entries(properties)) checkNode(inner, `${at}.properties[${name}]`)
  if (items !== undefined) checkNode(items, `${at}.items`)
}

function typeOf({ type }: Node): string {
  return String([type ?? ''].flat()[0]).toLowerCase()
}
