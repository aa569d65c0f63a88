import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import type { Work } from './work.ts'

/** The spoken intro. Charges are irreversible, so the audio is stored before anything else. */
export async function voice(work: Work): Promise<Outcome> {
  const { objects, elevenLabs } = work.needs
  const { intro } = work.episode.options
  if (intro === undefined) throw new Error('an intro nobody asked for')
  const audioKey = artefactKey(work.episode.id, work.episode.generation, 'intro.mp3')
  if (work.resumesIntent && (await objects.stat(audioKey)) !== undefined)
    return { kind: 'done', adopted: true, results: { voice: { audioKey, characters: intro.text.length } } }

  const spoken = await elevenLabs.speak(intro, work.call)
  work.charged()
  await objects.create(audioKey, spoken.audio, spoken.contentType, work.signal)
  return { kind: 'done', results: { voice: { audioKey, characters: spoken.characters } } }
}
