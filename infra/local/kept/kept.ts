import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import * as z from 'zod'

import { CommandRefused } from '../../command-line.ts'
import type { Version } from '../firestore/database.ts'
import type { KeptJobs } from '../providers/jobs.ts'
import { FileStore } from '../storage/files.ts'
import type { StoredObject } from '../storage/objects.ts'
import type { KeptTask } from '../tasks/queue.ts'
import { KeptTable } from './table.ts'
import type { Change } from './table.ts'

/** What a cloud that is started again has to have as before, so that links and tasks made until then still work. */
const Place = z.object({
  functionsBaseUrl: z.string(),
  /** Where each of its services listened. */
  ports: z.record(z.string(), z.int().min(1).max(65_535)),
  /** Private keys, in PEM, that tokens and links are signed with. */
  identityKey: z.string(),
  storageKey: z.string(),
  webhookSecret: z.string(),
})
export type Place = z.infer<typeof Place>

/** Changes with whatever is kept in another way than before. */
const FORMAT = 1

export type Kept = {
  readonly documents: KeptTable<Version>
  readonly objects: KeptTable<StoredObject>
  readonly tasks: KeptTable<KeptTask>
  /** What the stand-ins of the providers have been given to do. */
  readonly jobs: KeptJobs
  readonly files: FileStore
  /** Undefined at the first start. */
  readonly place: Place | undefined
  keepPlace: (place: Place) => void
  close: () => void
}

/**
 * What `npm start -- --keep` keeps from one start to the next.
 * @param folder made when it is not there; one process at a time may use it
 * @throws CommandRefused when another version of Steadycast wrote it
 */
export function openKept(folder: string): Kept {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const placePath = join(folder, 'place.json')
  const place = readPlace(placePath, folder)
  const [documents, objects, tasks] = [
    new KeptTable<Version>(join(folder, 'documents.log')),
    new KeptTable<StoredObject>(join(folder, 'objects.log')),
    new KeptTable<KeptTask>(join(folder, 'tasks.log')),
  ]
  const opened: { close: () => void }[] = [documents, objects, tasks]
  return {
    documents,
    objects,
    tasks,
    jobs<Job>(name: string) {
      const table = new KeptTable<Job>(join(folder, `${name}.log`))
      opened.push(table)
      return table
    },
    files: new FileStore(join(folder, 'objects')),
    place,
    keepPlace(changed) {
      writeFileSync(`${placePath}.new`, JSON.stringify({ format: FORMAT, ...changed }), { mode: 0o600 })
      renameSync(`${placePath}.new`, placePath)
    },
    close() {
      for (const table of opened) table.close()
    },
  }
}

/** Has the tasks of an earlier start call where the functions are now. */
export function redirectTasks(tasks: KeptTable<KeptTask>, fromBaseUrl: string, toBaseUrl: string): void {
  if (fromBaseUrl === toBaseUrl) return
  const redirect = (url: string) =>
    url.startsWith(`${fromBaseUrl}/`) ? toBaseUrl + url.slice(fromBaseUrl.length) : url
  const redirected = tasks.entries().flatMap(([name, task]): Change<KeptTask>[] => {
    if ('reservedUntilMs' in task) return []
    const { url, oidcToken } = task.httpRequest
    const token = oidcToken && { ...oidcToken, ...(oidcToken.audience && { audience: redirect(oidcToken.audience) }) }
    const httpRequest = { ...task.httpRequest, url: redirect(url), ...(token && { oidcToken: token }) }
    return [[name, { ...task, httpRequest }]]
  })
  tasks.write(redirected)
}

/** What nobody can read was never kept. */
function readPlace(path: string, folder: string): Place | undefined {
  let said: unknown
  try {
    said = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
  const { format } = (said ?? {}) as { format?: unknown }
  if (format !== undefined && format !== FORMAT)
    throw new CommandRefused(
      `${folder} was written by another version of Steadycast. Remove it, or start without --keep.`,
    )
  return Place.safeParse(said).data
}
