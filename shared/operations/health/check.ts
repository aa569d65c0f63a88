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

/**
 * Looks at one thing, for everybody who asks at the same time, and remembers what it saw for a while. Whoever asks
 * waits no longer than `waitMs`; looking ends with that, too.
 */
export class Lookout {
  readonly #check: Check
  readonly #now: () => number
  #known: Looked | undefined
  #looking: Promise<Looked> | undefined

  constructor(check: Check, now: () => number) {
    this.#check = check
    this.#now = now
  }

  get check(): Check {
    return this.#check
  }

  async look(waitMs: number): Promise<Looked> {
    if (this.#known !== undefined && this.#isFresh(this.#known)) return this.#known
    this.#looking ??= this.#lookNow(waitMs).finally(() => (this.#looking = undefined))
    return this.#looking
  }

  #isFresh({ findings, atMs }: Looked): boolean {
    const passes = Object.values(findings).every(({ status }) => status === 'pass')
    return this.#now() - atMs < this.#check.freshMs[passes ? 'pass' : 'other']
  }

  async #lookNow(waitMs: number): Promise<Looked> {
    const { look, critical, meaning } = this.#check
    const limit = new AbortController()
    const describeFailure = (output: string): Findings => ({
      '': { status: critical ? 'fail' : 'warn', output, meaning },
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Findings>((resolve) => {
      timer = setTimeout(() => {
        resolve(describeFailure(`no answer within ${waitMs} ms`))
        limit.abort(new Error('the time for looking is up'))
      }, waitMs)
    })
    const found = Promise.resolve(limit.signal)
      .then(look)
      .catch((error: unknown) => describeFailure(error instanceof Error ? error.message : 'unknown failure'))
    try {
      return (this.#known = { findings: await Promise.race([found, late]), atMs: this.#now() })
    } finally {
      clearTimeout(timer)
    }
  }
}
