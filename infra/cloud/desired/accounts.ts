import type { AccountName } from '../../../functions/functions.ts'
import type { Deployment } from '../deployment.ts'
import { grantName } from '../kinds/project.ts'
import type { Grant } from '../kinds/project.ts'
import type { Resource } from '../resource.ts'

/** Permissions by what they are about, each with why it is needed. */
type Permissions = {
  /** In the whole project: Firestore and Cloud Tasks have nothing smaller that functions could be let into. */
  project?: Record<string, string>
  /** In the bucket of recordings and results. */
  bucket?: Record<string, string>
  /** On the account that Cloud Tasks calls as. */
  tasksAccount?: Record<string, string>
  /** On the account itself. */
  itself?: Record<string, string>
}
type Scope = keyof Permissions

const ENQUEUES = {
  project: { 'cloudtasks.tasks.create': 'steps are dispatched as tasks' },
  tasksAccount: { 'iam.serviceAccounts.actAs': 'a task bears a token of the account that Cloud Tasks calls as' },
}
const READS_OBJECTS = {
  'storage.objects.get': 'recordings and results are read, and their sizes checked',
  'storage.objects.list': 'without it, an object that is not there is "forbidden" instead of "not found"',
}
const SIGNS = { 'iam.serviceAccounts.signBlob': 'links to objects are signed without a key file' }

/** What each account may do: exactly what its functions do. The local cloud lets functions do this, and no more. */
export const PERMISSIONS: Record<AccountName, Permissions> = {
  api: {
    project: {
      'datastore.entities.get': 'episodes, usage, rates, answers kept for Idempotency-Keys',
      'datastore.entities.list': 'episodes-list',
      'datastore.entities.create': 'episodes, and the first of each other record',
      'datastore.entities.update': 'changes of episodes, usage and rates',
      'datastore.entities.delete': 'an Idempotency-Key is given back after a failure that a repeat can cure',
      ...ENQUEUES.project,
    },
    bucket: {
      ...READS_OBJECTS,
      'storage.objects.create': 'recordings and transcripts, and by links that this account signs; what blocks a link',
      'storage.objects.delete': 'episodes-delete removes the files of an episode at once; what was replaced',
    },
    tasksAccount: ENQUEUES.tasksAccount,
    itself: SIGNS,
  },
  hooks: {
    project: {
      'datastore.entities.get': 'the episode that a webhook is about',
      'datastore.entities.update': 'its step is asked about sooner',
      ...ENQUEUES.project,
    },
    tasksAccount: ENQUEUES.tasksAccount,
  },
  work: {
    project: {
      'datastore.entities.get': 'episodes, breakers, notes kept from before',
      'datastore.entities.create': 'the first record of a breaker, of notes, of a month',
      'datastore.entities.update': 'every change of a step',
      ...ENQUEUES.project,
    },
    bucket: {
      ...READS_OBJECTS,
      'storage.objects.create': 'transcripts, notes, intros, mastered audio, outputs',
    },
    tasksAccount: ENQUEUES.tasksAccount,
    itself: SIGNS,
  },
  sweep: {
    project: {
      'datastore.entities.get': 'episodes that are due',
      'datastore.entities.list': 'finding them',
      'datastore.entities.create': 'the record of each sweep',
      'datastore.entities.update': 'cures, and the latest sweep',
      'datastore.entities.delete': 'deleted episodes, and what was kept of them',
      ...ENQUEUES.project,
      'cloudtasks.tasks.get': 'whether a task that is late waits in its queue, or is lost',
    },
    bucket: {
      ...READS_OBJECTS,
      'storage.objects.create': 'an empty object where a link to a deleted episode could create one',
      'storage.objects.delete': 'what nothing refers to any more',
    },
    tasksAccount: ENQUEUES.tasksAccount,
  },
  breakers: {
    project: {
      'datastore.entities.get': 'what the breakers are like',
      'datastore.entities.create': 'an override of a breaker that nobody has used',
      'datastore.entities.update': 'overrides by operators',
    },
  },
  health: {
    project: {
      'datastore.entities.get': 'whether the store answers, the latest sweep, the breakers',
      'cloudtasks.queues.get': 'how full the queues are',
    },
    bucket: READS_OBJECTS,
  },
  live: {},
}

/** What an account may do anywhere. */
export function permissionsOf(account: AccountName): string[] {
  return [...new Set(Object.values(PERMISSIONS[account]).flatMap((scope) => Object.keys(scope)))]
}

export function accountEmail(project: string, id: string): string {
  return `steadycast-${id}@${project}.iam.gserviceaccount.com`
}

function accountResource(project: string, id: string): string {
  return `projects/${project}/serviceAccounts/${accountEmail(project, id)}`
}

const PURPOSES: Record<AccountName | 'tasks' | 'scheduler' | 'build', string> = {
  api: 'what people call',
  hooks: 'webhooks of providers',
  work: 'steps of the pipeline',
  sweep: 'the sweep',
  breakers: 'the breakers, for admins',
  health: 'the health of the system',
  live: 'answers without touching anything, and may do nothing',
  // What these two may do is decided by our own code, which lets them in by their address.
  tasks: 'whom Cloud Tasks calls as; may do nothing',
  scheduler: 'whom Cloud Scheduler calls as; may do nothing',
  build: 'builds the functions',
}

/** Accounts, the roles that hold exactly what each may do, and who is given which. */
export function accounts({ project, bucket }: Deployment): Resource[] {
  const made: Resource[] = Object.entries(PURPOSES).map(([id, purpose]) => ({
    kind: 'serviceAccount',
    name: accountResource(project, id),
    fields: { displayName: `Steadycast ${id}`, description: purpose },
    reason: purpose,
  }))
  for (const [account, permissions] of Object.entries(PERMISSIONS))
    for (const [scope, reasons] of Object.entries(permissions)) {
      const role = `projects/${project}/roles/steadycast.${account}.${scope}`
      made.push({
        kind: 'role',
        name: role,
        fields: {
          title: `Steadycast ${account}, ${scope}`,
          description: PURPOSES[account as AccountName],
          includedPermissions: Object.keys(reasons).toSorted(),
          stage: 'GA',
        },
      })
      const resource = {
        project: `projects/${project}`,
        bucket: `b/${bucket}`,
        tasksAccount: accountResource(project, 'tasks'),
        itself: accountResource(project, account),
      }[scope as Scope]
      made.push(grant({ resource, role, member: memberOf(project, account) }, Object.values(reasons).join('; ')))
    }
  const builds = { resource: `projects/${project}`, role: 'roles/cloudbuild.builds.builder' }
  made.push(
    grant(
      { ...builds, member: memberOf(project, 'build') },
      'reads the source, writes the image and the log of the build: a role of Google made for just that',
    ),
  )
  return made
}

export function memberOf(project: string, id: string): string {
  return `serviceAccount:${accountEmail(project, id)}`
}

export function grant(fields: Grant, reason: string): Resource {
  return { kind: 'grant', name: grantName(fields), fields, reason }
}
