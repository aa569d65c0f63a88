import { clientOf } from '../e2e/cloud.ts'
import { startBenchCloud } from './bench-cloud.ts'
import { STEEP_TEXTS } from '../shared/podcast/words/steep-texts.ts'
import { benchHeard } from './heard.ts'
import { figure, quantile, title } from './report.ts'

const BYTES_MAX = 5 * 1024 * 1024
const ANSWER_MS_MAX = 1_000
const SMALL_MS_MAX = 100
const SMALL_EVERY_MS = 20
const TYPES = ['text/plain', 'text/vtt', 'application/x-subrip', 'application/json'] as const

/** The largest texts that episodes-transcript takes, of every steep kind, and small requests to the same instance. */
export async function benchTexts(): Promise<void> {
  title('texts: what a provider hears in a day of speech')
  await benchHeard()
  title('texts: 5 MiB of every kind, and small requests to the same instance meanwhile')
  const cloud = await startBenchCloud({ environment: { DEFAULT_PLAN: 'unlimited' } })
  try {
    const alice = await clientOf(cloud, 'alice')
    const { id } = await alice.create({ title: 'texts' })
    const token = await cloud.identity.userToken('alice')
    const url = `${cloud.functionsBaseUrl}/episodes-transcript?episodeId=${id}`
    const post = async (type: string, body: string) => {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': type }
      const startedAtMs = performance.now()
      const answer = await fetch(url, { method: 'POST', headers, body })
      await answer.arrayBuffer()
      return { status: answer.status, tookMs: performance.now() - startedAtMs }
    }
    await post('text/plain', 'past the start of the instance')
    const largeMs = new Map<string, number>()
    const smallMs: number[] = []
    const statuses = new Map<number, number>()
    for (const type of TYPES)
      for (const [kind, textOf] of Object.entries(STEEP_TEXTS)) {
        let isOver = false
        const large = post(type, framed(type, textOf)).finally(() => (isOver = true))
        while (!isOver) {
          smallMs.push((await post('text/plain', 'x')).tookMs)
          await new Promise((resolve) => setTimeout(resolve, SMALL_EVERY_MS))
        }
        const { status, tookMs } = await large
        largeMs.set(`${kind} as ${type}`, tookMs)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    const [slowest = '', slowestMs = Number.NaN] = [...largeMs].toSorted(([, a], [, b]) => b - a)[0] ?? []
    const smallest = { text: `< ${SMALL_MS_MAX} ms`, met: quantile(smallMs, 0.99) < SMALL_MS_MAX }
    figure('answered', JSON.stringify(Object.fromEntries(statuses)))
    figure('large texts, p50', `${quantile([...largeMs.values()], 0.5).toFixed(0)} ms`)
    const target = { text: `< ${ANSWER_MS_MAX} ms`, met: slowestMs < ANSWER_MS_MAX }
    figure(`slowest (${slowest})`, `${slowestMs.toFixed(0)} ms`, target)
    figure(`${smallMs.length} small requests meanwhile, p50`, `${quantile(smallMs, 0.5).toFixed(0)} ms`)
    figure('the same, p99', `${quantile(smallMs, 0.99).toFixed(0)} ms`, smallest)
    figure('the same, slowest', `${quantile(smallMs, 1).toFixed(0)} ms`)
  } finally {
    await cloud.stop()
  }
}

function framed(type: string, textOf: (chars: number) => string): string {
  const text = textOf(BYTES_MAX)
  const fitting = Buffer.from(text)
    .subarray(0, BYTES_MAX - 100)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  const cue = `00:00:01.000 --> 00:00:02.000\n${fitting}\n`
  if (type === 'text/vtt') return `WEBVTT\n\n${cue}`
  return type === 'application/x-subrip' ? `1\n${cue}` : fitting
}
