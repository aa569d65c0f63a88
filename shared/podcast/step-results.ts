import type { Episode } from './episode.ts'
import { PIPELINE } from './pipeline.ts'
import type { StepName } from './pipeline.ts'
import type { NotesCache, Objects } from './storage.ts'

/** What a step says of its own result, for any step: which result it is given goes by its name. */
type Keeper = {
  readonly name: StepName
  forget?(result: never, kept: { readonly objects: Objects; readonly notesCache: NotesCache }): Promise<void>
  tidy?(result: never, userId: string, kept: { readonly objects: Objects }): Promise<void>
}

/** Every step that has a result, with it. */
export function stepResults(results: Episode['results']): { readonly step: Keeper; readonly result: never }[] {
  const steps: readonly Keeper[] = PIPELINE
  return steps.flatMap((step) => {
    const result = results[step.name]
    return result === undefined ? [] : [{ step, result: result as never }]
  })
}
