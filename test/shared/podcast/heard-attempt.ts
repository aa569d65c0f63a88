import type { Attempt } from '../../../shared/engine/attempt.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'

/** An attempt to transcribe an episode, whose job at `provider` is there. */
export function attemptToHear(workflow: Episode, provider: string): Attempt<Episode> {
  const { signal } = new AbortController()
  return {
    workflow,
    name: 'transcribe',
    step: { ...workflow.steps.transcribe, job: { key: 'k', webhookToken: 't', providerJobId: 't1', polls: 1 } },
    provider,
    signal,
    call: { signal, correlationId: 'c', random: () => 0 },
    resumesIntent: true,
    nowMs: () => 0,
    charge: (cost) => ({ attempt: 'a', provider: 'p', cost }),
    tell: () => undefined,
    recordJob: async () => undefined,
  }
}
