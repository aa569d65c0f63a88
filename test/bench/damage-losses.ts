import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { linesOf } from '../e2e/healing.ts'

type Attempt = { readonly episodeId: string; readonly step: string; readonly generation: number }
type Loss = Attempt & { readonly killedAtMs: number }

/** An attempt whose worker was killed: how long until another began, and until the step had its result. */
type Cured = { readonly killedAtMs: number; readonly detectedMs: number; readonly curedMs: number }

/** Knows by the lines of workers which attempt is in whose hands, and kills workers that are at some. */
export class Killer {
  /** By process and request. */
  readonly #open = new Map<number, Map<string, Attempt>>()
  readonly #losses = new Map<string, Loss>()
  kills = 0

  /** Takes one line of a process. */
  hear(text: string, pid: number | undefined): void {
    if (pid === undefined || !/"event":"step\.(started|settled|fenced)"/.test(text)) return
    const { event, requestId, episodeId, step, generation } = JSON.parse(text.slice(text.indexOf('{'))) as Attempt & {
      event: string
      requestId: string
    }
    const open = this.#open.get(pid) ?? new Map<string, Attempt>()
    this.#open.set(pid, open)
    if (event === 'step.started') open.set(requestId, { episodeId, step, generation })
    else {
      open.delete(requestId)
      // It had ended just before, and only its line came late.
      this.#losses.delete(requestId)
    }
  }

  /** Kills one of the workers that are at an attempt, if there is any. */
  killOne({ instances }: LocalCloud, random: () => number): void {
    const workers = instances?.live().filter(({ process: { pid = 0 } }) => (this.#open.get(pid)?.size ?? 0) > 0) ?? []
    const victim = workers[Math.floor(random() * workers.length)]
    const pid = victim?.process.pid ?? 0
    if (victim?.process.kill('SIGKILL') !== true) return
    this.kills++
    for (const [requestId, attempt] of this.#open.get(pid) ?? [])
      this.#losses.set(requestId, { ...attempt, killedAtMs: Date.now() })
    this.#open.delete(pid)
  }

  /** What became of the steps of which attempts were lost, in an episode that has ended. */
  cured(cloud: LocalCloud, episodeId: string): Cured[] {
    const lines = linesOf(cloud).of(episodeId)
    return [...this.#losses.values()].flatMap((loss) => {
      if (loss.episodeId !== episodeId) return []
      const { step, generation, killedAtMs } = loss
      const later = lines
        .filter((line) => line.step === step && line.generation === generation)
        .map((line) => ({ ...line, atMs: Date.parse(line.time ?? '') - killedAtMs }))
      const again = later.find(({ event, atMs }) => event === 'step.started' && atMs > 0)
      const over = later.find(
        ({ event, outcome = '', atMs }) => event === 'step.settled' && ENDS.has(outcome) && atMs > 0,
      )
      return again && over ? [{ killedAtMs, detectedMs: again.atMs, curedMs: over.atMs }] : []
    })
  }
}

const ENDS: ReadonlySet<string> = new Set(['done', 'adopted', 'fellBack'])
