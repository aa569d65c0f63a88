import { nameAttempt } from '../history.ts'
import type { AttemptCost, CallEnd, Cost, Receipt } from '../outcome.ts'
import { stepOf, without } from '../workflow.ts'
import type { PaidCalls, Step, Workflow } from '../workflow.ts'
import { countCall } from './paid-calls.ts'

/*
 * What a workflow has cost. A call is recorded before it is sent, with what is known of its cost by then. Once its end is
 * known it is told at what it has cost, or not at all where it was free. One whose end nobody saw may have been charged:
 * it is told at what was known of it, and what was not known is taken from the next call to the same provider that was
 * charged, because that asks the same. Should its end become known after all, that takes the place of both.
 */

/** More than a step has attempts. */
const REMEMBERED_MAX = 12

/** A workflow, and one of its steps, which is not in it yet. */
type Charged<W extends Workflow> = { readonly workflow: W; readonly step: Step }

/** An attempt is about to make a call which may be charged. `cost`: what is known of it. */
export function recordCall<W extends Workflow>(
  before: Charged<W>,
  token: string,
  { provider, cost }: Pick<Receipt, 'provider' | 'cost'>,
): Charged<W> {
  const { workflow, step } = tellLost(before)
  const sent = { attempt: nameAttempt(token), provider, cost }
  return { workflow, step: { ...step, paid: { ...countCall(step, token), sent } } }
}

/** What a call or a job has cost; that of a call once for each attempt, however often it is told. */
export function charge<W extends Workflow>(told: Charged<W>, { attempt, provider, cost }: Receipt): Charged<W> {
  const { workflow, step } = waive(told, attempt)
  const { paid } = step
  const { counted = [] } = paid ?? {}
  if (counted.includes(attempt)) return { workflow, step }
  const known = paid && { ...paid, counted: [...counted, attempt].slice(-REMEMBERED_MAX) }
  const charged = { workflow: addCost(workflow, provider, cost), step: { ...step, ...(known && { paid: known }) } }
  return complete(charged, provider, cost)
}

/** What an attempt knows at its end of its own call or job. */
type AttemptEnd = {
  readonly attempt: string
  readonly provider: string | undefined
  readonly call: CallEnd
  readonly cost: AttemptCost
}

/** The call or job of an attempt that has ended: at what it has cost, or not at all; else it is as open as it was. */
export function settleCharge<W extends Workflow>(told: Charged<W>, ended: AttemptEnd): Charged<W> {
  const { attempt, provider, cost } = ended
  if (cost !== undefined && cost !== 'unknown' && provider !== undefined)
    return charge(told, { attempt, provider, cost })
  return wasFree(ended) ? waive(told, attempt) : told
}

/** It was never made, or nothing was charged for it. */
export function wasFree({ call, cost }: Pick<AttemptEnd, 'call' | 'cost'>): boolean {
  return call === 'unsent' || (call === 'ended' && cost === undefined)
}

/** The call of an attempt was free, or is told otherwise from here on. */
function waive<W extends Workflow>({ workflow, step }: Charged<W>, attempt: string): Charged<W> {
  if (step.paid === undefined) return { workflow, step }
  const paid = dropSent(step.paid, attempt)
  const told = paid.lost?.find((one) => one.attempt === attempt)
  if (told === undefined) return { workflow, step: { ...step, paid } }
  const others = paid.lost?.filter((one) => one !== told) ?? []
  return {
    workflow: addCost(
      workflow,
      told.provider,
      mapCost(told.cost, (amount) => -amount),
    ),
    step: { ...step, paid: { ...without(paid, 'lost'), ...(others.length > 0 && { lost: others }) } },
  }
}

/** Nobody is left who could say what became of the call that was recorded last: it may have been charged. */
export function tellLost<W extends Workflow>({ workflow, step }: Charged<W>): Charged<W> {
  const { sent } = step.paid ?? {}
  if (step.paid === undefined || sent === undefined) return { workflow, step }
  const paid = dropSent(step.paid, sent.attempt)
  const lost = [...(paid.lost ?? []), sent].slice(-REMEMBERED_MAX)
  return { workflow: addCost(workflow, sent.provider, sent.cost), step: { ...step, paid: { ...paid, lost } } }
}

/** The same of every step, where whoever was at work is at work for nothing from here on. */
export function tellAllLost<W extends Workflow>(workflow: W): W {
  return Object.keys(workflow.steps).reduce((before, name) => {
    const told = tellLost({ workflow: before, step: stepOf(before, name) })
    if (told.workflow === before) return before
    return { ...told.workflow, steps: { ...told.workflow.steps, [name]: told.step } }
  }, workflow)
}

/** What was not known of calls that were lost is what the same has cost when it was asked again. */
function complete<W extends Workflow>({ workflow, step }: Charged<W>, provider: string, cost: Cost): Charged<W> {
  const { paid } = step
  if (paid?.lost === undefined) return { workflow, step }
  let told = workflow
  const lost = paid.lost.map((one) => {
    if (one.provider !== provider) return one
    const unknown = Object.fromEntries(Object.entries(cost).filter(([unit]) => one.cost[unit] === undefined))
    told = addCost(told, provider, unknown)
    return { ...one, cost: { ...one.cost, ...unknown } }
  })
  return { workflow: told, step: { ...step, paid: { ...paid, lost } } }
}

function dropSent(paid: PaidCalls, attempt: string): PaidCalls {
  return paid.sent?.attempt === attempt ? without(paid, 'sent') : paid
}

function addCost<W extends Workflow>(workflow: W, provider: string, cost: Cost): W {
  const before = workflow.costs?.[provider] ?? {}
  const sums = Object.entries(cost).map(([unit, amount]) => [unit, (before[unit] ?? 0) + amount])
  return { ...workflow, costs: { ...workflow.costs, [provider]: { ...before, ...Object.fromEntries(sums) } } }
}

function mapCost(cost: Cost, map: (amount: number) => number): Cost {
  return Object.fromEntries(Object.entries(cost).map(([unit, amount]) => [unit, map(amount)]))
}
