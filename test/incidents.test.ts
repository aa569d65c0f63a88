import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

/**
 * What has really happened to systems of this kind, and the facts that would have caught it here. A fact that is renamed
 * or lost is missed below.
 */
const INCIDENTS: Record<string, [file: string, facts: readonly string[]][]> = {
  'stuck in "processing", though the audio was finished: the last write failed': [
    ['long/incidents', ['whose last write fails at first is ready all the same, without a sweep']],
    ['e2e/sweep', ['finishes an episode whose outputs are in storage although nobody wrote it down']],
  ],
  'stuck without a word: a worker died, and no step had a record': [
    ['long/killed-workers', ['the episode finishes, and nothing is paid twice that need not be']],
    ['e2e/sweep', ['ends what made no progress for too long with the reason; a retry goes on from there']],
  ],
  'everything in flight lost at each deploy: job state lived in the process': [
    ['long/incidents', ['survives a deploy that ends every process in the middle of it']],
  ],
  'work stopped right after the 202: the platform freezes what comes after the answer': [
    ['long/incidents', ['goes on although the process that accepted it is frozen right after its answer']],
  ],
  'a file charged three times: a redelivery made the job again': [
    ['long/killed-workers', ['the episode finishes, and nothing is paid twice that need not be']],
    ['long/misbehaviour', ['of every task a second time change nothing and cost nothing']],
    ['shared/engine/steps', ['looks for a job only when whoever may still be making it cannot any more']],
  ],
  'the recording deleted before the retry: a clean-up by age': [
    ['e2e/sweep', ['keeps the recording of an episode that failed, however old, for the retry']],
  ],
  'a transcript paid for and never found: two names for one object': [
    ['shared/podcast/artefacts', ['has one name for each artefact of a generation']],
  ],
  '"processing" came back after a cancel: a late worker wrote': [
    ['e2e/pipeline', ['a cancelled episode stays cancelled, whatever its worker still does, and a retry finishes it']],
    ['shared/engine/steps', ['changes nothing after a cancel, nor after a delete']],
  ],
  'workers absent, and nobody knew': [
    ['e2e/sweep', ['gives a step whose task was lost to another, once, and says so; a dry run says the same']],
  ],
  'a poison job retried for ever': [
    ['shared/engine/steps', ['after five crashes ends the step with a visible, retryable error']],
  ],
  'bursts of 429 read as an outage': [
    ['shared/breaker/troubles', ['a Retry-After opens it for everybody, for that long and no longer than the cap']],
  ],
  'a safety block on one script stopped everyone': [
    ['shared/breaker/troubles', ['ignored errors never do']],
    ['e2e/pipeline', ['what was blocked is done without at once, and not asked for again']],
  ],
  'refused because an unrelated provider was down': [['long/incidents', ['does not ask a service it does not use']]],
  'changes from a GET': [['long/incidents', ['change nothing']]],
  'a cold start marked live jobs as failed': [
    ['long/incidents', ['survives a deploy that ends every process in the middle of it']],
  ],
  'a secret with a trailing newline': [
    ['shared/config', ['trims values, so that a secret with a trailing newline is the secret']],
  ],
  "uploads over the platform's limit failed late": [
    ['e2e/pipeline', ['can be uploaded straight to storage by a signed link, once']],
    ['shared/http/bodies', ['is refused by its declared length before any of it is read']],
  ],
  'a webhook lost, early, twice, late, forged': [
    ['long/misbehaviour', ["['webhook-lost', 'webhook-twice']"]],
    [
      'shared/engine/steps',
      [
        'that comes while the step is held makes the next look come at once',
        'after the step is done, or the order deleted, changes nothing',
      ],
    ],
    ['e2e/hooks', ['of a job that is not recorded yet', 'of an earlier generation', 'of another episode']],
  ],
  'a sweep that marked nothing: one bad row rolled back the batch': [
    ['e2e/sweep', ['is not stopped by a document that nobody can read, and leaves it alone for a while']],
  ],
  'an oversize upload answered 500 "please retry"': [
    ['shared/http/bodies', ['is refused at the byte that crosses the line when its length was not declared']],
  ],
  "another tenant's episode shown": [['e2e/pipeline', ['finish without mixing, and see only their own']]],
}

test.each(Object.entries(INCIDENTS))('%s', (_incident, places) => {
  for (const [file, facts] of places) {
    const text = readFileSync(fileURLToPath(new URL(`./${file}.test.ts`, import.meta.url)), 'utf8')
    for (const fact of facts) expect(text).toContain(fact)
  }
})
