/** Headers that tell whose answer this is and where its time went; durations in ms, up to the headers. */
export function timingHeaders(
  requestId: string,
  totalMs: number,
  partsMs: readonly (readonly [string, number])[],
): Record<string, string> {
  const durations = [...partsMs, ['total', totalMs] as const]
  return {
    'X-Request-Id': requestId,
    'X-Response-Time': `${totalMs.toFixed(3)}ms`,
    'Server-Timing': durations.map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`).join(', '),
  }
}
