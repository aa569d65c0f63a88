import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, extname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { FUNCTIONS } from '../../functions/functions.ts'
import { STEP_NAMES } from '../../shared/podcast/pipeline.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { runCommandLine } from '../command-line.ts'
import { durationSeconds, measureLoudness } from '../local/audio/mastering.ts'
import { LOCAL_TASKS_ACCOUNT } from '../local/identity.ts'
import { startLocalCloud } from '../local/local-cloud.ts'
import type { LocalCloud } from '../local/local-cloud.ts'
import { requireOnlyStart } from '../local/one-start.ts'
import { untilStopped } from '../local/signals.ts'
import { requireFirestore } from '../local/start-options.ts'
import { ApiClient, ApiError } from './api-client.ts'
import { FIXTURE, readArguments, USAGE } from './arguments.ts'
import type { Asked } from './arguments.ts'
import { overheadOf } from './overhead.ts'
import { Progress } from './progress.ts'

/** `npm run demo [-- FILE] [--outage all]`: one recording through the whole pipeline, over HTTP, on the local cloud. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const OUTPUT = `${root}.steadycast/demo/`
const CONTENT_TYPES: Record<string, string> = {
  '.mp3': 'audio/mpeg',
  '.m4a': 'audio/mp4',
  '.wav': 'audio/wav',
  '.flac': 'audio/flac',
  '.ogg': 'audio/ogg',
}
/** An outage that somebody watches need not last two minutes before it is done without. */
const OUTAGE_ENVIRONMENT = { FALLBACK_AFTER_SECONDS: '5' }
const WATCH_EVERY_MS = 400
/** Whoever waits for the functions hears this often how many are there. */
const TELL_EVERY_MS = 3000
const GIVE_UP_MS = 30 * 60_000

await runCommandLine(USAGE, async () => {
  if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)
  const asked = readArguments(process.argv.slice(2), process.env, process.env['INIT_CWD'] ?? '.')
  await requireFirestore(asked.firestore)
  return run(asked)
})

async function run(asked: Asked): Promise<number | undefined> {
  const { firestore, outage } = asked
  await mkdir(`${root}.steadycast`, { recursive: true })
  requireOnlyStart(`${root}.steadycast/`, 'run demo')
  const startedAtMs = Date.now()
  await rm(OUTPUT, { recursive: true, force: true })
  await mkdir(OUTPUT, { recursive: true })
  const log = createWriteStream(`${root}.steadycast/demo.log`)
  say('Starting the local cloud: Firestore, Storage, Tasks, Scheduler, identity and providers, on this machine')
  const starting = startLocalCloud({
    port: 0,
    source: root,
    firestore,
    environment: { ...(outage.length > 0 && OUTAGE_ENVIRONMENT), ...process.env },
    onPart: (part, where) => say(`  ${part.padEnd(20)} ${where}`),
    onLine: (line) => log.write(`${line}\n`),
  })
  const stop = async () => (await starting.catch(() => undefined))?.stop()
  try {
    return await untilStopped(stop, async () => {
      const cloud = await starting
      try {
        say('Starting every function, each as a process of its own')
        await startFunctions(cloud)
        if (cloud.free) {
          say('Rehearsing one episode, so that what is measured later starts nothing')
          await rehearse(cloud)
        }
        const how = `with every function started${cloud.free ? ' and rehearsed once' : ''}`
        say(`Up after ${seconds(Date.now() - startedAtMs)}, ${how}`)
        return await produce(cloud, asked)
      } finally {
        await cloud.stop()
        log.end()
      }
    })
  } catch (error) {
    if (error instanceof ApiError)
      return complain(`${error.envelope.message} (${error.envelope.code}, error id ${error.envelope.error_id})`)
    throw error
  }
}

