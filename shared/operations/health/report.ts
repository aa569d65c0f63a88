import type { Finding, Lookout } from './check.ts'

const RANK = { pass: 0, warn: 1, fail: 2 } as const
type Status = keyof typeof RANK

/** One entry of `checks` in health+json (draft-inadarei-api-health-check-06). */
type Entry = Omit<Finding, 'meaning'> & {
  componentId?: string
  componentType: string
  time: string
  /** What people notice. */
  meaning?: string
}

export type HealthReport = {
  status: Status
  version: string
  releaseId: string
  serviceId: 'steadycast'
  description: string
  notes: string[]
  checks: Record<string, Entry[]>
}

/**
 * Looks at everything at once. Only what is critical makes the whole `fail`; whatever else is not well makes it `warn`,
 * with what people notice of it in `notes`.
 */
export async function healthReport(
  lookouts: readonly Lookout[],
  waitMs: number,
  release: { version: string; releaseId: string },
): Promise<HealthReport> {
  const looked = await Promise.all(lookouts.map(async (lookout) => ({ lookout, ...(await lookout.look(waitMs)) })))
  const checks: HealthReport['checks'] = {}
  const notes = new Set<string>()
  let status: Status = 'pass'
  for (const { lookout, findings, atMs } of looked) {
    const { name, componentType, critical } = lookout.check
    checks[name] = Object.entries(findings).map(([componentId, { meaning, ...finding }]) => {
      const counted = finding.status === 'fail' && !critical ? 'warn' : finding.status
      if (RANK[counted] > RANK[status]) status = counted
      const notable = finding.status !== 'pass' && meaning !== undefined
      if (notable) notes.add(meaning)
      return {
        ...(componentId !== '' && { componentId }),
        componentType,
        ...finding,
        ...(notable && { meaning }),
        time: new Date(atMs).toISOString(),
      }
    })
  }
  return {
    status,
    ...release,
    serviceId: 'steadycast',
    description: 'podcast production',
    notes: [...notes],
    checks,
  }
}
