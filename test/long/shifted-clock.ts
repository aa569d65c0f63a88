/*
 * Imported by function processes before anything else: each believes that it is another time than it is, by minutes or
 * hours, in one direction or the other.
 */

const MINUTE_MS = 60_000
const SHIFTS_MS = [-360, -5, 5, 360].map((minutes) => minutes * MINUTE_MS)

const Real = Date
const shiftMs = SHIFTS_MS[process.pid % SHIFTS_MS.length] ?? 0

class Shifted extends Real {
  constructor(...given: readonly unknown[]) {
    super(...((given.length === 0 ? [Real.now() + shiftMs] : given) as [number]))
  }

  static override now(): number {
    return Real.now() + shiftMs
  }
}

globalThis.Date = Shifted as unknown as DateConstructor