/** Calls each function once without effect, so that their processes start side by side. */
async function startFunctions({ functionsBaseUrl, identity }: LocalCloud): Promise<void> {
  const user = await identity.userToken('nobody')
  const calls = Object.values(FUNCTIONS).map(async ({ name, method, caller }) => {
    const url = `${functionsBaseUrl}/${name}`
    const token = caller === 'tasks' ? await identity.serviceToken(LOCAL_TASKS_ACCOUNT, url) : user
    const task = { episodeId: '0'.repeat(24), step: name.slice('work-'.length), generation: 1, dispatch: 1 }
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const query = `?episodeId=${'0'.repeat(24)}`
    const response = await fetch(`${url}${query}`, {
      method,
      headers,
      ...(method === 'POST' && { body: JSON.stringify(caller === 'tasks' ? task : {}) }),
    })
    await response.arrayBuffer()
  })
  let started = 0
  for (const call of calls) void call.then(() => started++).catch(() => undefined)
  const telling = setInterval(() => say(`  ${started} of ${calls.length} functions have started`), TELL_EVERY_MS)
  try {
    await Promise.all(calls)
  } finally {
    clearInterval(telling)
  }
}

/**
 * One episode at no latency before the one that counts: cold starts are the platform's, and are kept out of the time
 * that is measured. Only where every provider is a stand-in, because it would be charged anywhere else.
 */
async function rehearse(cloud: LocalCloud): Promise<void> {
  const { pace } = cloud
  const { factor } = pace
  pace.factor = 0
  const client = new ApiClient(cloud.functionsBaseUrl, await cloud.identity.userToken('rehearsal'))
  const draft = await client.create({ title: 'Rehearsal', options: { intro: { text: 'One, two.' } } })
  await client.upload(draft.id, await readFile(FIXTURE), 'audio/flac')
  await client.act('process', draft.id)
  await watch(client, draft.id)
  await client.delete(draft.id)
  pace.factor = factor
}

