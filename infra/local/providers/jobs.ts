import type { KeptTable } from '../kept/table.ts'

/** Gives a stand-in the table of its jobs, under a name of its own. */
export type KeptJobs = <Kept>(name: string) => KeptTable<Kept>

/** How a job is kept, and comes back. */
type Form<Job, Kept> = { readonly save: (job: Job) => Kept; readonly load: (kept: Kept) => Job }

/** What a stand-in has been given to do, by id, oldest first; from one start to the next where it has a table. */
export class Jobs<Job, Kept> {
  readonly #jobs: Map<string, Job>
  readonly #form: Form<Job, Kept>
  #table: KeptTable<Kept> | undefined

  constructor(table: KeptTable<Kept> | undefined, form: Form<Job, Kept>) {
    this.#jobs = new Map(table?.entries().map(([id, kept]) => [id, form.load(kept)]))
    this.#form = form
    this.#table = table
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  all(): Job[] {
    return [...this.#jobs.values()]
  }

  /** Takes in a job, and a change of one. It is kept when this returns. */
  put(id: string, job: Job): void {
    this.#table?.write([[id, this.#form.save(job)]])
    this.#jobs.set(id, job)
  }

  /** Takes in that a job has changed; of one that was removed meanwhile nothing is kept. */
  change(id: string): void {
    const job = this.#jobs.get(id)
    if (job !== undefined) this.put(id, job)
  }

  remove(id: string): void {
    this.#table?.write([[id, undefined]])
    this.#jobs.delete(id)
  }

  /** What happens to a job from now on is not kept: it goes on from what is. */
  close(): void {
    this.#table = undefined
  }
}

/** Of jobs that are kept as they are. */
export const AS_IT_IS = { save: <T>(job: T): T => job, load: <T>(kept: T): T => kept }
