import type { BreakerControl } from '../../breaker/control.ts'
import type { Config } from '../../config.ts'
import type { Objects } from '../../podcast/storage.ts'
import { log } from '../../telemetry/log.ts'
import { outboundPools } from '../../telemetry/pools.ts'
import type { Check, Finding, Findings } from './check.ts'
import type { LatestSweep, ReadQueueStats } from './ports.ts'
import { WITHOUT } from './without.ts'

export type CloudDependencies = {
  config: Config
  /** The store's time: as far as this instance knows it, or looked up where it does not. */
  now: () => number
  time: () => Promise<number>
  /** How far this machine's clock is ahead of the store's, in ms, at the last answer that told it; undefined: well. */
  clockOffMs: () => number | undefined
  objects: Pick<Objects, 'stat'>
  /** @returns undefined when there has been none, or none that can be read */
  sweeps: { latest: () => Promise<LatestSweep | undefined> }
  control: Pick<BreakerControl, 'status'>
  queueStats: ReadQueueStats
  queues: readonly string[]
  /** Those that the fleet shares, with what people notice while one is open. */
  breakers: readonly { name: string; meaning: string }[]
}

const FRESH = { pass: 5_000, other: 2_000 }
/** The schedule calls every minute; one that is missed is no news. Alerts within five minutes count on it. */
export const SWEEP_SILENT_MS = 150_000
/** A task that has been due for longer than this waits for more than its turn. */
export const QUEUE_LATE_MS = 150_000
const QUEUE_TIMEOUT_MS = 2_000
/** An object that is never there: asking for it shows that storage answers. */
const ABSENT_KEY = 'health'

/** What Google's services, and we ourselves, are like. */
export function cloudChecks(dependencies: CloudDependencies): Check[] {
  const { config, now, clockOffMs, objects, sweeps, control, breakers } = dependencies
  return [
    {
      name: 'firestore:read',
      componentType: 'datastore',
      critical: true,
      freshMs: FRESH,
      meaning: 'nothing can be created, changed or looked at',
      look: () => measure(() => sweeps.latest()),
    },
    {
      name: 'storage:read',
      componentType: 'datastore',
      critical: true,
      freshMs: FRESH,
      meaning: WITHOUT.gcs,
      look: () => measure(() => objects.stat(ABSENT_KEY)),
    },
    {
      name: 'tasks:queue',
      componentType: 'component',
      critical: true,
      freshMs: FRESH,
      meaning: 'episodes cannot be started, and those at work stand still',
      look: () => findLateQueues(dependencies),
    },
    {
      name: 'sweep:success',
      componentType: 'component',
      critical: false,
      freshMs: FRESH,
      meaning: 'episodes that get stuck are not found',
      look: async () => {
        const latest = await sweeps.latest()
        if (latest === undefined)
          return { '': { status: 'warn', output: 'none has ended yet', meaning: 'stuck episodes are not found' } }
        const agoMs = now() - latest.endedAtMs
        if (agoMs > SWEEP_SILENT_MS) log('ERROR', 'sweep.silent', { agoMs })
        const age: Finding =
          agoMs > SWEEP_SILENT_MS
            ? { status: 'warn', output: 'the sweep is silent', meaning: 'episodes that get stuck are not found' }
            : { status: 'pass' }
        return {
          lastSuccess: { ...age, observedValue: Math.round(agoMs / 1000), observedUnit: 's ago' },
          stuck: { status: 'pass', observedValue: latest.stuck, observedUnit: 'episodes' },
          markedError: { status: 'pass', observedValue: latest.markedError, observedUnit: 'episodes' },
        }
      },
    },
    {
      name: 'breakers:state',
      componentType: 'component',
      critical: false,
      freshMs: FRESH,
      meaning: 'each instance goes by what it knows itself',
      look: async () => {
        const findings = await Promise.all(
          breakers.map(async ({ name, meaning }): Promise<[string, Finding]> => {
            const { state, mode, reason } = await control.status(name)
            return state === 'closed' && mode !== 'forced_open'
              ? [name, { status: 'pass', observedValue: state }]
              : [name, { status: 'warn', observedValue: state, output: reason ?? mode, meaning }]
          }),
        )
        return Object.fromEntries(findings)
      },
    },
    {
      name: 'clock:offset',
      componentType: 'system',
      critical: false,
      freshMs: { pass: 0, other: 0 },
      meaning: 'the times of log lines are wrong',
      look: async () => ({ '': ownClock(clockOffMs()) }),
    },
    {
      name: 'connections:outbound',
      componentType: 'system',
      critical: false,
      freshMs: { pass: 0, other: 0 },
      meaning: 'calls of this instance wait for a connection',
      look: async () => pools(),
    },
    {
      name: 'configuration:valid',
      componentType: 'system',
      critical: true,
      freshMs: { pass: 0, other: 0 },
      meaning: 'this instance must not serve',
      look: async () => ({ '': configuration(config) }),
    },
  ]
}