async function produce(cloud: LocalCloud, { path, outage, byHand }: Asked): Promise<number> {
  const audio = await readFile(path)
  const client = new ApiClient(cloud.functionsBaseUrl, await cloud.identity.userToken('demo'))
  const title = basename(path, extname(path)).replace(/[-_]+/g, ' ').trim() || 'Untitled'
  const intro = { text: `Welcome to Steadycast. This is ${title.slice(0, 80)}.` }
  const draft = await client.create({ title, options: { intro } })
  say(
    `Episode ${draft.id}: uploading ${relative(process.env['INIT_CWD'] ?? root, path)} (${(audio.length / 1e6).toFixed(1)} MB)`,
  )
  await client.upload(draft.id, audio, CONTENT_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream')

  for (const provider of outage) await cloud.faults.set(provider, { mode: 'down' })
  if (outage.length > 0) say(`Down for all of it: ${outage.join(', ')}`)
  await client.act('process', draft.id)
  const startedAtMs = Date.now()
  const progress = new Progress()
  if (byHand !== undefined) await handIn(client, draft.id, byHand, progress)
  const episode = await watch(client, draft.id, progress)
  if (episode.status !== 'ready') {
    const { error } = episode
    return complain(
      `The episode could not be finished: ${error?.message ?? episode.status} (${error?.code}, error id ${error?.error_id})`,
    )
  }
  const totalMs = Date.parse(episode.updatedAt) - startedAtMs
  await summarise(episode, audio, await download(episode), totalMs, cloud)
  return 0
}

/** Hands in the words once the episode waits for somebody to transcribe it. */
async function handIn(
  client: ApiClient,
  episodeId: string,
  byHand: NonNullable<Asked['byHand']>,
  progress: Progress,
): Promise<void> {
  const words = 'file' in byHand ? await readFile(byHand.file, 'utf8') : byHand.words
  await watch(client, episodeId, progress, ({ steps }) => steps.transcribe.error !== undefined)
  say('  nobody transcribes it: its transcript is handed in by hand')
  await client.giveTranscript(episodeId, words, 'text/plain; charset=utf-8')
}

async function watch(
  client: ApiClient,
  episodeId: string,
  progress?: Progress,
  enough: (episode: EpisodeView) => boolean = () => false,
): Promise<EpisodeView> {
  const startedAtMs = Date.now()
  while (Date.now() - startedAtMs < GIVE_UP_MS) {
    const episode = await client.get(episodeId)
    if (progress) {
      const waits = STEP_NAMES.some((name) => episode.steps[name].state === 'waiting' && episode.steps[name].error)
      progress.show(episode, waits ? await client.history(episodeId) : [])
    }
    if (episode.status !== 'processing' || enough(episode)) return episode
    await new Promise((done) => setTimeout(done, WATCH_EVERY_MS))
  }
  throw new Error('the episode took longer than half an hour')
}

async function download({
  outputs,
}: EpisodeView): Promise<Record<'episode.mp3' | 'transcript.json' | 'captions.vtt' | 'captions.srt', Buffer>> {
  const fetchBytes = async (url: string | undefined) => Buffer.from(await (await fetch(url ?? '')).arrayBuffer())
  const files = {
    'episode.mp3': await fetchBytes(outputs?.audioUrl),
    'transcript.json': await fetchBytes(outputs?.transcriptUrl),
    'captions.vtt': await fetchBytes(outputs?.vttUrl),
    'captions.srt': await fetchBytes(outputs?.srtUrl),
  }
  for (const [name, bytes] of Object.entries(files)) await writeFile(`${OUTPUT}${name}`, bytes)
  await writeFile(`${OUTPUT}notes.json`, `${JSON.stringify(outputs?.notes, null, 2)}\n`)
  return files
}

async function summarise(
  episode: EpisodeView,
  before: Buffer,
  files: Awaited<ReturnType<typeof download>>,
  totalMs: number,
  cloud: LocalCloud,
): Promise<void> {
  const after = files['episode.mp3']
  const [loudnessBefore, loudnessAfter] = [await measureLoudness(before), await measureLoudness(after)]
  const { words } = JSON.parse(files['transcript.json'].toString()) as { words: unknown[] }
  const notes = episode.outputs?.notes
  const { standInMs, share } = overheadOf(totalMs, cloud.work.of(episode.id))
  const line = (label: string, text: string) => process.stdout.write(`  ${label.padEnd(12)} ${text}\n`)
  say(`Ready: "${notes?.title}"`)
  const isSpoken = episode.steps.voice.degraded === undefined
  const lasts = async (sound: Buffer) => `${(await durationSeconds(sound)).toFixed(2)} s`
  line(
    'duration',
    `${await lasts(before)} recorded, ${await lasts(after)} ${isSpoken ? 'with its' : 'without an'} intro`,
  )
  line(
    'loudness',
    `${loudnessBefore.integratedLufs.toFixed(1)} LUFS before, ${loudnessAfter.integratedLufs.toFixed(1)} LUFS after (ffmpeg, EBU R128)`,
  )
  line('words', String(words.length))
  line(
    'chapters',
    (notes?.chapters ?? []).map(({ startSeconds, title }) => `${startSeconds.toFixed(1)} s ${title}`).join(' · '),
  )
  line('tags', (notes?.tags ?? []).join(', '))
  for (const name of STEP_NAMES) {
    const { degraded } = episode.steps[name]
    if (degraded !== undefined) line(`(${name})`, degraded)
  }
  if (standInMs > 0)
    line(
      'time',
      `${seconds(totalMs)}, of which ${seconds(standInMs)} the stand-ins' own on the longest path: ${(share * 100).toFixed(1)} % ours`,
    )
  line(
    'files',
    Object.keys(files)
      .concat('notes.json')
      .map((name) => `.steadycast/demo/${name}`)
      .join('\n'.padEnd(16)),
  )
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function complain(text: string): number {
  process.stderr.write(`${text}\n`)
  return 1
}
