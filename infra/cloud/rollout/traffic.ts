import { FUNCTIONS } from '../../../functions/functions.ts'
import { atOnce } from '../at-once.ts'
import type { Clients } from '../clients.ts'
import { unlessAbsent } from '../kinds/absent.ts'
import type { Fields } from '../resource.ts'

const LATEST = 'TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST'
const REVISION = 'TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION'
const AT_ONCE = 8

/** Which revisions of a function there are to choose from, by their full names, and what share the new one has. */
export type Split = { name: string; service: string; old: string; new: string; percent: number }

type Target = { type?: unknown; revision?: string | null; percent?: number | null; tag?: string | null }

/** By these tags both revisions are told apart, and can be called by themselves. */
const TAGS = { old: 'previous', new: 'candidate' } as const

export type Traffic = ReturnType<typeof traffic>

/** Traffic of every function between its old and its new revision, by Cloud Run. */
export function traffic({ run }: Clients, { project, region }: { project: string; region: string }) {
  const names = Object.keys(FUNCTIONS)
  const serviceOf = (name: string) => `projects/${project}/locations/${region}/services/${name}`

  const read = async (name: string): Promise<Split> => {
    const service = serviceOf(name)
    const [found] = await run.getService({ name: service })
    const latest = full(String(found.latestReadyRevision), service)
    const targets = (found.traffic ?? []) as Target[]
    const previous = targets.find(({ tag }) => tag === TAGS.old)
    const isLatest = ({ type, revision }: Target) =>
      String(type) === LATEST || full(String(revision), service) === latest
    const percent = targets.filter(isLatest).reduce((sum, one) => sum + (one.percent ?? 0), 0)
    return { name, service, old: previous ? full(String(previous.revision), service) : latest, new: latest, percent }
  }
  const set = async (service: string, targets: Fields[]): Promise<void> => {
    const [operation] = await run.updateService({
      service: { name: service, traffic: targets },
      updateMask: { paths: ['traffic'] },
    })
    await operation.promise()
  }
  const target = (revision: string, percent: number, tag: string): Fields => ({
    type: REVISION,
    revision: revision.slice(revision.lastIndexOf('/') + 1),
    percent,
    tag,
  })

  return {
    splits: (): Promise<Split[]> => atOnce(AT_ONCE, names, read),

    /** Functions whose newest revision has not all of the traffic: a rollout is under way, or was taken back. */
    async listHeld(): Promise<string[]> {
      const splits = await atOnce(AT_ONCE, names, (name) => unlessAbsent(read(name)))
      return splits.flatMap((split) => (split && split.old !== split.new && split.percent < 100 ? [split.name] : []))
    },

    /** Keeps all traffic where it is, so that a new revision gets none. Done again, it changes nothing. */
    async pin(): Promise<void> {
      await atOnce(AT_ONCE, names, async (name) => {
        const split = await read(name)
        if (split.old === split.new) await set(split.service, [target(split.old, 100, TAGS.old)])
      })
    },

    /** Gives the new revisions that share of the requests. */
    async shift(percent: number): Promise<void> {
      await atOnce(AT_ONCE, names, async (name) => {
        const split = await read(name)
        if (split.old === split.new) return
        const shares = [target(split.old, 100 - percent, TAGS.old), target(split.new, percent, TAGS.new)]
        await set(split.service, shares)
      })
    },

    /** All traffic to whatever is latest: how a deployment leaves it. */
    async settle(): Promise<void> {
      await atOnce(AT_ONCE, names, (name) => set(serviceOf(name), [{ type: LATEST, percent: 100 }]))
    },
  }
}

/** Revisions are named with and without their service. */
function full(revision: string, service: string): string {
  return revision.includes('/') ? revision : `${service}/revisions/${revision}`
}
