import { STAND_IN_NOTICE } from '../stand-in.ts'

/** As much of a JSON Schema, or of Gemini's own upper-case dialect of it, as decides the shape of an answer. */
export type AnswerSchema = {
  type?: string | string[]
  enum?: unknown[]
  properties?: Record<string, AnswerSchema>
  items?: AnswerSchema
  minItems?: number | string
  maxItems?: number | string
  minimum?: number
}

export type Passage = { startSeconds: number; text: string }

const STOP_WORDS = new Set(
  'about and are ask but can did does for from had has have her his how its not our she that the their them then they this was were what when which who will with you your'.split(
    ' ',
  ),
)
const CHAPTERS_MAX = 5
const TAGS_MAX = 6

/** An answer that fits the schema, made from the passages it is asked about. */
export function answerSchema(schema: AnswerSchema, passages: readonly Passage[], name = '', index = 0): unknown {
  if (schema.enum?.length) return schema.enum[0]
  switch (String([schema.type ?? 'string'].flat()[0]).toLowerCase()) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, answerSchema(inner, passages, key, index)]),
      )
    case 'array':
      return list(schema, passages, name)
    case 'number':
    case 'integer':
      return /second|start|time/i.test(name)
        ? (passages[index]?.startSeconds ?? 0)
        : Math.max(schema.minimum ?? 0, index)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return sentence(name, passages, index)
  }
}

function list(schema: AnswerSchema, passages: readonly Passage[], name: string): unknown[] {
  const items = schema.items ?? { type: 'string' }
  const most = Number(schema.maxItems ?? Infinity)
  if (items.type && String([items.type].flat()[0]).toLowerCase() === 'string') {
    const words = keywords(passages).slice(0, Math.min(TAGS_MAX, most))
    return words.length > 0 ? words : [name || 'episode']
  }
  const count = Math.max(Number(schema.minItems ?? 0), Math.min(CHAPTERS_MAX, most, passages.length))
  const stride = Math.max(1, Math.floor(passages.length / Math.max(1, count)))
  return Array.from({ length: count }, (_unused, position) => answerSchema(items, passages, name, position * stride))
}

function sentence(name: string, passages: readonly Passage[], index: number): string {
  if (/title|headline|name/i.test(name)) return firstWords(passages[index]?.text ?? '', 8) || 'Untitled'
  if (/description|summary|notes/i.test(name)) {
    const opening = passages
      .slice(0, 3)
      .map(({ text }) => text)
      .join(' ')
    return `In this episode: ${firstWords(opening, 60)} (Notes ${STAND_IN_NOTICE}.)`
  }
  return firstWords(passages[index]?.text ?? '', 12) || STAND_IN_NOTICE
}

/** The words that come up most, longest first among equals. */
function keywords(passages: readonly Passage[]): string[] {
  const counts = new Map<string, number>()
  for (const word of passages.flatMap(({ text }) => text.toLowerCase().match(/\p{L}{3,}/gu) ?? []))
    if (!STOP_WORDS.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].toSorted(([a, x], [b, y]) => y - x || b.length - a.length).map(([word]) => word)
}

function firstWords(text: string, count: number): string {
  return text
    .split(/\s+/)
    .slice(0, count)
    .join(' ')
    .replace(/[,;:]$/, '')
}
