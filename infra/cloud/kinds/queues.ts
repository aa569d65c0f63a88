import type { Clients } from '../clients.ts'
import type { Fields, Kind } from '../resource.ts'
import { readFound, unlessAbsent } from './absent.ts'
import { snake, splitName } from './names.ts'

/**
 * Queues hold tasks. One that was deleted cannot be made again for days, so they stay; the sweep gives every episode a
 * task again in any case.
 */
export function queueKind({ tasks }: Clients): Kind {
  return {
    read: ({ name }) => readFound(name, tasks.getQueue({ name })),
    async create({ name, fields }) {
      await tasks.createQueue({ parent: splitName(name, '/queues/').parent, queue: { ...fields, name } })
    },
    async update({ name, fields }, _found, changed) {
      await tasks.updateQueue({ queue: { ...fields, name }, updateMask: { paths: changed.map(snake) } })
    },
  }
}

/** What Cloud Scheduler calls, and when. */
export function jobKind({ scheduler }: Clients, place: { project: string; region: string }): Kind {
  const parent = `projects/${place.project}/locations/${place.region}`
  return {
    read: ({ name }) => readFound(name, scheduler.getJob({ name })),
    async create({ name, fields }) {
      await scheduler.createJob({ parent, job: { ...fields, name } })
    },
    async update({ name, fields }, _found, changed) {
      await scheduler.updateJob({ job: { ...fields, name }, updateMask: { paths: changed.map(snake) } })
    },
    async remove({ name }) {
      await scheduler.deleteJob({ name })
    },
    async list() {
      const listed = await unlessAbsent(scheduler.listJobs({ parent }))
      return (listed?.[0] ?? [])
        .filter(({ description }) => description?.startsWith(JOB_MARK))
        .map((job) => ({ name: String(job.name), fields: job as Fields }))
    },
  }
}

/** Jobs have no labels: theirs is how the description begins. */
export const JOB_MARK = 'Steadycast: '
