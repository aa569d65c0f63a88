import { cancel, start, takeTranscript } from '../../../shared/engine/transitions/owner.ts'
import { claim, hurry, note, outstandingOrders, settle } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Outcome } from '../../../shared/engine/transitions/claim.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import type { Episode, Results } from '../../../shared/podcast/episode.ts'
import {
  AMBIGUOUS_REPEATS_MAX,
  ENTITLED_SHARE,
  JOB_STEPS,
  PAID_CALL_STEPS,
  STEPS,
} from '../../../shared/podcast/pipeline.ts'
import type { StepName, StepOrder } from '../../../shared/podcast/pipeline.ts'
import { decideSweep } from '../../../shared/engine/sweep/decide.ts'
import { currentRun, folded, inRun, runOf, upgradeAtMs } from '../../../shared/engine/transitions/upgrade.ts'
import type { Run } from '../../../shared/engine/transitions/upgrade.ts'
import { seededRandom } from '../seeded-random.ts'
import { draft, FAULT } from '../podcast/episode-fixtures.ts'

/** What one seeded life of an episode went through, and what was wrong with it. */
export type Life = {
  faults: string[]
  status: Episode['status']
  claims: number
  fenced: number
  crashes: number
  lostWrites: number
  duplicates: number
  cancels: number
  redrives: number
  fallbacks: number
  upgrades: number
  handTranscripts: number
}

const LEASE_MS = 20_000
const LIMITS = {
  stalledStepMs: 150_000,
  stuckEpisodeMs: 7_200_000,
  episodeDeadlineMs: 86_400_000,
  stepLeaseMs: LEASE_MS,
  orphanAgeMs: 86_400_000,
}
/** Clocks of two instances differ by at most twice this: as much as a lease leaves room for. */
const SKEW_MS = 2_400
const TROUBLED_MS = 30 * 60_000
const TURNS_MAX = 6000

type Task = { order: StepOrder; dueMs: number }
/** An instance at work: each `yield` is a moment at which anything else may happen, or nothing ever again. */
type Actor = { run: Generator<void, boolean>; task: string | undefined; wakeMs: number }

const RESULTS: Record<StepName, Results> = {
  transcribe: { transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 } },
  write: { write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } } },
  voice: { voice: { audioKey: 'v', characters: 5 } },
  master: { master: { audioKey: 'm', durationSeconds: 12, introSeconds: 2 } },
  finish: { finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' } },
}

/**
 * Lives one episode: instances whose clocks differ carry out tasks that come twice, late and out of order; they crash
 * and freeze between any two effects, their writes meet newer versions and old caches, the owner cancels and retries,
 * hints come and go, tasks are lost, and a sweep looks in. After half an hour of that, only the honest rest goes on.
 */
