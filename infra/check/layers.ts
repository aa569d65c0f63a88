/** One layer of shared/: the rooms in it import only layers below it. */
export type Layer = {
  readonly rooms: readonly string[]
  /** What it is for, as shared/README.md says it. */
  readonly about: string
}

/** THE LAYERS, the highest first. shared/README.md's list is generated from here, and `npm run check` keeps to it. */
export const LAYERS: readonly Layer[] = [
  { rooms: ['dependencies'], about: 'composition: the only place that knows everything and builds it' },
  { rooms: ['store', 'tasks', 'providers'], about: 'adapters: they implement the ports that the rooms below declare' },
  { rooms: ['operations'], about: 'what operators do' },
  { rooms: ['podcast'], about: 'what this product is: its steps, its sound and words, what owners do' },
  { rooms: ['engine'], about: 'durable steps: definitions, transitions, the runner, the sweep' },
  { rooms: ['http'], about: 'the edge, in front of the framework; it knows no episode' },
  { rooms: ['quotas'], about: 'plans, usage, rates' },
  { rooms: ['breaker'], about: 'the circuit breaker, which stands alone' },
  {
    rooms: ['resilience', 'telemetry', 'errors', 'config.ts', 'environment.ts'],
    about: 'what everybody uses: retries and deadlines, the log, errors without HTTP, configuration',
  },
]
