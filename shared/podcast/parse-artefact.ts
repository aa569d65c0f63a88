import type * as z from 'zod'

/** What is wrong with a stored artefact that its schema cannot read: the first places. */
export type Damaged = { readonly damaged: readonly { readonly path: string; readonly message: string }[] }

export function isDamaged(made: object): made is Damaged {
  return 'damaged' in made
}

const ISSUES_MAX = 5

/** The text of a stored artefact as its schema reads it, or what is wrong with it. */
export function parseArtefact<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): { readonly data: z.infer<Schema> } | Damaged {
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return { data: parsed.data }
  return {
    damaged: parsed.error.issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({ path: path.join('.'), message })),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
