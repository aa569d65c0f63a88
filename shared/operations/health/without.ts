import type { PortName } from '../../podcast/ports.ts'

/** What people notice while nobody behind a port can be used, or storage cannot. */
export const WITHOUT: Readonly<Record<PortName | 'gcs', string>> = {
  transcribers: 'new episodes wait for their transcript; one by hand is taken at once',
  writers: 'new episodes wait for show notes, then get notes taken from the transcript, to be replaced later',
  speakers: 'new episodes wait for their intro, then are finished without one, to be added later',
  masterings: 'new episodes wait for mastering, then are mastered here, to be replaced later',
  gcs: 'recordings cannot be uploaded, and episodes not be finished',
}
