import type { Receipt } from '../../../shared/engine/outcome.ts'

/** What vendors of a fake pipeline have been asked to do, whoever asked. */
export class FakeVendors {
  readonly #nowMs: () => number
  readonly #durationMs: () => number
  readonly #jobs = new Map<string, { id: string; doneMs: number }>()
  readonly #kept = new Map<string, Receipt>()
  readonly jobsMade: Record<string, number> = {}
  readonly callsOfStep: Record<string, number> = {}
  /** Calls by step, generation and provider. */
  readonly calls = new Map<string, number>()
  /** Hears which attempt sends what may be charged, the moment it does. */
  onSent: (token: string) => void = () => undefined

  /** @param durationMs how long the next job takes */
  constructor(nowMs: () => number, durationMs: () => number) {
    this.#nowMs = nowMs
    this.#durationMs = durationMs
  }

  makeJob(step: string, key: string): string {
    const number = (this.jobsMade[step] ?? 0) + 1
    this.jobsMade[step] = number
    const id = `${key}-${number}`
    this.#jobs.set(key, { id, doneMs: this.#nowMs() + this.#durationMs() })
    return id
  }

  /** The newest job of that name. */
  findJob(key: string): string | undefined {
    return this.#jobs.get(key)?.id
  }

  readJob(id: string): 'working' | 'done' | 'gone' {
    const job = [...this.#jobs.values()].find((one) => one.id === id)
    if (job === undefined) return 'gone'
    return this.#nowMs() < job.doneMs ? 'working' : 'done'
  }

  /** Names of jobs that were made. */
  jobKeys(): string[] {
    return [...this.#jobs.keys()]
  }

  countCall(step: string, name: string): void {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    this.callsOfStep[step] = (this.callsOfStep[step] ?? 0) + 1
  }

  keep(artefact: string, receipt: Receipt): void {
    this.#kept.set(artefact, receipt)
  }

  find(artefact: string): Receipt | undefined {
    return this.#kept.get(artefact)
  }
}
