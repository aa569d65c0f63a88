import { performance } from 'node:perf_hooks'

import { withDeadline } from '../../resilience/deadline.ts'

/** What a check found. */
export type Finding = {
  status: 'pass' | 'warn' | 'fail'
  observedValue?: string | number
  observedUnit?: string
  /** What is wrong, for an operator. */
  output?: string
  /** What people notice of it, when it is not a pass. */
  meaning?: string
}

/** Findings by the component they are about; most checks are about one. */
export type Findings = Record<string, Finding>

/** One thing to look at. */
export type Check = {
  /** `component:measurement`, as health+json names them. */
  name: string
  componentType: 'datastore' | 'component' | 'system'
  /** Without it the service is down, and not merely less than it could be. */
  critical: boolean
  /** How long what was found stands: for a pass, and for anything else. */
  freshMs: { pass: number; other: number }
  /** What people notice when it cannot be found out. */
  meaning: string
  look: (signal: AbortSignal) => Promise<Findings>
}

export type Looked = { findings: Findings; atMs: number }

/** What one look found, and whether it is to be remembered. */
type Seen = { findings: Findings; stands: boolean }

/** What a process knows of itself. */
export type OwnProcess = {
  /** Since it was started, in ms. */
  ageMs: () => number
  /** @returns what gives the share of the time since then in which the event loop was at work, 0 to 1 */
  watchLoop: () => () => number
}

const THIS_PROCESS: OwnProcess = {
  ageMs: () => performance.now(),
  watchLoop: () => {
    const from = performance.eventLoopUtilization()
    return () => performance.eventLoopUtilization(from).utilization
  },
}

/** So long a process may take to load its clients and connect: whom it has not seen by then is not known, and not dead. */
export const STARTING_MS = 10_000
/** A loop at work for more than this share of a look hears answers late, and its own deadlines early. */
const BUSY_SHARE = 0.9

/**
 * Looks at one thing, for everybody who asks at the same time, and remembers what it saw for a while. Whoever asks
 * waits no longer than `waitMs`; looking ends with that, too, or when the process has started. What was not seen
 * because we had just started, or were busy ourselves, is nobody's death: it is told as that, and not remembered.
 */
export class Lookout {
  readonly #check: Check
  readonly #now: () => number
  readonly #own: OwnProcess
  #known: Looked | undefined
  #looking: Promise<Looked> | undefined

  constructor(check: Check, now: () => number, own: OwnProcess = THIS_PROCESS) {
    this.#check = check
    this.#now = now
    this.#own = own
  }

  get check(): Check {
    return this.#check
  }

  async look(waitMs: number): Promise<Looked> {
    if (this.#known !== undefined && this.#isFresh(this.#known)) return this.#known
    const limitMs = Math.max(waitMs, STARTING_MS - this.#own.ageMs())
    this.#looking ??= this.#lookNow(limitMs).finally(() => (this.#looking = undefined))
    const unseen = () => ({ findings: describeUnseen('just started', 'no answer yet'), atMs: this.#now() })
    // A look itself does not fail: what does not come is late.
    return withDeadline(this.#check.name, waitMs, this.#looking).catch(unseen)
  }

  #isFresh({ findings, atMs }: Looked): boolean {
    const passes = Object.values(findings).every(({ status }) => status === 'pass')
    return this.#now() - atMs < this.#check.freshMs[passes ? 'pass' : 'other']
  }

  async #lookNow(limitMs: number): Promise<Looked> {
    const { look, critical, meaning } = this.#check
    const busyShare = this.#own.watchLoop()
    const limit = new AbortController()
    const judge = (output: string, isLate: boolean): Seen => {
      const excuse = this.#excuse(busyShare())
      if (excuse !== undefined && (isLate || critical))
        return { findings: describeUnseen(excuse, output), stands: false }
      return { findings: { '': { status: critical ? 'fail' : 'warn', output, meaning } }, stands: true }
    }
    const found = Promise.resolve(limit.signal)
      .then(look)
      .then(
        (findings): Seen => ({ findings, stands: true }),
        (error: unknown) => judge(error instanceof Error ? error.message : 'unknown failure', false),
      )
    const { findings, stands } = await withDeadline(this.#check.name, limitMs, found).catch(() =>
      judge(`no answer within ${limitMs} ms`, true),
    )
    limit.abort(new Error('the time for looking is up'))
    const looked = { findings, atMs: this.#now() }
    if (stands) this.#known = looked
    return looked
  }

  /** Why nothing was seen, when that says nothing of what was looked at. */
  #excuse(busyShare: number): string | undefined {
    if (this.#own.ageMs() < STARTING_MS) return 'just started'
    return busyShare > BUSY_SHARE ? 'this instance is busy' : undefined
  }
}

function describeUnseen(excuse: string, output: string): Findings {
  return { '': { status: 'warn', output: `${excuse}: ${output}` } }
}
