/**
 * How many of its requests an instance may repeat, so that an outage is not answered with more load: one repeat is earned
 * by ten requests, and one may be in hand. Who has none left leaves the repeat to the queue.
 */
export class RetryBudget {
  readonly #requestsPerRepeat: number
  #earned = 0

  /** @param requestsPerRepeat 0: every repeat is granted */
  constructor(requestsPerRepeat = 10) {
    this.#requestsPerRepeat = requestsPerRepeat
  }

  /** A request that is not a repeat was sent. */
  countRequest(): void {
    this.#earned = Math.min(this.#requestsPerRepeat, this.#earned + 1)
  }

  /** @returns whether one request may be repeated */
  spend(): boolean {
    if (this.#earned < this.#requestsPerRepeat) return false
    this.#earned -= this.#requestsPerRepeat
    return true
  }
}
