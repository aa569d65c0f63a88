import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { FUNCTIONS } from '../../functions/functions.ts'
import type { FunctionRow } from '../../functions/functions.ts'
import { SECRETS } from '../../shared/dependencies/config.ts'
import type { SecretName } from '../../shared/dependencies/config.ts'
import type { Faults } from './faults.ts'
import { firestoreService } from './firestore/service.ts'
import { GrpcService } from './grpc-service.ts'
import type { Served } from './grpc-service.ts'
import type { Route } from './http-service.ts'
import { ACCOUNTS } from './iam.ts'
import type { Iam } from './iam.ts'
import type { Journal } from './journal.ts'
import { storageServer } from './storage/service.ts'

type Parts = {
  firestore: Served[] | undefined
  tasks: Served[]
  storage: readonly Route[]
  /** Where storage should listen for an account, and does. */
  ports: Record<string, number>
}

/**
 * Doors of their own to Firestore, Cloud Storage and Cloud Tasks for every account, each letting in what the account may
 * do; Google's own emulator has but one, for everybody.
 * @returns what a function finds in its environment beside what all do, and which secrets it does not
 */
export async function openDoors(
  iam: Iam,
  parts: Parts,
  { faults, journal, credentialsOf }: { faults: Faults; journal: Journal; credentialsOf: (id: string) => string },
  folder: string,
  closers: (() => Promise<void> | void)[],
): Promise<(functionName: string, common: Record<string, string>) => Record<string, string>> {
  const doors = new Map<string, Record<string, string>>()
  for (const account of ACCOUNTS) {
    const gate = iam.grpcGate(account)
    const tasks = await new GrpcService('tasks', faults, parts.tasks, { gate }).start()
    const storage = await storageServer({ faults, journal }, parts.storage, iam.storageAround(account)).start(
      parts.ports[account],
    )
    parts.ports[account] = storage.port
    const firestore = parts.firestore && (await firestoreService(faults, parts.firestore, { gate, journal }).start())
    closers.push(
      () => tasks.stop(),
      () => storage.stop(),
      () => firestore?.stop(),
    )
    const credentials = join(folder, `steadycast-${account}.json`)
    await writeFile(credentials, credentialsOf(`steadycast-${account}`), { mode: 0o600 })
    doors.set(account, {
      TASKS_API_ENDPOINT: tasks.address,
      STORAGE_API_ENDPOINT: storage.origin,
      ...(firestore && { FIRESTORE_EMULATOR_HOST: firestore.address }),
      GOOGLE_APPLICATION_CREDENTIALS: credentials,
    })
  }
  return (functionName, common) => ({
    ...withoutSecretsOfOthers(functionName, common),
    ...doors.get(iam.accountOf(functionName)),
  })
}

/** As in the cloud, a function is given the secrets that it uses, and no other. */
function withoutSecretsOfOthers(functionName: string, common: Record<string, string>): Record<string, string> {
  const row = (FUNCTIONS as Record<string, FunctionRow | undefined>)[functionName]
  const own = new Set<string>(row?.secrets)
  if (own.has('WEBHOOK_SECRET')) own.add('WEBHOOK_SECRET_PREVIOUS' satisfies SecretName)
  return Object.fromEntries(Object.entries(common).filter(([name]) => !Object.hasOwn(SECRETS, name) || own.has(name)))
}
