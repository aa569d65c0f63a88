/** What a task says: work on this step. The numbers make its name, by which duplicates are known. */
export type StepTask = { step: string; generation: number; dispatch: number; notBeforeMs?: number }
