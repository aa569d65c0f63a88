import * as z from 'zod'

import { jobOf } from '../../../shared/engine/attempt.ts'
import type { Attempt, Ended, Found } from '../../../shared/engine/attempt.ts'
import { definePipeline } from '../../../shared/engine/definition.ts'
import type { StepDefinition } from '../../../shared/engine/definition.ts'
import { JobEnded } from '../../../shared/engine/failure.ts'
import type { ProviderChoice } from '../../../shared/engine/transitions/claim.ts'
import { freshSteps } from '../../../shared/engine/transitions/moved.ts'
import type { Step, Workflow } from '../../../shared/engine/workflow.ts'
import type { FakeVendors } from './fake-vendors.ts'

/* Another product on the same engine: five steps of every kind, whose work is done by vendors in memory. */

export type FakeStepName = 'transcribe' | 'write' | 'voice' | 'master' | 'finish'

/** `brought`: its owner has brought what the first step was to make. `silent`: it is to have no voice. */
export type Order = Workflow & {
  steps: Readonly<Record<FakeStepName, Step>>
  results: Readonly<Partial<Record<FakeStepName, unknown>>>
  brought?: boolean
  silent?: boolean
}

export type FakeTools = {
  readonly vendors: FakeVendors
  /** Awaited wherever a real step would wait for the world. */
  readonly passing: (point: 'ask' | 'answer') => Promise<void>
  /** Awaited for as long as a step needs before its first request can be sent. */
  readonly preparing: (attempt: Attempt<Order>) => Promise<void>
  /** Awaited for as long as a call or a piece of work takes. */
  readonly working: (attempt: Attempt<Order>) => Promise<void>
  /** Throws what may go wrong at a vendor, or does not. */
  readonly trouble: (attempt: Attempt<Order>) => void
  /** Throws when a call that has been carried out, and charged, has an answer that nobody can read. */
  readonly garbled: (attempt: Attempt<Order>) => void
}

const RESULT = z.looseObject({ by: z.string() })
type Made = z.infer<typeof RESULT>
type FakeStep<Name extends string> = StepDefinition<Name, typeof RESULT, Order, FakeTools>

function defineStep<const Name extends string>(step: FakeStep<Name>): FakeStep<Name> {
  return step
}

const artefactOf = ({ workflow, name }: Attempt<Order>) => `g${workflow.generation}-${name}`
const callNameOf = (attempt: Attempt<Order>) => `${artefactOf(attempt)}-${attempt.provider ?? ''}`

/** Whatever may be charged is sent here, once the engine lets it. */
function send({ call, step }: Attempt<Order>, { vendors }: FakeTools): void {
  call.stillEntitled?.()
  vendors.onSent(step.lease?.token ?? '')
}

/** A job: looked for where it may have been made, made once, recorded, asked for until it ends. */
async function runJob(attempt: Attempt<Order>, tools: FakeTools): Promise<Ended<Made>> {
  const { vendors, passing, preparing, trouble, garbled } = tools
  const { key, providerJobId } = jobOf(attempt)
  trouble(attempt)
  let id = providerJobId
  if (id === undefined && attempt.resumesIntent) {
    await passing('ask')
    id = vendors.findJob(key)
    await passing('answer')
    if (id !== undefined) await attempt.recordJob({ providerJobId: id })
  }
  if (id === undefined) {
    await preparing(attempt)
    send(attempt, tools)
    id = vendors.makeJob(attempt.name, key)
    await passing('answer')
    await attempt.recordJob({ providerJobId: id })
  }
  await passing('ask')
  const state = vendors.readJob(id)
  await passing('answer')
  garbled(attempt)
  if (state === 'gone') throw new JobEnded('the vendor knows it no more')
  if (state === 'working') return { kind: 'polling', afterMs: 20_000 }
  return { kind: 'done', result: { by: attempt.provider ?? '' }, cost: { jobs: 1 } }
}

