import { definePipeline } from '../engine/definition.ts'
import { finish } from './steps/finish.ts'
import { master } from './steps/master.ts'
import { transcribe } from './steps/transcribe.ts'
import { voice } from './steps/voice.ts'
import { write } from './steps/write.ts'

/** THE PIPELINE: its steps in the order a person reads them. Each says the rest in its own file. */
export const PIPELINE = definePipeline([transcribe, write, voice, master, finish])

/** What may be done without its provider, by the names that owners and operators know it by. */
export const FALLBACKS = PIPELINE.flatMap(({ fallback }) => fallback ?? [])

type PodcastSteps = typeof PIPELINE
export type StepName = PodcastSteps[number]['name']
export type StepNamed<Name extends StepName> = Extract<PodcastSteps[number], { name: Name }>

export const STEP_NAMES = PIPELINE.map(({ name }) => name) as [StepName, ...StepName[]]

export function stepNamed(name: StepName): PodcastSteps[number] {
  const found = PIPELINE.find((step) => step.name === name)
  if (found === undefined) throw new Error(`there is no step ${name}`)
  return found
}
