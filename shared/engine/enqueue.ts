import type { TaskQueue } from './ports.ts'
import type { StepTask } from './task.ts'

/** Stored first, enqueued second: whatever falls between is outstanding, and enqueuing it again changes nothing. */
export async function enqueueAll(
  queue: Pick<TaskQueue, 'enqueue'>,
  workflowId: string,
  tasks: readonly StepTask[],
): Promise<void> {
  await Promise.all(tasks.map((task) => queue.enqueue(workflowId, task)))
}
