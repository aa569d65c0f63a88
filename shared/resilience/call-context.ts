/** Hears whether work goes forward, so that work that hangs can be told from work that takes long. */
export type Progress = {
  /** Bytes have moved, a service has answered, or a part of the work is done. */
  readonly advance: () => void
  /** Nothing may be heard for so long, because something with a limit of its own is waited for. @returns what ends that */
  readonly expectQuiet: (mostMs: number) => () => void
}

/** Who makes an outbound call, and what ends it early. */
export type CallContext = {
  readonly signal: AbortSignal
  /** Sent along with every request, so that both sides can find it in their logs. */
  readonly correlationId: string
  /** In [0, 1). */
  readonly random: () => number
  /** Asked right before each request leaves; throws when the caller may no longer act. */
  readonly stillEntitled?: () => void
  /**
   * Awaited right before a request leaves that may be charged, to record it. `known`: what is known of its cost by then,
   * unit to amount. Rejects when the request must not leave.
   */
  readonly beforeCharge?: (known: Readonly<Record<string, number>>) => Promise<void>
  readonly progress?: Progress
}