/** Well, when it answers at all; and how long that took. */
async function measure(ask: () => Promise<unknown>): Promise<Findings> {
  const startedAtMs = performance.now()
  await ask()
  return { '': { status: 'pass', observedValue: Math.round(performance.now() - startedAtMs), observedUnit: 'ms' } }
}

async function findLateQueues({ queueStats: statsOf, queues: names, time, now }: CloudDependencies): Promise<Findings> {
  const nowMs = await time().catch(now)
  const findings = await Promise.all(
    names.map(async (name): Promise<[string, Finding][]> => {
      const stats = await statsOf(name, QUEUE_TIMEOUT_MS, nowMs)
      const { depth, oldestDueMs, dispatchedLastMinute, effectiveRate, dispatching, paused } = stats
      const late = oldestDueMs > QUEUE_LATE_MS
      if (paused || late) log('WARNING', 'queue.late', { queue: name, depth, oldestDueMs, paused })
      const step = name.replace('work-', '')
      return [
        [
          name,
          {
            status: paused || late ? 'warn' : 'pass',
            observedValue: depth,
            observedUnit: 'tasks',
            ...((paused || late) && {
              output: paused ? 'the queue is paused' : `its oldest task has been due for ${oldestDueMs} ms`,
              meaning: `the step ${step} of episodes stands still`,
            }),
          },
        ],
        [`${name}:oldest`, { status: 'pass', observedValue: oldestDueMs, observedUnit: 'ms' }],
        [`${name}:dispatched`, { status: 'pass', observedValue: dispatchedLastMinute, observedUnit: 'per minute' }],
        [`${name}:dispatching`, { status: 'pass', observedValue: dispatching, observedUnit: 'tasks' }],
        [`${name}:rate`, { status: 'pass', observedValue: effectiveRate, observedUnit: 'per second' }],
      ]
    }),
  )
  return Object.fromEntries(findings.flat())
}

/** Everything that is decided goes by the store's. */
function ownClock(aheadMs = 0): Finding {
  const seconds = Math.round(aheadMs / 1000)
  const value = { observedValue: seconds, observedUnit: 's' }
  if (seconds === 0) return { status: 'pass', ...value }
  const where = seconds > 0 ? 'ahead of' : 'behind'
  return {
    status: 'warn',
    ...value,
    output: `this machine's clock is ${Math.abs(seconds)} s ${where} the store's`,
    meaning: 'the times of log lines are wrong',
  }
}

function pools(): Findings {
  const entries = Object.entries(outboundPools()).flatMap(([origin, { inUse, waiting, idle }]) => [
    [`${origin}:inUse`, { status: 'pass', observedValue: inUse }],
    [`${origin}:waiting`, { status: 'pass', observedValue: waiting }],
    [`${origin}:idle`, { status: 'pass', observedValue: idle }],
  ])
  return Object.fromEntries(entries) as Findings
}

/** What could be started with, and should not be lived with. */
function configuration({ providers, functionsBaseUrl }: Config): Finding {
  const inCloud = functionsBaseUrl.startsWith('https:')
  const plain = Object.entries(providers).filter(([, { baseUrl }]) => inCloud && !baseUrl.startsWith('https:'))
  if (plain.length === 0) return { status: 'pass' }
  return {
    status: 'warn',
    output: `spoken to without TLS: ${plain.map(([name]) => name).join(', ')}`,
    meaning: 'keys and recordings travel in the clear',
  }
}
