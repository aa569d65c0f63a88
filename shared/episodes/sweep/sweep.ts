import { randomUUID } from 'node:crypto'

import type { SweepDependencies } from '../../dependencies/sweep.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { enqueueAll } from '../change.ts'
import { artefactKey, outputKeys } from '../artefacts.ts'
import type { Episode } from '../schema.ts'
import type { StepName } from '../steps.ts'
import { currentRun } from '../upgrade.ts'
import { stuck } from '../workers/faults.ts'
import { removeEpisode, tidyEpisode } from './clean-up.ts'
import { decideSweep, needsEvidence } from './decide.ts'
import type { Evidence, SweepDecision } from './decide.ts'
import type { Due } from '../../store/due-episodes.ts'
import type { Version } from '../../store/episodes.ts'

const PAGE_SIZE = 100
const AT_ONCE = 8
/** No new page is begun after this; what is left is still due for the next sweep. */
const BUDGET_MS = 50_000
/** How many decisions an answer and a record hold; the counts are of all. */
const DECISIONS_MAX = 500
/** A document that cannot be read, or failed, must not be at the head of every sweep. */
const FAILED_PAUSE_MS = 600_000

type Entry = {
  episodeId: string
  step: StepName | null
  action: 'none' | 'requeue' | 'finish' | 'error'
  reason: string
  upgrade?: true
  /** How long it had been due when it was found, in seconds. */
  detectedAfterSeconds?: number
}

export type SweepReport = {
  sweepId: string
  checked: number
  stuck: number
  requeued: number
  finished: number
  markedError: number
  /** Fallbacks' results whose provider is asked for better ones, or not any more. */
  upgraded: number
  /** Deleted episodes removed for good, and ended ones rid of what they do not refer to. */
  cleaned: number
  failed: number
  dryRun: boolean
  /** Time was up, and the next sweep goes on. */
  more: boolean
  episodes: Entry[]
}

/**
 * Looks at every episode that is due, each on its own: one that fails stops none of the others. A sweep that dies
 * half-way has done some of them, and the next does the rest; two at once decide on the same documents by
 * compare-and-set, and the second finds nothing left to do.
 */
export async function sweep(
  needs: SweepDependencies,
  { dryRun }: { dryRun: boolean },
  signal: AbortSignal,
): Promise<SweepReport> {
  const startedAtMs = needs.now()
  const report: SweepReport = {
    sweepId: `${new Date(startedAtMs).toISOString().replaceAll(/[:.]/g, '-')}-${randomUUID().slice(0, 8)}`,
    checked: 0,
    stuck: 0,
    requeued: 0,
    finished: 0,
    markedError: 0,
    upgraded: 0,
    cleaned: 0,
    failed: 0,
    dryRun,
    more: false,
    episodes: [],
  }
  for await (const page of needs.due.pages(startedAtMs, PAGE_SIZE)) {
    const queue = page.values()
    const lane = async () => {
      for (const due of queue) await settleOne(needs, due, report, signal)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    report.more = page.length === PAGE_SIZE && (needs.now() - startedAtMs > BUDGET_MS || signal.aborted)
    if (report.more) break
  }
  const { episodes, ...counts } = report
  const tookMs = needs.now() - startedAtMs
  log(report.failed > 0 ? 'WARNING' : 'INFO', 'sweep.ended', { ...counts, tookMs })
  if (!dryRun) await needs.sweeps.save(report.sweepId, { ...counts, startedAtMs, tookMs, episodes }, needs.now())
  return report
}

async function settleOne(needs: SweepDependencies, due: Due, report: SweepReport, signal: AbortSignal): Promise<void> {
  report.checked++
  try {
    if (due.seen === undefined) throw new Error('the document is not an episode as we know it')
    const decision = report.dryRun
      ? decideSweep(due.seen.episode, await evidence(needs, due.seen.episode), needs.now(), needs.config, stuck)
      : await carryOut(needs, due.seen, report.sweepId, signal)
    for (const entry of entriesOf(due.id, decision)) tell(report, entry)
    if (decision.kind === 'remove' || decision.kind === 'tidy') report.cleaned++
  } catch (error) {
    report.failed++
    log('ERROR', 'sweep.failed', { sweepId: report.sweepId, episodeId: due.id, error: errorFields(error) })
    tell(report, {
      episodeId: due.id,
      step: null,
      action: 'none',
      reason: 'this episode could not be swept; see the log',
    })
    if (!report.dryRun) await due.postpone(needs.now() + FAILED_PAUSE_MS).catch(() => undefined)
  }
}

async function carryOut(
  needs: SweepDependencies,
  seen: Version,
  sweepId: string,
  signal: AbortSignal,
): Promise<SweepDecision> {
  const { episode } = seen
  const found = await evidence(needs, episode)
  const moved = await needs.episodes.move(
    episode.id,
    (current) => {
      const decision = decideSweep(current, found, needs.now(), needs.config, stuck)
      if (decision.kind !== 'move') return { decision }
      const why = decision.rulings.map(({ reason }) => reason).join('; ')
      return { decision, episode: decision.moved.episode, cause: { by: `sweep ${sweepId}`, why } }
    },
    seen,
  )
  const decision: SweepDecision = moved?.decision ?? { kind: 'none', reason: 'it is gone' }
  if (decision.kind === 'move') await enqueueAll(needs, episode.id, decision.moved.orders)
  if (decision.kind === 'remove') await removeEpisode(needs, episode.id, signal)
  if (decision.kind === 'tidy') await tidyEpisode(needs, episode.id, signal)
  return decision
}

/** The outputs of this generation, if every one of them is in storage. */
async function evidence(needs: SweepDependencies, episode: Episode): Promise<Evidence> {
  if (!needsEvidence(episode, needs.now(), needs.config)) return {}
  const { generation } = currentRun(episode)
  const outputs = outputKeys((artefact) => artefactKey(episode.id, generation, artefact))
  for (const key of [outputs.audioKey, outputs.transcriptKey, outputs.vttKey, outputs.srtKey])
    if ((await needs.objects.stat(key)) === undefined) return {}
  return { outputs }
}

function entriesOf(episodeId: string, decision: SweepDecision): Entry[] {
  if (decision.kind !== 'move') return [{ episodeId, step: null, action: 'none', reason: decision.reason }]
  return decision.rulings.map(({ lateMs, action, ...ruling }) => ({
    episodeId,
    ...ruling,
    // Nothing is wrong with an episode that is upgraded.
    ...(action === 'upgrade' ? { action: 'none' as const, upgrade: true } : { action }),
    detectedAfterSeconds: Math.round(lateMs / 100) / 10,
  }))
}

const COUNTED = { requeue: 'requeued', finish: 'finished', error: 'markedError' } as const

function tell(report: SweepReport, { upgrade, ...entry }: Entry): void {
  if (upgrade) report.upgraded++
  if (entry.action !== 'none') {
    report[COUNTED[entry.action]]++
    if (!report.episodes.some((told) => told.episodeId === entry.episodeId && told.action !== 'none')) report.stuck++
    log(entry.action === 'error' ? 'ERROR' : 'NOTICE', 'sweep.decided', {
      sweepId: report.sweepId,
      dryRun: report.dryRun,
      ...entry,
    })
  }
  if (report.episodes.length < DECISIONS_MAX) report.episodes.push(entry)
}