export function liveOnce(seed: number): Life {
  const random = seededRandom(seed)
  const odds = (share: number) => random() < share
  const [crashShare, freezeShare, lossShare] = [random() * 0.06, random() * 0.06, random() * 0.15]
  let nowMs = 0
  let stored: { episode: Episode; version: number } = { episode: draft(), version: 0 }
  let cached = stored
  let tokens = 0
  let readyTimes = 0
  const life: Life = {
    faults: [],
    status: 'draft',
    claims: 0,
    fenced: 0,
    crashes: 0,
    lostWrites: 0,
    duplicates: 0,
    cancels: 0,
    redrives: 0,
    fallbacks: 0,
    upgrades: 0,
    handTranscripts: 0,
  }
  const tasks = new Map<string, Task>()
  const known = new Set<string>()
  const actors = new Set<Actor>()
  /** The attempt that may act on a step: the last that claimed it. */
  const holders = new Map<string, string>()
  const jobs = new Map<string, { id: string; started: boolean; doneMs: number }>()
  const jobsMade = { transcribe: 0, master: 0 }
  const artefacts = new Set<string>()
  const paidCalls = { write: 0, voice: 0 }
  const callsOf = new Map<string, number>()

  const fault = (words: string) => void life.faults.push(`${words} at ${Math.round(nowMs)} ms`)
  const troubled = () => nowMs < TROUBLED_MS

  function enqueue(orders: readonly StepOrder[], by: number): void {
    for (const order of orders) {
      const name = `g${order.generation}-${order.step}-${order.dispatch}`
      if (known.has(name)) continue
      known.add(name)
      // What an instance could not enqueue any more is found by the sweep.
      if (troubled() && odds(lossShare)) continue
      tasks.set(name, { order, dueMs: Math.max(nowMs, (order.notBeforeMs ?? 0) - by) })
    }
  }

  /** Reads, decides and writes, on the newest version or not at all; `accepted` sees each write that landed. */
  function* move(
    skewMs: number,
    decide: (episode: Episode, timeMs: number) => Moved | undefined,
    accepted?: (before: Episode) => void,
  ): Generator<void, Moved | undefined> {
    for (let attempt = 0; ; attempt++) {
      const seen = attempt === 0 && odds(0.2) ? cached : stored
      yield
      const moved = decide(seen.episode, nowMs + skewMs)
      if (moved === undefined && seen === stored) return undefined
      yield
      if (moved === undefined || seen.version !== stored.version) {
        life.lostWrites++
        continue
      }
      accepted?.(stored.episode)
      if (moved.episode.status === 'ready' && stored.episode.status !== 'ready') readyTimes++
      if (stored.episode.status === 'ready' && moved.episode.status !== 'ready') fault('a ready episode was taken back')
      if (stored.episode.upgrade !== undefined && moved.episode.generation === stored.episode.upgrade.generation)
        life.upgrades++
      stored = { episode: moved.episode, version: stored.version + 1 }
      if (odds(0.5)) cached = stored
      return moved
    }
  }

  function* deliver(order: StepOrder, skewMs: number): Generator<void, boolean> {
    const token = `t${++tokens}`
    const key = `g${order.generation}-${order.step}`
    let renewedMs = nowMs
    let answer: ReturnType<typeof claim> | undefined
    yield* move(
      skewMs,
      (episode, timeMs) => {
        renewedMs = nowMs
        const terms = { token, newJob: { key, hookToken: 'h' }, leaseUntilMs: timeMs + LEASE_MS, giveUp: FAULT }
        answer = claim(runOf(episode, order.generation), order, { ...terms, mayFallBack: false }, timeMs)
        return 'moved' in answer ? { ...answer.moved, episode: folded(episode, answer.moved.episode) } : undefined
      },
      () => void (answer?.kind === 'claimed' && holders.set(order.step, token)),
    )
    if (answer === undefined || answer.kind === 'gaveUp') return true
    if (answer.kind === 'busy') return false
    if (answer.kind === 'stale') {
      enqueue(answer.orders, skewMs)
      return true
    }
    life.claims++
    const { fence, resumesIntent } = answer
    const { episode } = answer.moved
    const entitled = () => nowMs - renewedMs <= LEASE_MS * ENTITLED_SHARE
    const mine = (before: Episode) => {
      if (holders.get(fence.step) !== token)
        fault(`a write of ${fence.step} by an attempt that had lost it was accepted`)
      if (currentRun(before).generation !== fence.generation) fault('a write of an old generation was accepted')
    }
    yield
    const outcome = yield* work(episode, fence, resumesIntent, skewMs, entitled, mine, () => (renewedMs = nowMs))
    if (outcome === undefined) {
      life.fenced++
      return true
    }
    const settled = yield* move(
      skewMs,
      (current, timeMs) =>
        inRun(current, fence.generation, (run) => settle(run, fence, outcome, timeMs, LIMITS.episodeDeadlineMs)),
      mine,
    )
    if (settled === undefined) {
      life.fenced++
      return true
    }
    yield
    enqueue(settled.orders, skewMs)
    return true
  }

  function* work(
    episode: Run,
    fence: Fence,
    resumesIntent: boolean,
    skewMs: number,
    entitled: () => boolean,
    mine: (before: Episode) => void,
    renewed: () => void,
  ): Generator<void, Outcome | undefined> {
    const { step } = fence
    const timeMs = () => nowMs + skewMs
    const overdue: Outcome = {
      kind: 'tryAgain',
      notBeforeMs: timeMs() + 1000,
      ambiguous: false,
      newJob: false,
      giveUp: FAULT,
    }
    const artefact = `g${fence.generation}-${step}`
    if (troubled() && odds(0.1)) {
      const untilMs = timeMs() + 1000 + random() * 60_000
      const call = { ambiguous: odds(0.1), sent: odds(0.5) }
      if (episode.replaces !== undefined) return { kind: 'failed', fault: FAULT, call }
      if (step !== 'transcribe' && step !== 'finish' && odds(0.5)) {
        life.fallbacks++
        yield
        const fallback = { degraded: 'without', fallsBack: true, upgradeAfterMs: random() * 600_000 }
        return { kind: 'done', results: RESULTS[step], ...fallback, call }
      }
      const wait = { kind: 'unavailable', provider: 'p', untilMs, ambiguous: false, sent: false } as const
      return { ...wait, fault: FAULT, giveUp: FAULT }
    }
    if (JOB_STEPS.has(step) && !(step === 'transcribe' && episode.handTranscript !== undefined)) {
      if (step === 'master' && episode.replaces?.step === 'voice') return { kind: 'done', results: RESULTS.master }
      const { job } = episode.steps[step]
      if (job === undefined) return overdue
      let id = job.providerJobId
      if (id === undefined) {
        id = resumesIntent ? jobs.get(job.key)?.id : undefined
        yield
        if (id === undefined) {
          if (!entitled()) return overdue
          jobsMade[step as 'transcribe']++
          id = `${job.key}-${jobsMade[step as 'transcribe']}`
          jobs.set(job.key, { id, started: step === 'transcribe', doneMs: nowMs + random() * 120_000 })
        }
        const found = id
        yield
        const noted = yield* move(
          skewMs,
          (current, at) =>
            inRun(current, fence.generation, (run) => note(run, fence, { providerJobId: found }, at + LEASE_MS, at)),
          mine,
        )
        if (noted === undefined) return undefined
        renewed()
      }
      const state = [...jobs.values()].find((one) => one.id === id)
      yield
      if (state === undefined) return overdue
      state.started = true
      if (nowMs < state.doneMs) return { kind: 'polling', nextCheckAtMs: timeMs() + 20_000 }
    } else if (PAID_CALL_STEPS.has(step)) {
      const paid = step as 'write'
      if (resumesIntent && artefacts.has(artefact)) return { kind: 'done', adopted: true, results: RESULTS[step] }
      yield
      if (!entitled()) return overdue
      paidCalls[paid]++
      const again = (callsOf.get(artefact) ?? 0) + 1
      callsOf.set(artefact, again)
      if (again > 1 + AMBIGUOUS_REPEATS_MAX) fault(`call ${again} of ${artefact} was made`)
      yield
    }
    artefacts.add(artefact)
    yield
    return { kind: 'done', results: RESULTS[step] }
  }

  function* sweeping(skewMs: number): Generator<void, boolean> {
    const moved = yield* move(skewMs, (episode, timeMs) => {
      const decision = decideSweep(episode, {}, timeMs, LIMITS, () => FAULT)
      return decision.kind === 'move' ? decision.moved : undefined
    })
    if (moved !== undefined) life.redrives++
    yield
    enqueue(moved?.orders ?? [], skewMs)
    return true
  }

  function* owner(wish: 'cancel' | 'retry' | 'process' | 'transcript'): Generator<void, boolean> {
    const moved = yield* move(0, (episode, timeMs) => {
      const { status } = episode
      if (wish === 'cancel') return status === 'processing' ? cancel(episode, timeMs) : undefined
      if (wish === 'transcript')
        return status === 'processing' || status === 'error'
          ? takeTranscript(episode, { key: 'hand', timed: true }, timeMs)
          : undefined
      if (wish === 'retry') return status === 'error' || status === 'cancelled' ? start(episode, timeMs) : undefined
      return status === 'draft'
        ? start(episode, timeMs)
        : { episode, orders: outstandingOrders(episode, episode.generation) }
    })
    yield
    enqueue(moved?.orders ?? [], 0)
    return true
  }

  function* hint(step: StepName): Generator<void, boolean> {
    const moved = yield* move(0, (episode, timeMs) =>
      inRun(episode, currentRun(episode).generation, (run) => hurry(run, step, timeMs)),
    )
    yield
    enqueue(moved?.orders ?? [], 0)
    return true
  }

  const skew = () => (random() * 2 - 1) * SKEW_MS
  const begin = (run: Generator<void, boolean>, task?: string) => actors.add({ run, task, wakeMs: nowMs })
  begin(owner('process'))
  let sweptMs = 0
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const ended = stored.episode.status !== 'processing'
    if (ended && !troubled() && actors.size === 0) {
      const { episode } = stored
      const upgrades = episode.upgrade !== undefined || upgradeAtMs(episode) !== undefined
      if (episode.status === 'ready' && !upgrades) break
      if (!upgrades) begin(owner(stored.episode.status === 'draft' ? 'process' : 'retry'))
    }
    // Time passes to whatever is next, sometimes by leaps.
    const due = [...tasks.entries()].filter(([, { dueMs }]) => dueMs <= nowMs)
    const awake = [...actors].filter(({ wakeMs }) => wakeMs <= nowMs)
    if (due.length === 0 && awake.length === 0) {
      const next = Math.min(
        sweptMs + 60_000,
        ...[...tasks.values()].map(({ dueMs }) => dueMs),
        ...[...actors].map(({ wakeMs }) => wakeMs),
      )
      nowMs = Math.max(next, nowMs + 1)
    } else nowMs += random() * 40
    if (nowMs - sweptMs >= 60_000) {
      sweptMs = nowMs
      begin(sweeping(skew()))
      if (troubled() && odds(0.2)) begin(sweeping(skew()))
    }
    if (troubled() && odds(0.004)) {
      begin(owner('cancel'))
      life.cancels++
    }
    if (troubled() && odds(0.002)) {
      begin(owner('transcript'))
      life.handTranscripts++
    }
    if (troubled() && odds(0.03)) begin(owner(odds(0.5) ? 'retry' : 'process'))
    if (odds(0.02)) begin(hint(odds(0.5) ? 'transcribe' : 'master'))
    const [name, task] = due[Math.floor(random() * due.length)] ?? []
    if (name !== undefined && task !== undefined && odds(0.6)) {
      const twice = troubled() && odds(0.1)
      // At least once: the task stays until its delivery is answered, and comes again when it is not.
      task.dueMs = nowMs + 30_000 + random() * 30_000
      begin(deliver(task.order, skew()), name)
      if (twice) {
        begin(deliver(task.order, skew()))
        life.duplicates++
      }
    }
    const actor = awake[Math.floor(random() * awake.length)]
    if (actor === undefined) continue
    if (troubled() && odds(crashShare)) {
      life.crashes++
      actors.delete(actor)
      continue
    }
    if (troubled() && odds(freezeShare)) {
      actor.wakeMs = nowMs + random() * 90_000
      continue
    }
    const { done, value } = actor.run.next()
    if (done !== true) continue
    actors.delete(actor)
    if (value && actor.task !== undefined) tasks.delete(actor.task)
  }

  const { episode } = stored
  life.status = episode.status
  if (episode.status !== 'ready')
    fault(`it ended ${episode.status}: ${JSON.stringify(STEPS.map((name) => episode.steps[name].state))}`)
  if (episode.upgrade !== undefined) fault('an upgrade was left behind')
  if (readyTimes !== 1) fault(`it became ready ${readyTimes} times`)
  if (jobsMade.transcribe > 1 + lostJobs(episode, 'transcribe'))
    fault(`${jobsMade.transcribe} transcriptions were made`)
  for (const step of ['write', 'voice'] as const) {
    const { paid } = episode.steps[step]
    if (paid !== undefined && paidCalls[step] > paid.calls)
      fault(`${paidCalls[step]} calls of ${step}, ${paid.calls} counted`)
  }
  return life

  /** Jobs that a generation gave up with its step: a retry after that begins with a new one. */
  function lostJobs({ generation }: Episode, step: string): number {
    return [...jobs.keys()].filter((key) => key.endsWith(step) && key !== `g${generation}-${step}`).length
  }
}
