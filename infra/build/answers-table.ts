import { KNOWN_ANSWERS } from '../../test/shared/providers/answers/all.ts'
import type { KnownAnswer } from '../../test/shared/providers/answers/all.ts'
import { table } from './markdown-table.ts'

/** What follows from each kind of failure, as shared/engine/after-failure.ts decides it. */
const WITHOUT = 'the next provider, else the fallback, at once'
const WAITS = 'waits; after `FALLBACK_AFTER_SECONDS` the next provider, else the fallback'
const ONCE_MORE = 'asked once more; then the next provider, else the fallback'
const BECOMES: Readonly<Record<string, string>> = {
  used: 'goes on',
  done: 'goes on',
  working: 'goes on',
  invalid_input: WITHOUT,
  content_blocked: WITHOUT,
  not_found: WITHOUT,
  conflict: WITHOUT,
  misconfigured: WITHOUT,
  not_audio: 'the next provider, else `not_audio`',
  no_speech: 'the next provider, else `provider_rejected`',
  refused: WITHOUT,
  ended: 'another job, twice at most; then the next provider, else the fallback',
  unusable: ONCE_MORE,
  bad_response: ONCE_MORE,
  auth: WAITS,
  billing: WAITS,
  rate_limited: WAITS,
  at_capacity: WAITS,
  overloaded: WAITS,
  network: WAITS,
  timeout: WAITS,
}
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
/** Failures after which a better result is asked for later, whatever the answer said. */
const PASS_BY_THEMSELVES = new Set([WAITS, ONCE_MORE])

/** Provider and answer to what the episode becomes, what was charged, who is told, and what the breaker hears. */
export function answersTable(): string {
  const rows = KNOWN_ANSWERS.map((row) => [
    row.provider,
    row.answer,
    becomes(row),
    row.charged ? 'yes' : 'no',
    TOLD[row.kind] ?? '',
    row.breaker,
  ])
  return table(['Provider', 'It answers', 'The episode', 'Charged', 'Told', 'Breaker'], rows)
}

function becomes({ kind, canPass, answer }: KnownAnswer): string {
  const what = BECOMES[kind]
  if (what === undefined) throw new Error(`nobody has said what becomes of ${kind} ("${answer}")`)
  return canPass || PASS_BY_THEMSELVES.has(what) ? `${what}; made better later` : what
}
