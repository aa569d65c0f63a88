import { KNOWN_ANSWERS } from '../../test/shared/providers/answers/all.ts'
import type { KnownAnswer } from '../../test/shared/providers/answers/all.ts'
import { table } from './markdown-table.ts'

/** What an answer leads to, as shared/engine/after-failure.ts decides it, in words. */
const WORDS = {
  goesOn: 'goes on',
  goesOnWithout: 'the next provider, else the fallback, at once',
  waits: 'waits; after `FALLBACK_AFTER_SECONDS` the next provider, else the fallback',
  savesRepeat: 'waits; asked once more after `FALLBACK_AFTER_SECONDS`; then the next provider, else the fallback',
  onceMore: 'asked once more; then the next provider, else the fallback',
  anotherJobLater:
    'waits; another job, twice at most; after `FALLBACK_AFTER_SECONDS` the next provider, else the fallback',
  anotherJob: 'another job, twice at most; then the next provider, else the fallback',
  unfetched:
    'waits while our storage is away; else another try, a few times; then the next provider, else the fallback',
  notAudio: 'the next provider, else `not_audio`',
  noSpeech: 'the next provider, else `provider_rejected`',
} as const
type Course = keyof typeof WORDS

/** The same of a transcription, which has no fallback: with another transcriber, and without. */
const TRANSCRIPTION: Readonly<Record<Course, string>> = {
  goesOn: WORDS.goesOn,
  goesOnWithout: 'the next transcriber, else `provider_rejected`, at once',
  waits: 'waits; after `FALLBACK_AFTER_SECONDS` the next transcriber, else waits on',
  savesRepeat:
    'waits; asked once more after `FALLBACK_AFTER_SECONDS`; then the next transcriber; where that refuses, once more a day later',
  onceMore: 'asked once more; then the next transcriber, else `attempts_exhausted`',
  anotherJobLater: 'waits; another job; after `FALLBACK_AFTER_SECONDS` the next transcriber, else waits on',
  anotherJob: 'another job, twice at most; then the next transcriber, else, after five jobs, `attempts_exhausted`',
  unfetched:
    'waits while our storage is away; else another try, a few times; then the next transcriber, else `attempts_exhausted`',
  notAudio: 'the next transcriber, else `not_audio`, at once',
  noSpeech: 'the next transcriber, else `provider_rejected`, at once',
}
/** Looking at a job once more costs nothing, so that one which nobody can read is waited for. */
const TRANSCRIPTION_JOB = {
  ...TRANSCRIPTION,
  onceMore: 'asked once more; then the next transcriber, else waits on',
}

const COURSES: Readonly<Record<string, Course>> = {
  used: 'goesOn',
  done: 'goesOn',
  working: 'goesOn',
  invalid_input: 'goesOnWithout',
  content_blocked: 'goesOnWithout',
  not_found: 'goesOnWithout',
  conflict: 'goesOnWithout',
  misconfigured: 'goesOnWithout',
  not_audio: 'notAudio',
  no_speech: 'noSpeech',
  refused: 'goesOnWithout',
  ended: 'anotherJob',
  unfetched: 'unfetched',
  unusable: 'onceMore',
  bad_response: 'onceMore',
  auth: 'waits',
  billing: 'waits',
  rate_limited: 'waits',
  at_capacity: 'waits',
  overloaded: 'waits',
  network: 'waits',
  timeout: 'waits',
}
/** Reasons for which a breaker opens until an operator acts. */
const NEEDS_OPERATOR: ReadonlySet<string> = new Set(['auth', 'billing', 'misconfigured'])
const TOLD: Readonly<Record<string, string>> = {
  auth: 'operator',
  billing: 'operator',
  misconfigured: 'operator',
  invalid_input: 'person',
  content_blocked: 'person',
  not_audio: 'person',
  no_speech: 'person',
  refused: 'person',
}
/** Provider and answer to what the episode becomes, what was charged, who is told, and what the breaker hears. */
export function answersTable(): string {
  const rows = KNOWN_ANSWERS.map((row) => [
    row.provider,
    row.answer,
    becomes(row),
    row.charged ? 'yes' : 'no',
    NEEDS_OPERATOR.has(row.breaker) ? 'operator' : (TOLD[row.kind] ?? ''),
    row.breaker,
  ])
  return table(['Provider', 'It answers', 'The episode', 'Charged', 'Told', 'Breaker'], rows)
}

function becomes(row: KnownAnswer): string {
  const { course, betterLater } = fateOf(row)
  if (row.transcribes !== undefined) return (row.transcribes === 'job' ? TRANSCRIPTION_JOB : TRANSCRIPTION)[course]
  const better = { never: '', soon: '; made better later', nextDay: '; made better a day later' }[betterLater]
  return `${WORDS[course]}${better}`
}

/** What becomes of an episode whose provider answers so each time, and when it is made better, should that be possible. */
export function fateOf(row: KnownAnswer): { course: Course; betterLater: 'never' | 'soon' | 'nextDay' } {
  const { kind, canPass, lost, breaker, answer } = row
  const usual = row.isNotAudio === true ? 'notAudio' : COURSES[kind]
  if (usual === undefined) throw new Error(`nobody has said what becomes of ${kind} ("${answer}")`)
  const course = courseOf(usual, lost, breaker)
  // What another transcriber has heard lacks nothing.
  if (row.transcribes !== undefined) return { course, betterLater: 'never' }
  if (course === 'savesRepeat') return { course, betterLater: 'nextDay' }
  // They pass by themselves, whatever the answer said.
  return { course, betterLater: canPass || PASS_BY_THEMSELVES.has(course) ? 'soon' : 'never' }
}

const PASS_BY_THEMSELVES: ReadonlySet<Course> = new Set(['waits', 'onceMore', 'anotherJob', 'anotherJobLater'])

function courseOf(usual: Course, lost: KnownAnswer['lost'], breaker: string): Course {
  if (usual === 'waits' && lost === 'quickly') return 'savesRepeat'
  return usual === 'anotherJob' && NEEDS_OPERATOR.has(breaker) ? 'anotherJobLater' : usual
}
