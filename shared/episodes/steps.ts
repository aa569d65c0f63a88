import type { Fallback } from '../config.ts'
import type { PortName } from '../podcast/ports.ts'

/** The steps of the pipeline, in the order a person reads them. */
export const STEPS = ['transcribe', 'write', 'voice', 'master', 'finish'] as const
export type StepName = (typeof STEPS)[number]

/** A step starts when all of these are done or skipped. */
export const STARTS_AFTER: Readonly<Record<StepName, readonly StepName[]>> = {
  transcribe: [],
  write: ['transcribe'],
  voice: ['transcribe'],
  master: ['write', 'voice'],
  finish: ['write', 'master'],
}

/** Steps whose work is a job at the provider, started once and asked for again until it ends. */
export const JOB_STEPS: ReadonlySet<StepName> = new Set(['transcribe', 'master'])

/** Steps whose provider charges each call and cannot tell us later whether one went through. */
export const PAID_CALL_STEPS: ReadonlySet<StepName> = new Set(['write', 'voice'])

/** What a step can do without its provider; a transcript by hand is its owner's to give. */
export const FALLBACK_OF: Partial<Record<StepName, Fallback>> = { write: 'notes', voice: 'voice', master: 'master' }

/** Share of the episode's progress that each step stands for; they add up to 1. */
export const PROGRESS_SHARE: Readonly<Record<StepName, number>> = {
  transcribe: 0.35,
  write: 0.2,
  voice: 0.05,
  master: 0.3,
  finish: 0.1,
}

/** Share of a lease after which it is renewed: two renewals may fail before it runs out. */
export const HEARTBEAT_SHARE = 0.3
/** Share of a lease in which its holder sends requests; the rest is for clocks that do not agree. */
export const ENTITLED_SHARE = 0.75
/** Attempts that may end in a crash or an unexpected failure before the step gives up. Waiting is no attempt. */
export const ATTEMPTS_MAX = 5
/** A paid call whose end nobody saw may be repeated this often. */
export const AMBIGUOUS_REPEATS_MAX = 1

/** Name of the order to work on a step: what a task carries, and what makes its name. */
export type StepOrder = { step: StepName; generation: number; dispatch: number; notBeforeMs?: number }

/** The port that a step speaks to. */
export const PORT_OF: Partial<Record<StepName, PortName>> = {
  transcribe: 'transcribers',
  write: 'writers',
  voice: 'speakers',
  master: 'masterings',
}
