import { FUNCTIONS } from '../../../functions/functions.ts'
import { queues } from '../../cloud/desired/stores.ts'
import { schedulerJob } from '../../cloud/schedule.ts'
import type { Faults } from '../faults.ts'
import { GrpcService, serviceOf } from '../grpc-service.ts'
import type { Served } from '../grpc-service.ts'
import type { Identity } from '../identity.ts'
import type { Journal } from '../journal.ts'
import type { KeptTable } from '../kept/table.ts'
import { Dispatcher } from './dispatcher.ts'
import type { KeptTask } from './queue.ts'
import { Scheduler } from './scheduler.ts'
import { statsMethods, tasksMethods } from './tasks-methods.ts'

type Place = { project: string; region: string }

/** Cloud Tasks and Cloud Scheduler on one address, with the queues that a deployment has. */
export async function startTasks(
  { project, region }: Place,
  {
    identity,
    faults,
    journal,
    kept,
  }: { identity: Identity; faults: Faults; journal: Journal; kept?: KeptTable<KeptTask> | undefined },
  closers: (() => Promise<void> | void)[],
) {
  const dispatcher = new Dispatcher(identity, journal, kept)
  const scheduler = new Scheduler(identity)
  const parts: Served[] = [
    {
      definition: serviceOf('@google-cloud/tasks', 'google.cloud.tasks.v2.CloudTasks'),
      methods: tasksMethods(dispatcher),
    },
    {
      definition: serviceOf('@google-cloud/tasks', 'google.cloud.tasks.v2beta3.CloudTasks'),
      methods: statsMethods(dispatcher),
    },
    {
      definition: serviceOf('@google-cloud/scheduler', 'google.cloud.scheduler.v1.CloudScheduler'),
      methods: scheduler.methods(),
    },
  ]
  const service = await new GrpcService('tasks', faults, parts).start()
  for (const { name, fields } of queues({ project, region })) dispatcher.createQueue({ ...fields, name })
  closers.push(() => {
    dispatcher.stop()
    scheduler.stop()
    service.stop()
  })
  return { dispatcher, scheduler, parts, address: service.address }
}

/** The jobs that a deployment has; paused, they run only when asked to. */
export function startSchedules(
  scheduler: Scheduler,
  place: Place & { functionsBaseUrl: string; serviceAccount: string },
  schedules: 'on' | 'off',
): void {
  for (const row of Object.values(FUNCTIONS)) {
    const job = schedulerJob(row, place)
    if (job !== undefined) scheduler.put({ ...job, state: schedules === 'on' ? 'ENABLED' : 'PAUSED' })
  }
}
