import { CommandRefused, readWords } from '../command-line.ts'
import { openClients } from './clients.ts'
import type { Clients } from './clients.ts'
import { requireProject, runCommand } from './command.ts'

const USAGE = `Usage: npm run restore -- --project PROJECT                                 lists the backups there are
npm run restore -- --project PROJECT --backup NAME --to DATABASE   restores one to a new database

The functions go on with it once FIRESTORE_DATABASE=DATABASE is in .env.PROJECT and npm run deploy has run.`

/** The backups of all databases, newest first. */
export async function backups({ firestoreAdmin }: Clients, project: string): Promise<string[]> {
  const [{ backups: found }] = await firestoreAdmin.listBackups({ parent: `projects/${project}/locations/-` })
  return (found ?? [])
    .toSorted((a, b) => Number(b.snapshotTime?.seconds ?? 0) - Number(a.snapshotTime?.seconds ?? 0))
    .map(({ name, database, snapshotTime }) => {
      const at = new Date(Number(snapshotTime?.seconds ?? 0) * 1000).toISOString()
      return `${at}  ${String(database)}  ${String(name)}`
    })
}

/** Makes a new database out of a backup; the one there is stays as it is. */
export async function restore({ firestoreAdmin }: Clients, project: string, backup: string, to: string): Promise<void> {
  const [operation] = await firestoreAdmin.restoreDatabase({
    parent: `projects/${project}`,
    databaseId: to,
    backup,
  })
  await operation.promise()
}

async function main(): Promise<number> {
  const options = { project: { type: 'string' }, backup: { type: 'string' }, to: { type: 'string' } } as const
  const { project: named, backup, to } = readWords(process.argv.slice(2), options).values
  const project = requireProject(named)
  if ((backup === undefined) !== (to === undefined))
    throw new CommandRefused('--backup and --to go together. --help says what there is.')
  const clients = await openClients(project)
  try {
    if (backup === undefined || to === undefined)
      for (const line of await backups(clients, project)) process.stdout.write(`${line}\n`)
    else {
      await restore(clients, project, backup, to)
      process.stdout.write(`restored: now set FIRESTORE_DATABASE=${to} in .env.${project}, and deploy\n`)
    }
    return 0
  } finally {
    await clients.close()
  }
}

if (process.argv[1] === import.meta.filename) await runCommand(USAGE, main)
