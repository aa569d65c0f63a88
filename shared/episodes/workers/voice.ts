import { artefactKey } from '../artefacts.ts'
import type { StepWork, Work } from './work.ts'

/** The spoken intro. Charges are irreversible, so the audio is stored before anything else. */
export const voice: StepWork = {
  async adopt(work) {
    const audioKey = introKey(work)
    if ((await work.needs.objects.stat(audioKey)) === undefined) return undefined
    return { kind: 'done', adopted: true, results: { voice: { audioKey, characters: introOf(work).text.length } } }
  },

  async run(work) {
    const { objects, elevenLabs } = work.needs
    const spoken = await elevenLabs.speak(introOf(work), work.call)
    work.charged()
    const audioKey = introKey(work)
    await objects.create(audioKey, spoken.audio, spoken.contentType, work.signal)
    return { kind: 'done', results: { voice: { audioKey, characters: spoken.characters } } }
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
  return episode.options.intro
}

function introKey({ episode }: Work): string {
  return artefactKey(episode.id, episode.generation, 'intro.mp3')
}
