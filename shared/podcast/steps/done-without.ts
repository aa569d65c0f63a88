import type { WhyWithout } from '../../engine/outcome.ts'

/**
 * What an episode's owner reads of a part that was done without its provider.
 * @param instead what there is instead, without a full stop
 * @param service what the provider does, as the subject of a sentence
 */
export function doneWithout(instead: string, service: string, { why, refusal }: WhyWithout): string {
  if (why === 'refused' && refusal !== undefined) return `${instead}. ${refusal}`
  return `${instead}, because ${service} ${why === 'away' ? 'was away' : 'gave no usable answer'}.`
}
