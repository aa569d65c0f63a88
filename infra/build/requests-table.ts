import * as z from 'zod'

import { FUNCTIONS } from '../../functions/functions.ts'
import type { FunctionName } from '../../functions/functions.ts'
import { REQUESTS } from '../../functions/requests.ts'
import { SHARED_BREAKERS } from '../../shared/dependencies/config.ts'
import { overrideRequest } from '../../shared/operations/breakers.ts'
import { table } from './markdown-table.ts'

/** What requests of people and operators may contain, by function. */
const SCHEMAS: Readonly<Partial<Record<FunctionName, z.ZodObject>>> = {
  ...REQUESTS,
  'ops-breakers': overrideRequest(SHARED_BREAKERS),
}

type JsonSchema = {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly pattern?: string
}

/** One row for each field: where it is, what it may be, what counts where it is absent, what it means. */
export function requestsTable(): string {
  const told = new Map<string, string>()
  const rows = Object.entries(SCHEMAS).flatMap(([name, schema]) => {
    const place = FUNCTIONS[name as FunctionName].input === 'json' ? 'body' : 'query'
    const fields = describeFields(name, toJson(schema, 'input'), toJson(schema, 'output'), '', told)
    const cells = fields.length === 0 ? [['none', '', '', '']] : fields
    return cells.map((cell, index) => [index === 0 ? `\`${name}\` (${place})` : '', ...cell])
  })
  return table(['Function', 'Field', 'Type and limits', 'When absent', 'What it is'], rows)
}

/** @param io `input`: which fields must be there; `output`: their limits after they were tidied */
function toJson(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema
}

function describeFields(
  name: string,
  sent: JsonSchema,
  taken: JsonSchema,
  prefix: string,
  told: Map<string, string>,
): string[][] {
  return Object.entries(sent.properties ?? {}).flatMap(([field, asSent]) => {
    const asTaken = taken.properties?.[field]
    const limits = asTaken?.type === undefined && asTaken?.enum === undefined ? asSent : asTaken
    const absent = describeAbsence(asSent.default ?? asTaken?.default, sent.required?.includes(field) === true)
    const row = (type: string) => [`\`${prefix}${field}\``, type, absent, asSent.description ?? '']
    if (asSent.properties === undefined) return [row(describeType(limits))]
    const inner = JSON.stringify(asSent.properties)
    const before = told.get(inner)
    if (before !== undefined) return [row(`as in \`${before}\``)]
    told.set(inner, name)
    return [row('object'), ...describeFields(name, asSent, limits, `${prefix}${field}.`, told)]
  })
}

function describeAbsence(byDefault: unknown, isRequired: boolean): string {
  if (isRequired) return 'refused'
  return byDefault === undefined || typeof byDefault === 'object' ? '' : `\`${JSON.stringify(byDefault)}\``
}

function describeType(schema: JsonSchema): string {
  const { type = 'any', minimum, maximum, exclusiveMinimum, minLength, maxLength, pattern, items, maxItems } = schema
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (items !== undefined) return `list of at most ${maxItems} of ${describeType(items)}`
  const from = exclusiveMinimum === undefined ? minimum : `over ${exclusiveMinimum}`
  const number = type === 'integer' || type === 'number'
  if (number) return `${type === 'integer' ? 'whole number' : 'number'}, ${inWords(from)} to ${inWords(maximum)}`
  if (type !== 'string') return type
  if (pattern !== undefined) return `text like \`${pattern}\``
  return `text, ${minLength ?? 0} to ${inWords(maxLength)} characters`
}

function inWords(bound: number | string | undefined): string {
  return typeof bound === 'number' ? bound.toLocaleString('en-US') : String(bound)
}
