const RAISE_EVERY_MS = 10_000

/**
 * How many calls of one kind this instance makes at once. There is no limit until the other side says that it was too
 * many: then half of what was under way, and from there one more for every ten seconds in which calls succeeded
 * (additive increase, multiplicative decrease). Nobody waits in line: who finds no place comes back later.
 */
export class ConcurrencyLimit {
  readonly #now: () => number
  #underWay = 0
  #most = Number.POSITIVE_INFINITY
  /** Where calls were too many; the limit is forgotten once it has grown beyond. */
  #tooMany = 0
  #changedAtMs = 0

  /** @param now milliseconds, for how long ago something was */
  constructor(now: () => number) {
    this.#now = now
  }

  get most(): number {
    return this.#most
  }

  /** @returns gives the place back; undefined when there is none */
  enter(): (() => void) | undefined {
    if (this.#underWay >= this.#most) return undefined
    this.#underWay++
    return () => void this.#underWay--
  }

  /** A call was refused because there were too many. */
  lower(): void {
    this.#tooMany = this.#underWay
    this.#most = Math.max(1, Math.floor(this.#underWay / 2))
    this.#changedAtMs = this.#now()
  }

  /** A call went through. */
  countSuccess(): void {
    if (this.#most === Number.POSITIVE_INFINITY || this.#now() - this.#changedAtMs < RAISE_EVERY_MS) return
    this.#most = this.#most >= this.#tooMany ? Number.POSITIVE_INFINITY : this.#most + 1
    this.#changedAtMs = this.#now()
  }
}
