import { appendWrite, compareAndSet } from '../../../shared/breaker/compare-and-set.ts'
import type { Pace } from '../../../shared/breaker/compare-and-set.ts'
import type { Pipeline } from '../../../shared/engine/definition.ts'
import type { Cause } from '../../../shared/engine/history.ts'
import type { Change, Due, Seen, WorkflowStore } from '../../../shared/engine/ports.ts'
import { sweepAtMs } from '../../../shared/engine/sweep/due.ts'
import type { SweepRules } from '../../../shared/engine/sweep/due.ts'
import { withoutFields } from '../../../shared/engine/workflow.ts'
import type { Workflow } from '../../../shared/engine/workflow.ts'
import type { StoreClock } from '../../../shared/store/store-clock.ts'

type Version<W> = { readonly workflow: W; readonly number: number; readonly writes: readonly string[] }

/** A change that has landed. */
export type Landed<W> = { readonly before: W; readonly after: W; readonly cause: Cause | undefined }

/** Workflows in memory, seen by several instances, each through a store of its own. */
export class MemoryWorkflows<W extends Workflow> {
  readonly #versions = new Map<string, Version<W>>()
  readonly #pipeline: Pipeline
  readonly #rules: SweepRules
  #writes = 0
  /** Hears of every change that lands, the moment it does. */
  onLanded: (landed: Landed<W>) => void = () => undefined
  lostWrites = 0

  constructor(pipeline: Pipeline, rules: SweepRules) {
    this.#pipeline = pipeline
    this.#rules = rules
  }

  create(workflow: W): void {
    this.#versions.set(workflow.id, { workflow: this.#prepare(workflow), number: 1, writes: [] })
  }

  forget(id: string): void {
    this.#versions.delete(id)
  }

  read(id: string): W | undefined {
    return this.#versions.get(id)?.workflow
  }

  /**
   * The store of one instance.
   * @param nowMs the store's own time
   * @param clock what this instance knows of it; the time itself, unless given
   * @param passing is awaited before each operation and before its answer; what it throws, the operation throws
   */
  open(options: {
    readonly nowMs: () => number
    readonly clock?: StoreClock
    readonly pace: Pace
    readonly passing: (point: 'ask' | 'answer') => Promise<void>
    /** Whether the answer to a write that has landed is lost, so that its repetition finds it taken. */
    readonly losesAnswer: () => boolean
  }): WorkflowStore<W> {
    const { nowMs, clock, pace, passing, losesAnswer } = options
    const lastWritten = new Map<string, Version<W>>()
    const now = clock?.now ?? nowMs
    /** Its answer carries the time of the moment in which the store was at work. */
    const call = async <T>(by: 'read' | 'write', work: () => T): Promise<T> => {
      const asked = clock?.ask()
      await passing('ask')
      const answered = { storeMs: nowMs(), by }
      const answer = work()
      await passing('answer')
      // A write that was refused says nothing.
      if (asked !== undefined && answer !== 'lost') clock?.learn(asked, answered)
      return answer
    }
    const readVersion = (id: string) => call('read', () => this.#versions.get(id))
    return {
      move: async <Decision extends Change<W>>(
        id: string,
        decide: (workflow: W, atMs: number) => Decision,
        seen?: Seen<W>,
      ) => {
        const writeId = `w${++this.#writes}`
        const version = (seen?.version as Version<W> | undefined) ?? lastWritten.get(id)
        lastWritten.delete(id)
        const end = await compareAndSet<Version<W>, Decision>(
          {
            writeId,
            ...(version && clock?.isFresh() !== false && { known: { kind: 'remembered', version } }),
            read: () => readVersion(id),
            decide: ({ workflow }) => decide(workflow, now()),
            write: (before, { next, cause }) => {
              if (next === undefined) return undefined
              return (async () => {
                const landed = await call('write', () => this.#write(before, next, cause, writeId))
                if (landed === 'lost' || losesAnswer()) return 'lost'
                lastWritten.set(id, landed)
                return landed
              })()
            },
          },
          pace,
        )
        if (end.kind === 'contended') throw new Error('changed too fast')
        return end.kind === 'absent' ? undefined : end.decision
      },
      due: (atMs, pageSize) => this.#due(atMs, pageSize, passing),
    }
  }

  async *#due(atMs: number, pageSize: number, passing: (point: 'ask' | 'answer') => Promise<void>) {
    await passing('ask')
    const found = [...this.#versions.values()]
      .filter(({ workflow }) => (workflow.sweepAtMs ?? Infinity) <= atMs)
      .toSorted((a, b) => (a.workflow.sweepAtMs ?? 0) - (b.workflow.sweepAtMs ?? 0))
    for (let at = 0; at < found.length; at += pageSize) {
      await passing('answer')
      yield found.slice(at, at + pageSize).map((version) => this.#dueOf(version))
    }
  }

  #dueOf(version: Version<W>): Due<W> {
    const { workflow } = version
    return {
      id: workflow.id,
      seen: { workflow, version },
      postpone: async (untilMs) => {
        const current = this.#versions.get(workflow.id)
        if (current?.number !== version.number) return
        const later = { ...current, workflow: { ...current.workflow, sweepAtMs: untilMs }, number: current.number + 1 }
        this.#versions.set(workflow.id, later)
      },
    }
  }

  #write(before: Version<W>, next: W, cause: Cause | undefined, writeId: string): Version<W> | 'lost' {
    const current = this.#versions.get(next.id)
    if (current?.number !== before.number) {
      this.lostWrites++
      return 'lost'
    }
    const after = this.#prepare(next)
    const version = { workflow: after, number: current.number + 1, writes: appendWrite(current.writes, writeId) }
    this.#versions.set(next.id, version)
    this.onLanded({ before: current.workflow, after, cause })
    return version
  }

  #prepare(workflow: W): W {
    const dueMs = sweepAtMs(this.#pipeline, workflow, this.#rules)
    return dueMs === undefined ? withoutFields(workflow, 'sweepAtMs') : { ...workflow, sweepAtMs: dueMs }
  }
}
