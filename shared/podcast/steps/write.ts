import { createHash } from 'node:crypto'
import * as z from 'zod'

import type { Receipt } from '../../engine/outcome.ts'
import { pause } from '../../resilience/deadline.ts'
import { TITLE_DEFAULT } from '../defaults.ts'
import type { Material, Writer } from '../ports.ts'
import { providerOf } from '../tools.ts'
import type { Tools } from '../tools.ts'
import { Notes, tidyChapters } from '../words/notes.ts'
import { defineStep, keysOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { doneWithout } from './done-without.ts'
import { makeOfHeard } from './make-of-transcript.ts'
import { readArtefact } from './read-artefact.ts'
import { labelsOf, receiptOf } from '../receipts.ts'
import { transcribe } from './transcribe.ts'

/** So long others wait for a worker that is not heard of again. One that is at work renews its claim in time. */
const CLAIM_MS = 20_000
const RENEW_MS = 7_000
const LOOK_AGAIN_MS = 1_000

const STORES = ['notes.json', 'extractive-notes.json'] as const
const keyOf = keysOf(STORES)

/** `cacheKey`: under what the same is kept for its owner's other episodes. */
const WriteResult = z.looseObject({ notesKey: z.string(), notes: Notes, cacheKey: z.string().optional() })
type WriteResult = z.infer<typeof WriteResult>
const NO_NOTES = { title: TITLE_DEFAULT, description: TITLE_DEFAULT, chapters: [], tags: [] }

/**
 * Transcript to show notes. The call is charged each time, so its answer is stored before anything else, and the same
 * words of the same person are asked about once.
 */
export const write = defineStep({
  name: 'write',
  after: [transcribe],
  redoneWith: [transcribe],
  kind: 'call',
  port: 'writers',
  share: 0.2,
  stores: STORES,
  words: { makes: 'title, notes, chapters', purpose: 'Transcript to show notes' },
  worker: { maxDispatchesPerSecond: 10, maxConcurrentDispatches: 20 },
  result: WriteResult,
  substitutes: {
    notesKey: '',
    notes: NO_NOTES,
    ...Object.fromEntries(Object.entries(NO_NOTES).map(([field, nothing]) => [`notes.${field}`, nothing])),
  },
  fallback: 'notes',

  async forget({ cacheKey }, { notesCache }) {
    if (cacheKey !== undefined) await notesCache.forget(cacheKey)
  },

  async adopt(attempt, tools) {
    const notesKey = keyOf(attempt, 'notes.json')
    const text = await tools.objects.readText(notesKey)
    const notes = text === undefined ? undefined : readArtefact(Notes, notesKey, text)
    // Notes that cannot be read are asked for again: what the episode shows is its own copy of them.
    if (notes === undefined) return undefined
    const cacheKey = cacheKeyOf(attempt, providerOf(tools.writers, attempt), await materialOf(attempt, tools))
    const stored = await tools.objects.stat(notesKey)
    return { result: { notesKey, notes, cacheKey }, receipt: stored && receiptOf(stored) }
  },

  async run(attempt, tools) {
    const writer = providerOf(tools.writers, attempt)
    const material = await materialOf(attempt, tools)
    const cacheKey = cacheKeyOf(attempt, writer, material)
    const known = attempt.step.anew ? undefined : await lookUpNotes(attempt, tools, cacheKey)
    if (known !== undefined)
      return {
        kind: 'adopted',
        result: await storeNotes(attempt, tools, { artefact: 'notes.json', ...known, cacheKey }),
        receipt: known.receipt,
      }
    const written = await holdingClaim(attempt, tools, cacheKey, async () => {
      const { notes, receipt } = await askForNotes(attempt, tools, { writer, material, cacheKey })
      // Kept first: should storage be away, the next attempt finds what is paid for.
      await tools.notesCache.keep(cacheKey, attempt.workflow.id, notes, receipt)
      return { notes, receipt }
    })
    return { kind: 'done', result: await storeNotes(attempt, tools, { artefact: 'notes.json', ...written, cacheKey }) }
  },

  async fallBack(attempt, tools, because) {
    const { title } = attempt.workflow
    const givenTitle = title === TITLE_DEFAULT ? undefined : title
    const notes = await makeOfHeard(attempt, tools, { make: 'notes', givenTitle })
    return {
      result: await storeNotes(attempt, tools, { artefact: 'extractive-notes.json', notes }),
      degraded: doneWithout(
        'The show notes were taken from the transcript as it is',
        'the service that writes them',
        because,
      ),
    }
  },
})

async function materialOf(attempt: EpisodeAttempt, tools: Tools): Promise<Material> {
  return { title: attempt.workflow.title, ...(await makeOfHeard(attempt, tools, { make: 'material' })) }
}

/** Whose notes, of what, by which model and instruction. */
function cacheKeyOf({ workflow }: EpisodeAttempt, { name, version }: Writer, material: Material): string {
  return createHash('sha256')
    .update(JSON.stringify([workflow.userId, `${name}/${version}`, material]))
    .digest('hex')
}

/** `receipt`: of the call of this episode's that wrote them, if it was one. */
type PaidNotes = { readonly notes: Notes; readonly receipt: Receipt | undefined }

/** Notes of the same words: those that are there, or that another episode's worker is getting just now. */
async function lookUpNotes(
  attempt: EpisodeAttempt,
  { notesCache }: Tools,
  cacheKey: string,
): Promise<PaidNotes | undefined> {
  for (;;) {
    const found = await notesCache.reserve(cacheKey, attempt.workflow.id, CLAIM_MS)
    if (found.kind === 'found') return { notes: found.notes, receipt: found.receipt }
    if (found.kind === 'ours') return undefined
    attempt.tell('waiting for the same notes, which are being written')
    await pause(Math.min(LOOK_AGAIN_MS, Math.max(1, found.untilMs - attempt.nowMs())), attempt.signal)
  }
}

/** Renews the claim for as long as the work goes on: a call can take minutes, and a killed worker renews nothing. */
async function holdingClaim<T>(
  { workflow }: EpisodeAttempt,
  { notesCache }: Tools,
  cacheKey: string,
  work: () => Promise<T>,
): Promise<T> {
  const renewing = setInterval(() => void notesCache.renew(cacheKey, workflow.id, CLAIM_MS), RENEW_MS)
  try {
    return await work()
  } finally {
    clearInterval(renewing)
  }
}

/** Notes that a reader accepts. Whatever else comes of the call ends this episode's claim at once. */
async function askForNotes(
  attempt: EpisodeAttempt,
  { notesCache }: Tools,
  { writer, material, cacheKey }: { writer: Writer; material: Material; cacheKey: string },
): Promise<PaidNotes> {
  try {
    const { notes, cost } = await writer.writeNotes(material, attempt.call)
    const receipt = attempt.charge(cost)
    const chapters = tidyChapters(notes.chapters, material.durationSeconds)
    return { notes: Notes.parse({ ...notes, chapters }), receipt }
  } catch (error) {
    await notesCache.release(cacheKey, attempt.workflow.id)
    throw error
  }
}

async function storeNotes(
  attempt: EpisodeAttempt,
  { objects }: Tools,
  {
    artefact,
    notes,
    cacheKey,
    receipt,
  }: { artefact: (typeof STORES)[number]; notes: Notes; cacheKey?: string; receipt?: Receipt | undefined },
): Promise<WriteResult> {
  const notesKey = keyOf(attempt, artefact)
  const json = JSON.stringify(Notes.parse(notes))
  await objects.create(notesKey, json, 'application/json', attempt.signal, labelsOf(receipt))
  return { notesKey, notes, ...(cacheKey !== undefined && { cacheKey }) }
}
