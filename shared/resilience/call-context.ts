/** Who makes an outbound call, and what ends it early. */
export type CallContext = {
  readonly signal: AbortSignal
  /** Sent along with every request, so that both sides can find it in their logs. */
  readonly correlationId: string
  /** In [0, 1). */
  readonly random: () => number
  /** Asked right before each request leaves; throws when the caller may no longer act. */
  readonly stillEntitled?: () => void
}
