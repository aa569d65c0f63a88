import type { Progress } from '../resilience/call-context.ts'
import type { Clock } from './ports.ts'
import { QUIET_MS_MAX } from './limits.ts'

/**
 * Whether an attempt goes forward: bytes moved, a service answered, a step said what it is at. What may rightly take
 * longer than `QUIET_MS_MAX` in silence, such as a provider's answer, says for how long at most. An attempt that is quiet
 * for longer hangs, whatever in.
 */
export class AttemptProgress implements Progress {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #madeAtMs: number
  /** Until when something that is waited for may be silent. */
  readonly #expected = new Map<symbol, number>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
    this.#madeAtMs = clock.monotonicMs()
  }

  readonly advance = (): void => {
    this.#madeAtMs = this.#clock.monotonicMs()
  }

  readonly expectQuiet = (mostMs: number): (() => void) => {
    const one = Symbol('quiet')
    this.#expected.set(one, this.#clock.monotonicMs() + mostMs)
    return () => {
      if (this.#expected.delete(one)) this.advance()
    }
  }

  /** Nothing was heard for longer than it may be. */
  get hangs(): boolean {
    const nowMs = this.#clock.monotonicMs()
    const untilMs = Math.max(this.#madeAtMs, ...this.#expected.values())
    return nowMs > untilMs + QUIET_MS_MAX
  }
}
