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

/** What the bytes of an answer say in JSON. @throws SyntaxError */
export function jsonOf(bytes: Buffer): unknown {
  // A byte order mark is no part of JSON, and may be ignored (RFC 8259, 8.1).
  return JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''))
}

/** The first place where a value is not what its schema says. */
export function whatIsWrong({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? 'something'}: ${issue?.message ?? ''}`
}
