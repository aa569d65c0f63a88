import { atOnce } from './at-once.ts'
import { differences } from './difference.ts'
import { isSettling } from './kinds/absent.ts'
import { KIND_NAMES } from './resource.ts'
import type { Found, Kind, KindName, Kinds, Resource } from './resource.ts'

/** One thing that is to be done. */
export type Step =
  | { action: 'create'; resource: Resource }
  | { action: 'change'; resource: Resource; found: Found; paths: string[] }
  | { action: 'remove'; kind: KindName; found: Found }

/** What was done, as it happens. */
export type Told = { step: Step; outcome: 'done' } | { step: Step; outcome: 'failed'; error: unknown }

const AT_ONCE = 8

/** How long to wait for what was just made to be known everywhere. */
type Patience = { triesMax: number; waitMs: number }
const PATIENCE: Patience = { triesMax: 30, waitMs: 10_000 }

/**
 * What must be done for everything to be as it must be. Looks and changes nothing.
 * @throws what the APIs throw, but for what is not there yet
 */
export async function plan(kinds: Kinds, desired: readonly Resource[]): Promise<Step[]> {
  const steps: Step[] = []
  for (const name of KIND_NAMES) {
    const kind = kinds[name]
    const wanted = desired.filter((resource) => resource.kind === name)
    const found = await lookAt(kind, wanted)
    wanted.forEach((resource, i) => {
      const step = stepOf(resource, found[i])
      if (step !== undefined) steps.push(step)
    })
    for (const left of await listLeftOver(kind, () => found)) steps.push({ action: 'remove', kind: name, found: left })
  }
  return steps
}

/** What makes one thing as it must be. */
type Making = Exclude<Step, { action: 'remove' }>

function stepOf(resource: Resource, found: Found | undefined): Making | undefined {
  if (found === undefined) return { action: 'create', resource }
  const paths = differences(resource.fields, found.fields)
  return paths.length === 0 ? undefined : { action: 'change', resource, found, paths }
}

/**
 * Makes everything as it must be, kind after kind, and looks at each thing right before it is changed: what an earlier
 * deployment that broke off has done is not done again. What fails stops no other of its kind; later kinds are not begun.
 * @returns whether everything is as it must be
 */
export async function apply(
  kinds: Kinds,
  desired: readonly Resource[],
  tell: (told: Told) => void,
  patience: Patience = PATIENCE,
): Promise<boolean> {
  for (const name of KIND_NAMES) {
    const kind = kinds[name]
    const wanted = desired.filter((resource) => resource.kind === name)
    let failed = false
    const carryOut = async (step: Step, work: () => Promise<void>) => {
      try {
        await work()
        tell({ step, outcome: 'done' })
      } catch (error) {
        failed = true
        tell({ step, outcome: 'failed', error })
      }
    }
    for (const rank of ranks(wanted)) {
      await atOnce(
        kind.atOnce ?? AT_ONCE,
        wanted.filter((resource) => (resource.rank ?? 0) === rank),
        async (resource) => {
          const found = await tryToRead(kind, resource, (error) => {
            failed = true
            tell({ step: { action: 'create', resource }, outcome: 'failed', error })
          })
          if (found === 'unknown') return
          const step = stepOf(resource, found)
          if (step !== undefined) await carryOut(step, () => patiently(patience, () => makeChange(kind, step)))
        },
      )
      // What comes after may need what failed, such as webhooks that must know a secret before it is used.
      if (failed) return false
    }
    // Looked at again: what was just made has its name only now.
    for (const left of await listLeftOver(kind, () => lookAt(kind, wanted)))
      await carryOut({ action: 'remove', kind: name, found: left }, async () => kind.remove?.(left))
    if (failed) return false
  }
  return true
}

/** Removes everything that holds no data, the last made first. @returns whether all of it is gone */
export async function destroy(
  kinds: Kinds,
  desired: readonly Resource[],
  tell: (told: Told) => void,
): Promise<boolean> {
  let complete = true
  for (const name of KIND_NAMES.toReversed()) {
    const kind = kinds[name]
    const { remove } = kind
    if (remove === undefined) continue
    const wanted = desired.filter((resource) => resource.kind === name)
    const found = await lookAt(kind, wanted)
    const all = new Map([...found, ...((await kind.list?.()) ?? [])].flatMap((one) => (one ? [[one.name, one]] : [])))
    await atOnce(kind.atOnce ?? AT_ONCE, [...all.values()], async (one) => {
      const step: Step = { action: 'remove', kind: name, found: one }
      try {
        await remove(one)
        tell({ step, outcome: 'done' })
      } catch (error) {
        complete = false
        tell({ step, outcome: 'failed', error })
      }
    })
    if (!complete) return false
  }
  return true
}

async function patiently({ triesMax, waitMs }: Patience, work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work()
      return
    } catch (error) {
      if (tries >= triesMax || !isSettling(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

async function makeChange(kind: Kind, step: Making): Promise<void> {
  if (step.action === 'create') return kind.create(step.resource)
  const changed = [...new Set(step.paths.map((path) => path.split(/[.[]/)[0] ?? ''))]
  if (kind.update === undefined)
    throw new Error(`${step.resource.name} cannot be changed (${step.paths.join(', ')}): remove it first`)
  return kind.update(step.resource, step.found, changed)
}

async function tryToRead(kind: Kind, resource: Resource, failed: (error: unknown) => void) {
  try {
    return await kind.read(resource)
  } catch (error) {
    failed(error)
    return 'unknown' as const
  }
}

function lookAt(kind: Kind, wanted: readonly Resource[]): Promise<(Found | undefined)[]> {
  return atOnce(kind.atOnce ?? AT_ONCE, wanted, (resource) => kind.read(resource))
}

/** What bears our mark, may be removed, and is none of what is wanted. */
async function listLeftOver(
  kind: Kind,
  findWanted: () => readonly (Found | undefined)[] | Promise<readonly (Found | undefined)[]>,
): Promise<Found[]> {
  const marked = kind.remove ? ((await kind.list?.()) ?? []) : []
  if (marked.length === 0) return []
  const known = new Set((await findWanted()).map((one) => one?.name))
  return marked.filter(({ name }) => !known.has(name))
}

function ranks(wanted: readonly Resource[]): number[] {
  return [...new Set(wanted.map(({ rank }) => rank ?? 0))].toSorted((a, b) => a - b)
}
