import type { Fields } from './resource.ts'
import type { Step, Told } from './reconcile.ts'

const SIGNS = { create: '+', change: '~', remove: '-' } as const
const VALUE_CHARS_MAX = 60

/** One line of a plan. What a secret holds is never told. */
export function lineOf(step: Step): string {
  if (step.action === 'remove') return `${SIGNS.remove} ${step.kind.padEnd(15)} ${step.found.name}`
  const { resource } = step
  const head = `${SIGNS[step.action]} ${resource.kind.padEnd(15)} ${resource.name}`
  if (step.action === 'create') return resource.reason === undefined ? head : `${head}  (${resource.reason})`
  if (resource.kind === 'secretVersion') return `${head}: a new version`
  const changes = step.paths.map(
    (path) => `${path}: ${showValue(at(step.found.fields, path))} -> ${showValue(at(resource.fields, path))}`,
  )
  return `${head}: ${changes.join(', ')}`
}

export function outcomeOf(told: Told): string {
  if (told.outcome === 'done') return `done    ${lineOf(told.step)}`
  const message = told.error instanceof Error ? told.error.message : String(told.error)
  return `FAILED  ${lineOf(told.step)}\n        ${message.slice(0, 500)}`
}

export function summaryOf(steps: readonly Step[]): string {
  if (steps.length === 0) return 'nothing to do: everything is as it must be'
  const count = (action: Step['action']) => steps.filter((step) => step.action === action).length
  return `${count('create')} to create, ${count('change')} to change, ${count('remove')} to remove`
}

function at(fields: Fields, path: string): unknown {
  let value: unknown = fields
  for (const key of path.split(/[.[\]]+/).filter((part) => part !== ''))
    value = typeof value === 'object' && value !== null ? (value as Fields)[key] : undefined
  return value
}

function showValue(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString() : (JSON.stringify(value) ?? 'nothing')
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text
}
