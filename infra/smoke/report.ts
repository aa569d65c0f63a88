import { compareShapes, shapeOf } from './shape.ts'
import type { Exchange } from './recorder.ts'

/** What was seen of one provider: as it really is, and as its stand-in plays it. */
export type Seen = {
  readonly provider: string
  readonly real: readonly Exchange[]
  readonly standIn: readonly Exchange[]
  /** Words about each call that went wrong, or went well. */
  readonly notes: readonly string[]
}

/** How the real answers differ from the stand-in's, as sentences, question by question. */
export function differencesOf({ real, standIn }: Pick<Seen, 'real' | 'standIn'>): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const asked = new Set([...real, ...standIn].map(({ question }) => question))
  for (const question of asked) {
    const [ours, theirs] = [standIn, real].map((all) => all.filter((one) => one.question === question))
    const differences = compareAnswers(theirs ?? [], ours ?? [])
    if (differences.length > 0) found.set(question, differences)
  }
  return found
}

function compareAnswers(real: readonly Exchange[], standIn: readonly Exchange[]): string[] {
  if (real.length === 0) return ['was asked of the stand-in only']
  if (standIn.length === 0) return ['was asked of the real service only']
  const differences: string[] = []
  for (const [what, of] of [
    ['status', ({ status }: Exchange) => String(status)],
    ['content type', ({ contentType }: Exchange) => contentType || 'none'],
  ] as const) {
    const [theirs, ours] = [real, standIn].map((all) => [...new Set(all.map(of))].toSorted().join(' or '))
    if (theirs !== ours) differences.push(`${what}: really ${theirs}, here ${ours}`)
  }
  const shapes = [real, standIn].map((all) =>
    shapeOf(all.filter(({ status, body }) => status < 400 && body !== undefined).map(({ body }) => body)),
  )
  const [theirs, ours] = shapes
  return theirs && ours ? [...differences, ...compareShapes(theirs, ours)] : differences
}

/** The report, in Markdown. Nothing of what was answered is in it but names of fields and kinds of values. */
export function reportOf(all: readonly Seen[], at: Date): string {
  const parts = all.map((seen) => {
    const differences = [...differencesOf(seen)]
    const found = differences.map(
      ([question, lines]) => `### ${question}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`,
    )
    const told = seen.notes.map((note) => `- ${note}\n`).join('')
    return `## ${seen.provider}\n\n${told}\n${found.length === 0 ? 'No difference.\n' : found.join('\n')}`
  })
  const intro =
    'What the real services answered, beside what the stand-ins of the local cloud answer to the same requests.'
  return `# Smoke test of ${at.toISOString().slice(0, 10)}\n\n${intro}\n\n${parts.join('\n')}`
}
