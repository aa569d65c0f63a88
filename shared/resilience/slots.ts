/** All places are taken, and so is the line before them. */
export class LineFull extends Error {
  override readonly name = 'LineFull'

  constructor() {
    super('all places are taken, and so is the line')
  }
}

type Waiting = { readonly person: string; readonly grant: () => void; readonly refuse: (reason: Error) => void }

/** So many people's last turns are remembered; who is not among them has waited longest. */
const REMEMBERED_MAX = 1_000

/**
 * A fixed number of places, shared fairly between people: a place that becomes free goes to who holds fewest, then to
 * whose last turn is longest ago, then to who came first. Who waits leaves the line when its signal aborts; from a line
 * of bounded length, whoever would be served last is sent away. With `perPersonMax`, a person holds no more places than
 * that, even when others are free: somebody else who comes finds one.
 */
export class Slots {
  readonly #lineMax: number
  readonly #perPersonMax: number
  #free: number
  readonly #line = new Set<Waiting>()
  readonly #held = new Map<string, number>()
  /** Turns by when they were given, the latest last. */
  readonly #turns = new Map<string, number>()
  #turn = 0

  constructor(count: number, { lineMax = Infinity, perPersonMax = Infinity } = {}) {
    this.#free = count
    this.#lineMax = lineMax
    this.#perPersonMax = perPersonMax
  }

  /** @returns gives the place back; @throws the signal's reason, LineFull */
  async take(person: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#mayGive(person)) this.#give(person)
    else await this.#wait(person, signal)
    let given = false
    return () => {
      if (given) return
      given = true
      this.#giveBack(person)
    }
  }

  #wait(person: string, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#line.delete(one)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = () => one.refuse(signal.reason as Error)
      const one: Waiting = {
        person,
        grant: () => {
          leave()
          this.#give(person)
          resolve()
        },
        refuse: (reason) => {
          leave()
          reject(reason)
        },
      }
      this.#line.add(one)
      signal.addEventListener('abort', onAbort, { once: true })
      if (this.#line.size > this.#lineMax) this.#last()?.refuse(new LineFull())
    })
  }

  #mayGive(person: string): boolean {
    return this.#free > 0 && (this.#held.get(person) ?? 0) < this.#perPersonMax
  }

  #give(person: string): void {
    this.#free--
    this.#held.set(person, (this.#held.get(person) ?? 0) + 1)
    this.#turns.delete(person)
    this.#turns.set(person, ++this.#turn)
    const [oldest] = this.#turns.keys()
    if (this.#turns.size > REMEMBERED_MAX && oldest !== undefined) this.#turns.delete(oldest)
  }

  #giveBack(person: string): void {
    this.#free++
    const left = (this.#held.get(person) ?? 1) - 1
    if (left > 0) this.#held.set(person, left)
    else this.#held.delete(person)
    this.#first()?.grant()
  }

  #first(): Waiting | undefined {
    let first: Waiting | undefined
    for (const one of this.#line)
      if (this.#mayGive(one.person) && (first === undefined || this.#compare(one, first) < 0)) first = one
    return first
  }

  #last(): Waiting | undefined {
    let last: Waiting | undefined
    for (const one of this.#line) if (last === undefined || this.#compare(one, last) >= 0) last = one
    return last
  }

  /** Negative when `a` is served before `b`, 0 when whoever came first is. */
  #compare(a: Waiting, b: Waiting): number {
    const placesOf = ({ person }: Waiting) => this.#held.get(person) ?? 0
    const lastTurnOf = ({ person }: Waiting) => this.#turns.get(person) ?? 0
    return placesOf(a) - placesOf(b) || lastTurnOf(a) - lastTurnOf(b)
  }
}
