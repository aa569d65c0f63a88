/**
 * How many seeded cases a test tries: as many as `variable` says; else `quick`, in the suite that is run at every
 * change, or `long`, in the one that is run before a change lands.
 */
export function howMany(variable: string, { quick, long }: { quick: number; long: number }): number {
  return Number(process.env[variable] ?? (process.env['TEST_SUITE'] === 'long' ? long : quick))
}
