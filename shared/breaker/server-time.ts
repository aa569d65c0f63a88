import type { Clock } from './clock.ts'

/** The time by the store's clock, the one clock that all instances have in common, as this instance knows it. */
export class ServerTime {
  readonly #clock: Clock
  /** What turns this instance's monotonic time into the store's. */
  offsetMs: number

  /** Until the store has said what time it is there, this machine's own clock must do. */
  constructor(clock: Clock) {
    this.#clock = clock
    this.offsetMs = clock.wallMs() - clock.monotonicMs()
  }

  get nowMs(): number {
    return this.#clock.monotonicMs() + this.offsetMs
  }

  /** The store's clock said `serverMs` at some moment since `fromMs`: kept as it is unless that cannot be. */
  learn(serverMs: number, fromMs: number): void {
    // A time that is none would leave this instance without any.
    if (!Number.isFinite(serverMs)) return
    const [least, most] = [serverMs - this.#clock.monotonicMs(), serverMs - fromMs]
    if (this.offsetMs < least || this.offsetMs > most) this.offsetMs = (least + most) / 2
  }
}
