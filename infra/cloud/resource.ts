/** Kinds of what a deployment consists of, in the order in which they are made; they are removed in the reverse. */
export const KIND_NAMES = [
  'api',
  'serviceAccount',
  'role',
  'bucket',
  'database',
  'index',
  'field',
  'backupSchedule',
  'secret',
  'secretVersion',
  'queue',
  'grant',
  'function',
  'invoker',
  'job',
  'metric',
  'channel',
  'uptimeCheck',
  'alertPolicy',
  'dashboard',
] as const
export type KindName = (typeof KIND_NAMES)[number]

export type Fields = Record<string, unknown>

/** One thing that a deployment consists of. */
export type Resource = {
  readonly kind: KindName
  /** Its full name in the API; where the API gives the name itself, ours by which it is found. */
  readonly name: string
  /** What it must be like, in the API's own field names; what is not listed is left as it is. */
  readonly fields: Fields
  /** Within a kind, what has a lower one is made first; 0 by default. */
  readonly rank?: number
  /** Why it is there, for the plan. */
  readonly reason?: string
}

/** What there is of a resource. */
export type Found = {
  /** Its full name in the API. */
  name: string
  fields: Fields
}

/** How resources of one kind are looked at and changed. */
export type Kind = {
  /** How many may be worked on at once; 8 by default. */
  readonly atOnce?: number
  readonly read: (resource: Resource) => Promise<Found | undefined>
  readonly create: (resource: Resource) => Promise<void>
  /** @param changed the top-level fields that differ; absent where the API can change nothing */
  readonly update?: (resource: Resource, found: Found, changed: readonly string[]) => Promise<void>
  /** Absent for what holds data, or is needed to get at it. */
  readonly remove?: (found: Found) => Promise<void>
  /** Everything of this kind that bears our mark; absent where nothing is ever left over. */
  readonly list?: () => Promise<Found[]>
}
export type Kinds = Readonly<Record<KindName, Kind>>

/** Marks what belongs to us, where the API has labels. */
export const MARK = { 'managed-by': 'steadycast' } as const