/** A call that is charged: its result is stored at once, and looked for before it is made again. */
async function runCall(attempt: Attempt<Order>, tools: FakeTools): Promise<Ended<Made>> {
  const { vendors, passing, preparing, working, trouble, garbled } = tools
  await passing('ask')
  trouble(attempt)
  await preparing(attempt)
  await attempt.call.beforeCharge?.({ calls: 1 })
  send(attempt, tools)
  vendors.countCall(attempt.name, callNameOf(attempt))
  await working(attempt)
  garbled(attempt)
  const receipt = attempt.charge({ calls: 1 })
  await passing('ask')
  vendors.keep(artefactOf(attempt), receipt)
  await passing('answer')
  return { kind: 'done', result: { by: attempt.provider ?? '' } }
}

async function adoptCall(attempt: Attempt<Order>, { vendors, passing }: FakeTools): Promise<Found<Made> | undefined> {
  await passing('ask')
  const receipt = vendors.find(artefactOf(attempt))
  await passing('answer')
  return receipt && { result: { by: attempt.provider ?? '' }, receipt }
}

async function withoutVendor(): Promise<{ result: Made; degraded: string }> {
  return { result: { by: 'here' }, degraded: 'without' }
}

const transcribe = defineStep({
  name: 'transcribe',
  after: [],
  redoneWith: [],
  kind: 'job',
  share: 0.35,
  result: RESULT,
  needsProvider: ({ brought }) => brought !== true,
  async run(attempt, tools) {
    if (attempt.workflow.brought === true) return { kind: 'done', result: { by: 'hand' }, by: 'hand' }
    // Its second vendor answers at once instead of taking jobs.
    return attempt.provider === 'transcribe-2' ? runCall(attempt, tools) : runJob(attempt, tools)
  },
  adopt: async (attempt, tools) => (attempt.provider === 'transcribe-2' ? adoptCall(attempt, tools) : undefined),
})
const write = defineStep({
  name: 'write',
  after: [transcribe],
  redoneWith: [transcribe],
  kind: 'call',
  share: 0.2,
  result: RESULT,
  fallback: 'write',
  run: runCall,
  adopt: adoptCall,
  fallBack: withoutVendor,
})
const voice = defineStep({
  name: 'voice',
  after: [transcribe],
  redoneWith: 'nothing',
  skips: ({ silent }) => silent === true,
  kind: 'call',
  share: 0.05,
  result: RESULT,
  fallback: 'voice',
  run: runCall,
  adopt: adoptCall,
  fallBack: withoutVendor,
})
const master = defineStep({
  name: 'master',
  after: [write, voice],
  redoneWith: [voice],
  kind: 'job',
  share: 0.3,
  result: RESULT,
  fallback: 'master',
  stoppable: true,
  needsProvider: ({ replaces }) => replaces?.step !== 'voice',
  run: (attempt, tools) =>
    attempt.workflow.replaces?.step === 'voice'
      ? Promise.resolve({ kind: 'done', result: { by: 'here' } })
      : runJob(attempt, tools),
  fallBack: withoutVendor,
})
const finish = defineStep({
  name: 'finish',
  after: [write, master],
  redoneWith: [transcribe, write, master],
  kind: 'plain',
  share: 0.1,
  result: RESULT,
  async run(_attempt, { passing }) {
    await passing('ask')
    await passing('answer')
    return { kind: 'done', result: { by: 'here' } }
  },
})

export const FAKE_PIPELINE = definePipeline([transcribe, write, voice, master, finish])
export const FAKE_STEPS = FAKE_PIPELINE.map(({ name }) => name)

export const FAKE_PROVIDERS: Readonly<Record<string, readonly ProviderChoice[]>> = {
  transcribe: [
    { name: 'transcribe-1', kind: 'job' },
    { name: 'transcribe-2', kind: 'call' },
  ],
  write: [{ name: 'write-1', kind: 'call' }],
  voice: [
    { name: 'voice-1', kind: 'call' },
    { name: 'voice-2', kind: 'call' },
  ],
  master: [{ name: 'master-1', kind: 'job' }],
}

export function newOrder(id = 'o1'): Order {
  const steps = freshSteps(FAKE_PIPELINE) as Order['steps']
  return { id, status: 'draft', generation: 0, steps, results: {}, createdAtMs: 0, updatedAtMs: 0 }
}
