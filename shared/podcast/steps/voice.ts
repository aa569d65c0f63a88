import { createHash } from 'node:crypto'
import * as z from 'zod'

import { cachedVoiceKey } from '../artefacts.ts'
import type { EpisodeContent } from '../content.ts'
import type { Speaker } from '../ports.ts'
import { providerOf } from '../tools.ts'
import { defineStep, keyOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { doneWithout } from './done-without.ts'
import { storePaid } from './store-paid.ts'
import { transcribe } from './transcribe.ts'

/** `cacheKey`: under what the same is kept for its owner's other episodes. */
const VoiceResult = z.looseObject({ audioKey: z.string(), characters: z.number(), cacheKey: z.string().optional() })

/**
 * The spoken intro. Charges are irreversible, so the audio is stored before anything else; the same words in the same
 * voice are spoken once for a person, and kept for their other episodes.
 */
export const voice = defineStep({
  name: 'voice',
  after: [transcribe],
  redoneWith: [],
  kind: 'call',
  port: 'speakers',
  share: 0.05,
  words: { makes: 'spoken intro', purpose: 'Text to a spoken intro' },
  worker: { maxDispatchesPerSecond: 5, maxConcurrentDispatches: 5 },
  result: VoiceResult,
  fallback: 'voice',
  skips: ({ options }) => options.intro === undefined,
  dependsOn: ({ intro }) => intro && [intro.text, intro.voiceId],

  async forget({ cacheKey }, { objects }) {
    const kept = cacheKey === undefined ? undefined : await objects.stat(cacheKey)
    if (cacheKey !== undefined && kept !== undefined)
      await objects.remove({ key: cacheKey, generation: kept.generation })
  },

  async adopt(attempt, { objects, speakers }) {
    const audioKey = keyOf(attempt, 'intro.mp3')
    if ((await objects.stat(audioKey)) === undefined) return undefined
    // Whose voice it is may not be known while the provider is away; what is paid for is kept all the same.
    const cacheKey = await cacheKeyOf(attempt, providerOf(speakers, attempt)).catch(() => undefined)
    return { audioKey, ...(cacheKey !== undefined && { cacheKey }), characters: introOf(attempt.workflow).text.length }
  },

  async run(attempt, tools) {
    const { objects } = tools
    const speaker = providerOf(tools.speakers, attempt)
    const { text, voiceId } = introOf(attempt.workflow)
    const audioKey = keyOf(attempt, 'intro.mp3')
    const cacheKey = await cacheKeyOf(attempt, speaker)
    const known = attempt.step.anew ? undefined : await objects.stat(cacheKey)
    if (known !== undefined) {
      await objects.create(audioKey, await objects.readStream(cacheKey), known.contentType, attempt.signal)
      return { kind: 'adopted', result: { audioKey, cacheKey, characters: text.length } }
    }
    const spoken = await speaker.speak({ text, voiceId }, attempt.call)
    attempt.charge(spoken.cost)
    await storePaid(attempt, tools, { key: audioKey, content: spoken.audio }, spoken.contentType)
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

/** Whose words, in which voice. */
async function cacheKeyOf({ workflow, call }: EpisodeAttempt, speaker: Speaker): Promise<string> {
  const { text, voiceId } = introOf(workflow)
  const version = `${speaker.name}/${await speaker.version({ voiceId }, call)}`
  const digest = createHash('sha256').update(JSON.stringify([workflow.userId, version, text]))
  return cachedVoiceKey(workflow.userId, digest.digest('hex'))
}
