import { createHash } from 'node:crypto'
import * as z from 'zod'

import { inLanes } from '../../resilience/lanes.ts'
import { cachedVoiceKey, cachedVoicePrefix, cachedVoicesPrefix } from '../artefacts.ts'
import type { EpisodeContent } from '../content.ts'
import type { Speaker } from '../ports.ts'
import type { Objects, StoredObject } from '../storage.ts'
import { providerOf } from '../tools.ts'
import { defineStep, keysOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { doneWithout } from './done-without.ts'
import { receiptOf } from '../receipts.ts'
import { storePaid } from './store-paid.ts'
import { transcribe } from './transcribe.ts'

const STORES = ['intro.mp3'] as const
const keyOf = keysOf(STORES)

/** Intros that are kept for one person's other episodes. */
const KEPT_MAX = 50
/** Removed at a time. */
const LANES = 8

/** `cacheKey`: under what the same is kept for its owner's other episodes. */
const VoiceResult = z.looseObject({ audioKey: z.string(), characters: z.number(), cacheKey: z.string().optional() })

/**
 * The spoken intro. Charges are irreversible, so the audio is stored before anything else; the same words in the same
 * voice are spoken once for a person, and kept for their other episodes.
 */
export const voice = defineStep({
  name: 'voice',
  after: [transcribe],
  redoneWith: 'nothing',
  kind: 'call',
  port: 'speakers',
  share: 0.05,
  stores: STORES,
  words: { makes: 'spoken intro', purpose: 'Text to a spoken intro' },
  worker: { maxDispatchesPerSecond: 5, maxConcurrentDispatches: 5 },
  result: VoiceResult,
  substitutes: { audioKey: '', characters: 0 },
  fallback: 'voice',
  skips: ({ options }) => options.intro === undefined,
  dependsOn: ({ intro }) => intro && [intro.text, intro.voiceId],

  async forget({ cacheKey }, { objects }) {
    const kept = cacheKey === undefined ? undefined : await objects.stat(cacheKey)
    if (cacheKey !== undefined && kept !== undefined)
      await objects.remove({ key: cacheKey, generation: kept.generation })
  },

  async tidy({ cacheKey }, userId, { objects }) {
    if (cacheKey === undefined) return
    const kept: StoredObject[] = []
    for await (const page of objects.list(cachedVoicePrefix(userId))) kept.push(...page)
    const oldest = kept.toSorted((a, b) => b.createdAtMs - a.createdAtMs).slice(KEPT_MAX)
    await inLanes(LANES, oldest, (one) => objects.remove(one))
  },

  async adopt(attempt, { objects, speakers }) {
    const audioKey = keyOf(attempt, 'intro.mp3')
    const stored = await objects.stat(audioKey)
    if (stored === undefined) return undefined
    // Whose voice it is may not be known while the provider is away; what is paid for is kept all the same.
    const hash = await hashOf(attempt, providerOf(speakers, attempt)).catch(() => undefined)
    const cacheKey = hash && ownCacheKey(attempt, hash)
    const { length: characters } = introOf(attempt.workflow).text
    return {
      result: { audioKey, ...(cacheKey !== undefined && { cacheKey }), characters },
      receipt: receiptOf(stored),
    }
  },

  async run(attempt, tools) {
    const { objects } = tools
    const speaker = providerOf(tools.speakers, attempt)
    const { text, voiceId } = introOf(attempt.workflow)
    const audioKey = keyOf(attempt, 'intro.mp3')
    const hash = await hashOf(attempt, speaker)
    const known = attempt.step.anew
      ? undefined
      : await findCached(objects, cachedVoicesPrefix(attempt.workflow.userId, hash))
    if (known !== undefined) {
      const { key, contentType } = known
      await objects.create(audioKey, await objects.readStream(key), contentType, attempt.signal)
      return { kind: 'adopted', result: { audioKey, cacheKey: key, characters: text.length } }
    }
    const spoken = await speaker.speak({ text, voiceId }, attempt.call)
    const receipt = attempt.charge(spoken.cost)
    await storePaid(attempt, tools, { key: audioKey, content: spoken.audio, receipt }, spoken.contentType)
    // The voice that was to speak may have been refused, and another have spoken.
    const cacheKey = ownCacheKey(attempt, await hashOf(attempt, speaker))
    await objects.create(cacheKey, spoken.audio, spoken.contentType, attempt.signal)
    return { kind: 'done', result: { audioKey, cacheKey, characters: spoken.characters } }
  },

  async fallBack(_attempt, _tools, because) {
    return {
      result: undefined,
      degraded: doneWithout('The spoken intro is left out', 'the service that speaks it', because),
    }
  },
})

function introOf({ options }: Pick<EpisodeContent, 'options'>) {
  if (options.intro === undefined) throw new Error('an intro nobody asked for')
  return options.intro
}

/** What was spoken before for its owner, for whichever episode. */
async function findCached(objects: Objects, prefix: string): Promise<{ key: string; contentType: string } | undefined> {
  for await (const [first] of objects.list(prefix)) {
    const stat = first && (await objects.stat(first.key))
    return first && stat && { key: first.key, contentType: stat.contentType }
  }
  return undefined
}

function ownCacheKey({ workflow: { userId, id } }: EpisodeAttempt, hash: string): string {
  return cachedVoiceKey(userId, hash, id)
}

/** Whose words, in which voice. */
async function hashOf({ workflow, call }: EpisodeAttempt, speaker: Speaker): Promise<string> {
  const { text, voiceId } = introOf(workflow)
  const version = `${speaker.name}/${await speaker.version({ voiceId }, call)}`
  return createHash('sha256')
    .update(JSON.stringify([workflow.userId, version, text]))
    .digest('hex')
}
