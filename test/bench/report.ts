const misses: string[] = []

/** Prints one figure beside what it should be. A bench ends with 1 when one of its figures missed. */
export function figure(what: string, value: string, target?: { text: string; met: boolean }): void {
  const verdict = target === undefined ? '' : `  (${target.text}: ${target.met ? 'met' : 'MISSED'})`
  process.stdout.write(`  ${what.padEnd(58)} ${value}${verdict}\n`)
  if (target?.met === false) misses.push(what)
}

export function title(text: string): void {
  process.stdout.write(`\n${text}\n`)
}

export function missed(): readonly string[] {
  return misses
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], q: number): number {
  const ordered = values.toSorted((a, b) => a - b)
  return ordered[Math.min(ordered.length - 1, Math.floor(q * ordered.length))] ?? Number.NaN
}
