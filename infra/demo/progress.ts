import { PIPELINE, STEP_NAMES } from '../../shared/podcast/pipeline.ts'
import type { StepName } from '../../shared/podcast/pipeline.ts'
import { titlesOf } from '../../shared/providers/orders.ts'
import type { EpisodeView, HistoryView, StepView } from '../../shared/podcast/view.ts'

/** What each step makes, and who does it where nothing else is configured. */
const WHAT = Object.fromEntries(
  PIPELINE.map(({ name, port, words }) => {
    const who = port === undefined ? '' : `${titlesOf(port)}: `
    return [name, `${name.padEnd(12)}${who}${words.makes}`]
  }),
) as Record<StepName, string>
const BAR_CELLS = 20
const FULL = '█'
const EMPTY = '░'

/** Shows an episode's steps as they move: in place on a terminal, a line at each change elsewhere. */
export class Progress {
  readonly #terminal = process.stdout.isTTY
  readonly #startedAtMs = Date.now()
  #lines = 0
  #states = ''

  /** @param history of the episode, while a step waits */
  show(episode: EpisodeView, history: readonly HistoryView[] = []): void {
    const waits = describeWaits(episode, history)
    if (this.#terminal) return this.#redraw(episode, waits)
    const states = STEP_NAMES.map((name) => `${name} ${word(episode.steps[name])}`).join(', ')
    if (`${states}${waits.join('')}` === this.#states) return
    this.#states = `${states}${waits.join('')}`
    process.stdout.write(`  ${this.#showElapsed()}  ${bar(episode.progress)} ${states}\n`)
    for (const wait of waits) process.stdout.write(`           ${wait}\n`)
  }

  #redraw(episode: EpisodeView, waits: readonly string[]): void {
    const lines = STEP_NAMES.map(
      (name) =>
        `  ${bar(fraction(episode.steps[name]))} ${WHAT[name].padEnd(44)} ${describeState(episode.steps[name])}`,
    )
    lines.push(`  ${bar(episode.progress)} ${'all of it'.padEnd(44)} ${this.#showElapsed()}`)
    // What does not fit into the line would make it two, and the next picture start too low.
    lines.push(...waits.map((wait) => `  ${wait}`.slice(0, (process.stdout.columns || 80) - 1)))
    const up = this.#lines > 0 ? `\u001B[${this.#lines}A` : ''
    process.stdout.write(`${up}${lines.map((line) => `\u001B[2K${line}\n`).join('')}\u001B[J`)
    this.#lines = lines.length
  }

  #showElapsed(): string {
    return `${((Date.now() - this.#startedAtMs) / 1000).toFixed(1).padStart(5)} s`
  }
}

function fraction({ state }: StepView): number {
  if (state === 'done' || state === 'skipped') return 1
  return state === 'running' || state === 'waiting' ? 0.5 : 0
}

function bar(share: number): string {
  const cells = Math.round(share * BAR_CELLS)
  return FULL.repeat(cells) + EMPTY.repeat(BAR_CELLS - cells)
}

function word({ state, error, degraded }: StepView): string {
  if (state === 'waiting') return error === undefined ? 'at work' : 'waits'
  return degraded === undefined ? state : `${state} (degraded)`
}

/** What an episode waits for, and why, in the words of its view: a line for each step that waits. */
export function describeWaits({ steps, waitingFor }: EpisodeView, history: readonly HistoryView[] = []): string[] {
  const waiting = STEP_NAMES.filter((name) => steps[name].state === 'waiting' && steps[name].error !== undefined)
  return waiting.map((name, position) => {
    const { error, provider } = steps[name]
    // What the episode as a whole waits for is what the first of them does, which may be none of the step's providers.
    const whom = (position === 0 ? waitingFor?.provider : undefined) ?? provider
    const forWhom = whom === undefined ? '' : ` for ${whom}`
    // A provider that has refused is passed over, and only the history says so.
    const left = history.findLast(({ what, to, why }) => what === name && to === 'pending' && why !== undefined)
    const before = left?.why === undefined ? '' : ` (before: ${left.why})`
    return `${name} waits${forWhom}: ${error?.technical_message ?? error?.message}${before}`
  })
}

function describeState(step: StepView): string {
  const { startedAt, finishedAt } = step
  const seconds = startedAt && ((finishedAt ? Date.parse(finishedAt) : Date.now()) - Date.parse(startedAt)) / 1000
  return `${word(step)}${seconds === undefined || seconds === '' ? '' : ` ${seconds.toFixed(1)} s`}`
}
