import { expect, vi } from 'vitest'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'

/**
 * How often an episode was healed. The product repairs itself, so "it became ready" says little: these are its own
 * counters, read from the lines of its log.
 */
export type Healing = {
  /** Deliveries of tasks that had been delivered before. */
  redeliveries: number
  /** What sweeps did: steps given to another attempt, finished from storage, or ended. */
  cures: number
  /** Attempts that found that the step was another's by then. */
  stepsFenced: number
  /** Attempts that began and neither settled nor were fenced: killed, or ended half-way. */
  attemptsLost: number
  /** Attempts that ended in a failure, and were tried again or ended the episode. */
  failures: number
  /** Attempts that went on to another provider. */
  passedOn: number
  /** Attempts that ended in waiting for a service that could not be used. */
  waits: number
  /** Attempts by step; a job that is asked for once more counts once more. */
  claims: Record<string, number>
}

/** Nothing went wrong, and nobody had to help. */
const GOOD_DAY = { redeliveries: 0, cures: 0, stepsFenced: 0, attemptsLost: 0, failures: 0, passedOn: 0, waits: 0 }

const QUIET_TIMEOUT_MS = 30_000
/** How long a line may take through a pipe once its process has answered. */
const PIPE_MS = 50

type Line = {
  event: string
  episodeId: string
  time?: string
  step?: string
  generation?: number
  dispatch?: number
  outcome?: string
  status?: string
  action?: string
  reason?: string
  dryRun?: boolean
}

/** The lines that functions wrote about episodes. */
export class EpisodeLines {
  readonly #lines = new Map<string, Line[]>()

  /** Takes one line of a process; whatever surrounds its JSON, and what is no JSON, is left out. */
  hear(text: string): void {
    const line = parseLine(text)
    if (line === undefined) return
    const known = this.#lines.get(line.episodeId)
    if (known === undefined) this.#lines.set(line.episodeId, [line])
    else known.push(line)
  }

  of(episodeId: string): readonly Line[] {
    return this.#lines.get(episodeId) ?? []
  }
}

function parseLine(text: string): Line | undefined {
  if (!/"event":"(step|episode|sweep)\./.test(text)) return undefined
  try {
    const { event, episodeId, ...more } = JSON.parse(text.slice(text.indexOf('{'))) as Partial<Line>
    return event === undefined || episodeId === undefined ? undefined : { ...more, event, episodeId }
  } catch {
    return undefined
  }
}

const linesByCloud = new WeakMap<LocalCloud, EpisodeLines>()

export function rememberLines(cloud: LocalCloud, lines: EpisodeLines): void {
  linesByCloud.set(cloud, lines)
}

/** The lines of a cloud's functions; where somebody else runs those, they are to be told what they say. */
export function linesOf(cloud: LocalCloud): EpisodeLines {
  const lines = linesByCloud.get(cloud)
  if (lines === undefined) throw new Error('nobody listens to this cloud')
  return lines
}

/**
 * What it took until an episode was ready, as its functions told it. Waits until the last of them has said so and no
 * task of the episode is under way or waits for another delivery.
 */
export async function healingOf(cloud: LocalCloud, episodeId: string): Promise<Healing> {
  const lines = linesOf(cloud)
  await vi.waitFor(
    () => {
      if (!saysReady(lines.of(episodeId))) throw new Error('no line says that the episode is ready')
      const busy = tasksUnderWay(cloud, episodeId)
      if (busy.length > 0) throw new Error(`tasks under way: ${busy.join(', ')}`)
    },
    { timeout: QUIET_TIMEOUT_MS, interval: 20 },
  )
  await new Promise((resolve) => setTimeout(resolve, PIPE_MS))
  return countHealing(lines.of(episodeId))
}

/**
 * Asserts that an episode became ready on its own: no sweep acted, no task was delivered again, no attempt was lost.
 * @param provoked what the test itself has caused, in place of none
 */
export async function expectUnaided(
  cloud: LocalCloud,
  episodeId: string,
  provoked: Partial<Healing> = {},
): Promise<void> {
  const healing = await healingOf(cloud, episodeId)
  const story = linesOf(cloud).of(episodeId).map(inShort).join('\n')
  expect(healing, `${episodeId}\n${story}\n`).toMatchObject({ ...GOOD_DAY, ...provoked })
}

function inShort({ time, event, step, generation, dispatch, outcome, reason }: Line): string {
  const task = generation === undefined ? step : `${step} g${generation} d${dispatch}`
  return [time, event, task, outcome, reason].filter((part) => part !== undefined).join(' ')
}

/** A number between two, both included: for what the test provoked, and cannot know exactly. */
export function between(least: number, most: number): number {
  return expect.toSatisfy(
    (value: unknown) => typeof value === 'number' && value >= least && value <= most,
    `between ${least} and ${most}`,
  ) as number
}

/** What the lines of an episode tell of its healing so far. */
export function countHealing(lines: readonly Line[]): Healing {
  const count = (holds: (line: Line) => boolean) => lines.filter(holds).length
  const settled = (...outcomes: string[]) =>
    count(({ event, outcome = '' }) => event === 'step.settled' && outcomes.includes(outcome))
  const started = lines.filter(({ event }) => event === 'step.started')
  const stepsFenced = count(({ event }) => event === 'step.fenced')
  const claims = Map.groupBy(started, ({ step = '' }) => step)
  return {
    redeliveries: count(({ event }) => event === 'step.redelivered'),
    cures: count(({ event, dryRun }) => event === 'sweep.decided' && dryRun !== true),
    stepsFenced,
    attemptsLost: started.length - count(({ event }) => event === 'step.settled') - stepsFenced,
    failures: settled('tryAgain', 'failed'),
    passedOn: settled('passedOver', 'passedOverAway', 'cameBack', 'gaveBack'),
    waits: settled('waiting'),
    claims: Object.fromEntries([...claims].map(([step, attempts]) => [step, attempts.length])),
  }
}

/** Whether the generation that was begun last has told that the episode is ready. */
function saysReady(lines: readonly Line[]): boolean {
  const newest = Math.max(0, ...lines.map(({ generation = 0 }) => generation))
  return lines.some(
    ({ event, status, action, generation }) =>
      (event === 'step.settled' && status === 'ready' && generation === newest) ||
      (event === 'sweep.decided' && action === 'finish'),
  )
}

/** Tasks of an episode that are being delivered, or wait for another delivery. */
export function tasksUnderWay(cloud: LocalCloud, episodeId: string): string[] {
  return [...cloud.dispatcher.queues.values()].flatMap((queue) =>
    [...queue.tasks.values(), ...queue.finished.values().filter(({ running }) => running)]
      .filter(({ name, running, dispatchCount }) => name.includes(episodeId) && (running || dispatchCount > 0))
      .map(({ name, dispatchCount }) => `${name.slice(name.lastIndexOf('/') + 1)} (${dispatchCount} deliveries)`),
  )
}
