import { Cron } from 'croner'

import { GrpcError, STATUS } from '../grpc-service.ts'
import type { Methods } from '../grpc-service.ts'
import type { Identity } from '../identity.ts'
import { callTarget } from './http-target.ts'
import type { HttpTarget } from './http-target.ts'
import { fromMs, toMs } from './protobuf-time.ts'
import type { ProtoTime } from './protobuf-time.ts'

type JobResource = {
  name: string
  schedule?: string
  timeZone?: string
  state?: 'ENABLED' | 'PAUSED'
  httpTarget?: (Omit<HttpTarget, 'url'> & { uri: string }) | null
  attemptDeadline?: ProtoTime | null
  scheduleTime?: ProtoTime
  lastAttemptTime?: ProtoTime
  status?: { code: number; message?: string } | null
}
type Job = { resource: JobResource; cron: Cron; running: boolean }

const ATTEMPT_DEADLINE_MS_DEFAULT = 180_000

/** Jobs on cron schedules in their time zones. A run never starts while the one before is still going. */
export class Scheduler {
  readonly #jobs = new Map<string, Job>()
  readonly #identity: Identity

  constructor(identity: Identity) {
    this.#identity = identity
  }

  /** google.cloud.scheduler.v1.CloudScheduler */
  methods(): Methods {
    const resourceOf = (name: string) => this.#get(name).resource
    return {
      unary: {
        CreateJob: ({ job }: { job: JobResource }) => {
          if (this.#jobs.has(job.name)) throw new GrpcError(STATUS.alreadyExists, `Job [${job.name}] already exists.`)
          return this.put(job)
        },
        UpdateJob: ({ job }: { job: JobResource }) => this.put({ ...resourceOf(job.name), ...job }),
        GetJob: ({ name }: { name: string }) => resourceOf(name),
        ListJobs: ({ parent }: { parent: string }) => ({
          jobs: [...this.#jobs.values()]
            .map(({ resource }) => resource)
            .filter(({ name }) => name.startsWith(`${parent}/`)),
        }),
        DeleteJob: ({ name }: { name: string }) => {
          this.#get(name).cron.stop()
          this.#jobs.delete(name)
          return {}
        },
        PauseJob: ({ name }: { name: string }) => this.put({ ...resourceOf(name), state: 'PAUSED' }),
        ResumeJob: ({ name }: { name: string }) => this.put({ ...resourceOf(name), state: 'ENABLED' }),
        RunJob: ({ name }: { name: string }) => {
          const job = this.#get(name)
          void this.#run(job, new Date())
          return job.resource
        },
      },
    }
  }

  stop(): void {
    for (const { cron } of this.#jobs.values()) cron.stop()
    this.#jobs.clear()
  }

  #get(name: string): Job {
    const job = this.#jobs.get(name)
    if (job === undefined) throw new GrpcError(STATUS.notFound, 'Job not found.')
    return job
  }

  /** Creates a job, or replaces the one of that name. */
  put(resource: JobResource): JobResource {
    this.#jobs.get(resource.name)?.cron.stop()
    if (!resource.httpTarget?.uri) throw new GrpcError(STATUS.invalidArgument, 'Job.httpTarget.uri is required.')
    const job: Job = {
      resource: { ...resource, state: resource.state ?? 'ENABLED' },
      cron: this.#cron(resource),
      running: false,
    }
    this.#jobs.set(resource.name, job)
    const nextMs = job.cron.nextRun()?.getTime()
    if (nextMs !== undefined) job.resource.scheduleTime = fromMs(nextMs)
    return job.resource
  }

  #cron({ name, schedule = '', timeZone, state }: JobResource): Cron {
    try {
      const options = { timezone: timeZone || 'Etc/UTC', paused: state === 'PAUSED', unref: true, catch: true }
      return new Cron(schedule, options, () => {
        const job = this.#jobs.get(name)
        if (job && !job.running) void this.#run(job, new Date())
      })
    } catch (error) {
      throw new GrpcError(STATUS.invalidArgument, `Schedule or time zone is invalid: ${String(error)}`)
    }
  }

  async #run(job: Job, at: Date): Promise<void> {
    const { resource } = job
    const { uri, ...target } = resource.httpTarget ?? { uri: '' }
    job.running = true
    const headers = {
      'User-Agent': 'Google-Cloud-Scheduler',
      'X-CloudScheduler': 'true',
      'X-CloudScheduler-JobName': resource.name.slice(resource.name.lastIndexOf('/') + 1),
      'X-CloudScheduler-ScheduleTime': at.toISOString(),
      ...(target.headers?.['Content-Type'] === undefined && { 'Content-Type': 'application/octet-stream' }),
    }
    const deadlineMs = resource.attemptDeadline ? toMs(resource.attemptDeadline) : ATTEMPT_DEADLINE_MS_DEFAULT
    const { status } = await callTarget(this.#identity, { ...target, url: uri }, headers, deadlineMs)
    job.running = false
    resource.lastAttemptTime = fromMs(at.getTime())
    resource.status = status >= 200 && status < 300 ? { code: 0 } : { code: 13, message: `HTTP ${status}` }
    const nextMs = job.cron.nextRun()?.getTime()
    if (nextMs !== undefined) resource.scheduleTime = fromMs(nextMs)
  }
}
