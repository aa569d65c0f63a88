import type * as z from 'zod'

/** What a text says in JSON, or undefined when it is none, or not what `schema` says. */
export function parseJson<T>(schema: z.ZodType<T>, body: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(body))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
