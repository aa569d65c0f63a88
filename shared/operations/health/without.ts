import type { PortName } from '../../podcast/ports.ts'

/** What people notice while nobody behind a port can be used, or storage cannot. */
export const WITHOUT: Readonly<Record<PortName | 'gcs', string>> = {
  transcribers: 'new episodes wait for their transcript; one by hand is taken at once',
  writers: 'new episodes wait for show notes, then get notes taken from the transcript, to be replaced later',
  speakers: 'new episodes wait for their intro, then are finished without one, to be added later',
  masterings: 'new episodes wait for mastering, then are mastered here, to be replaced later',
  gcs: 'recordings cannot be uploaded, and episodes not be finished',
}

/** What they notice while one of several behind a port cannot be used. */
export const WITHOUT_ONE: Readonly<Record<PortName, string>> = {
  transcribers: 'new episodes wait for this transcriber, then are transcribed by the next',
  writers: 'new episodes wait for this writer, then get show notes of the next',
  speakers: 'new episodes wait for this speaker, then get an intro of the next, in another voice',
  masterings: 'new episodes wait for this mastering, then are mastered by the next',
}
