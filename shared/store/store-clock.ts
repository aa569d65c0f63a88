/** One moment by this machine's two clocks. */
export type Moment = {
  /** Never goes back and never jumps; may stand still while the machine is suspended. */
  readonly monotonicMs: number
  /** Since 1970, as this machine believes. */
  readonly wallMs: number
}

export type StoreClockOptions = {
  /** This machine's clocks; tests bring their own. */
  readonly moment?: () => Moment
  /**
   * Hears once, and never again, that this machine's wall clock is wrong.
   * @param aheadMs of the store's; negative when it is behind
   */
  readonly onOff?: (aheadMs: number) => void
}

const SYSTEM_MOMENT = (): Moment => ({ monotonicMs: performance.now(), wallMs: Date.now() })

/** A monotonic clock is at most this much faster or slower than the store's: what a clock that is being slewed may be. */
const DRIFT = 500e-6
/** An estimate counts without a read for so long after an answer has agreed with it. */
const FRESH_MS = 600_000
/** What took longer agrees with any estimate. */
const ROUND_TRIP_MS_MAX = 2_000
/** Beyond this the machine's clocks disagree about how long ago that was: it was suspended, or its clock was set. */
const JUMP_MS = 1_000
/** A wall clock that is off by more is told. */
const OFF_MS = 5_000

/**
 * The store's time, the one clock that all machines have in common, as its answers tell it: each carries a time that lies
 * between its request and its arrival. Between answers this machine's monotonic clock counts.
 *
 * The estimate is a lower bound. It is never ahead of the store's own time, so that nobody's lease ends early by it; it
 * is behind by no more than the answer that it comes from was under way, and 0.05 % of the time since: by less than 2.4 s
 * while `isFresh`, which a lease's holder allows for (`ENTITLED_SHARE`). While the machine is suspended it falls behind:
 * `isFresh` says when to read before anything is decided.
 */
export class StoreClock {
  readonly #moment: () => Moment
  readonly #onOff: (aheadMs: number) => void
  /** The store's time was at least `storeMs` when the monotonic clock showed `monotonicMs`. */
  #bound: { readonly storeMs: number; readonly monotonicMs: number } | undefined
  /** When an answer came that agrees with the bound. */
  #heard: Moment | undefined
  #offMs: number | undefined

  constructor({ moment = SYSTEM_MOMENT, onOff = () => undefined }: StoreClockOptions = {}) {
    this.#moment = moment
    this.#onOff = onOff
  }

  /** Since 1970, in ms. Until the store has answered, what this machine believes. */
  readonly now = (): number => {
    const { monotonicMs, wallMs } = this.#moment()
    return Math.floor(this.#at(monotonicMs) ?? wallMs)
  }

  /** Whether `now` may decide without a read. */
  readonly isFresh = (): boolean => {
    if (this.#heard === undefined) return false
    const { monotonicMs, wallMs } = this.#moment()
    const agoMs = monotonicMs - this.#heard.monotonicMs
    return agoMs <= FRESH_MS && Math.abs(wallMs - this.#heard.wallMs - agoMs) <= JUMP_MS
  }

  /** How far this machine's wall clock was ahead of the store's when it was last found wrong; undefined: never. */
  readonly offMs = (): number | undefined => this.#offMs

  /** The moment at which something is asked of the store, for `learn`. */
  ask(): Moment {
    return this.#moment()
  }

  /**
   * Takes in the time that an answer carries, on its arrival.
   * @param asked before the request left
   * @param answered `storeMs` of a read: a moment since `asked`. Of a write: that, or one long before, because a write
   * that changes nothing tells when the document was changed last.
   */
  learn(asked: Moment, { storeMs, by }: { readonly storeMs: number; readonly by: 'read' | 'write' }): void {
    const arrived = this.#moment()
    const known = this.#at(arrived.monotonicMs)
    const knownWhenAsked = this.#at(asked.monotonicMs)
    const isEarlier = knownWhenAsked !== undefined && storeMs < knownWhenAsked
    // Nothing changed, and nothing is learnt.
    if (by === 'write' && (isEarlier || known === undefined)) return
    // A read before what was known: the store's clock was set back, and what was known is wrong.
    if (known === undefined || storeMs > known || isEarlier) this.#bound = { storeMs, monotonicMs: arrived.monotonicMs }
    if (arrived.monotonicMs - asked.monotonicMs <= ROUND_TRIP_MS_MAX) this.#heard = arrived
    if (by === 'read') this.#compare(asked, arrived, storeMs)
  }

  #at(monotonicMs: number): number | undefined {
    if (this.#bound === undefined) return undefined
    const sinceMs = monotonicMs - this.#bound.monotonicMs
    return this.#bound.storeMs + sinceMs - Math.abs(sinceMs) * DRIFT
  }

  #compare(asked: Moment, arrived: Moment, storeMs: number): void {
    const aheadMs = asked.wallMs > storeMs ? asked.wallMs - storeMs : Math.min(0, arrived.wallMs - storeMs)
    const isFirst = this.#offMs === undefined
    if (Math.abs(aheadMs) <= OFF_MS) return
    this.#offMs = aheadMs
    if (isFirst) this.#onOff(aheadMs)
  }
}
