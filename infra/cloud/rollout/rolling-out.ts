import { judge, withBaseline } from './judge.ts'
import type { Observation, Judgement } from './judge.ts'
import { LAG_MS } from './observe.ts'
import type { Observe } from './observe.ts'
import type { Split, Traffic } from './traffic.ts'

/** Shares of the traffic that a new revision gets, one after the other. */
export const STAGES = [10, 50, 100] as const
export type Stage = (typeof STAGES)[number]

/** What a rollout works with; times and sleeping are given, so that a day can pass in a test. */
export type RolloutDependencies = {
  traffic: Traffic
  observe: Observe
  now: () => number
  sleep: (ms: number) => Promise<void>
  say: (line: string) => void
  /** Whether to go on to the next stage; absent, it goes on by itself. */
  mayGoOn?: (stage: Stage) => Promise<boolean>
}

export type Watch = {
  /** A stage is watched for so long, … */
  stageMs: number
  /** … and longer, up to this, while it is unclear: too few requests, or a breaker that has opened. */
  patienceMs: number
  /** How often it is looked at; the latest of these is also judged by itself, so that what goes bad late is seen. */
  everyMs: number
}
const WATCH: Watch = { stageMs: 15 * 60_000, patienceMs: 60 * 60_000, everyMs: 60_000 }

/** What has just begun must not hide in what was well before. */
const RECENT_MS = 5 * 60_000
/** How the old revisions do is known from this long before. */
const BASELINE_MS = 60 * 60_000

export type Ended = { kind: 'done' } | { kind: 'back'; reason: string } | { kind: 'held'; stage: Stage; reason: string }

/**
 * Gives the new revisions more and more of the traffic, as long as they do no worse than the old ones; else takes all
 * of it back, with the reason. What cannot be judged stays where it is, for somebody to decide.
 */
export async function rollOut(
  dependencies: RolloutDependencies,
  stages: readonly Stage[],
  watch: Watch = WATCH,
): Promise<Ended> {
  const { say, now, observe, traffic: split } = dependencies
  const toMs = now() - LAG_MS
  const before = await observe(await split.splits(), toMs - BASELINE_MS, toMs)
  for (const [i, stage] of stages.entries()) {
    if (i > 0 && (await dependencies.mayGoOn?.(stage)) === false)
      return holdAt(stages[i - 1] ?? stage, 'somebody said so')
    await split.shift(stage)
    say(`${stage} % of the traffic to the new revisions; watching for ${minutes(watch.stageMs)}`)
    const judgement = await watchStage(dependencies, watch, before)
    if (judgement.kind === 'bad') return goBack(dependencies, judgement.reason)
    if (judgement.kind === 'unclear') {
      say(`stays at ${stage} %: ${judgement.reason}`)
      return holdAt(stage, judgement.reason)
    }
    say(`${stage} %: no worse than the old revisions`)
  }
  if (stages.at(-1) === 100) {
    await split.settle()
    say('done: the new revisions have all of the traffic')
  }
  return { kind: 'done' }
}

function holdAt(stage: Stage, reason: string): Ended {
  return { kind: 'held', stage, reason }
}

/** Takes all traffic from the new revisions. */
export async function goBack(
  dependencies: Pick<RolloutDependencies, 'traffic' | 'say'>,
  reason: string,
): Promise<Ended> {
  await dependencies.traffic.shift(0)
  dependencies.say(`BACK to the old revisions: ${reason}`)
  return { kind: 'back', reason }
}

async function watchStage(
  { traffic: split, observe, now, sleep, say }: RolloutDependencies,
  watch: Watch,
  before: Observation,
): Promise<Judgement> {
  const beganMs = now()
  const splits = await split.splits()
  let judgement: Judgement = { kind: 'unclear', reason: 'nothing was seen yet' }
  for (;;) {
    await sleep(watch.everyMs)
    const visibleMs = now() - LAG_MS
    const watchedMs = now() - beganMs
    if (visibleMs > beganMs) {
      judgement = await judgeStage(observe, splits, before, beganMs, visibleMs)
      say(`  ${minutes(watchedMs)}: ${judgement.kind}${'reason' in judgement ? ` (${judgement.reason})` : ''}`)
    }
    if (judgement.kind === 'bad') return judgement
    if (watchedMs >= watch.stageMs + LAG_MS && judgement.kind === 'good') return judgement
    if (watchedMs >= watch.patienceMs) return judgement
  }
}

async function judgeStage(
  observe: Observe,
  splits: readonly Split[],
  before: Observation,
  fromMs: number,
  toMs: number,
): Promise<Judgement> {
  const since = async (beginMs: number) => judge(withBaseline(await observe(splits, beginMs, toMs), before))
  const recentMs = Math.max(fromMs, toMs - RECENT_MS)
  const recently = await since(recentMs)
  if (recently.kind === 'bad') return { kind: 'bad', reason: `in the last ${minutes(RECENT_MS)}, ${recently.reason}` }
  return recentMs === fromMs ? recently : since(fromMs)
}

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} min`
}
