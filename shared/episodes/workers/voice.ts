import { createHash } from 'node:crypto'

import { artefactKey, cachedVoiceKey } from '../artefacts.ts'
import { firstOf } from './work.ts'
import type { StepWork, Work } from './work.ts'

/**
 * The spoken intro. Charges are irreversible, so the audio is stored before anything else; the same words in the same
 * voice are spoken once for a person, and kept for their other episodes.
 */
export const voice: StepWork = {
  async adopt(work) {
    const audioKey = introKey(work)
    if ((await work.dependencies.objects.stat(audioKey)) === undefined) return undefined
    const { text } = introOf(work)
    return { kind: 'done', adopted: true, results: { voice: { audioKey, characters: text.length } } }
  },

  async run(work) {
    const { objects, speakers } = work.dependencies
    const speaker = firstOf(speakers)
    const intro = introOf(work)
    const [audioKey, cacheKey] = [introKey(work), cacheKeyOf(work)]
    const cached = work.step.anew ? undefined : await objects.stat(cacheKey)
    if (cached !== undefined) {
      await objects.create(audioKey, await objects.readStream(cacheKey), cached.contentType, work.signal)
      const results = { voice: { audioKey, cacheKey, characters: intro.text.length } }
      return { kind: 'done', adopted: true, results }
    }
    const spoken = await speaker.speak(intro, work.call)
    work.charged(speaker.name, spoken.cost)
    await objects.create(audioKey, spoken.audio, spoken.contentType, work.signal)
    await objects.create(cacheKey, spoken.audio, spoken.contentType, work.signal)
    return { kind: 'done', results: { voice: { audioKey, cacheKey, characters: spoken.characters } } }
  },

  async fallBack() {
    return {
      results: {},
      degraded: 'The spoken intro is left out, because the service that speaks it was away.',
    }
  },
}

function introOf({ episode }: Work) {
  if (episode.options.intro === undefined) throw new Error('an intro nobody asked for')
  const { text, voiceId } = episode.options.intro
  return { text, voiceId }
}

function introKey({ episode }: Work): string {
  return artefactKey(episode.id, episode.generation, 'intro.mp3')
}

/** Whose words, which, and how they are spoken. */
function cacheKeyOf(work: Work): string {
  const intro = introOf(work)
  const speaker = firstOf(work.dependencies.speakers)
  const parts = JSON.stringify([work.episode.userId, speaker.name, speaker.version(intro), intro.text])
  return cachedVoiceKey(createHash('sha256').update(parts).digest('hex'))
}
