import { parseEnv } from 'node:util'

import { ConfigError } from '../../shared/config.ts'
import {
  BREAKER_SETTINGS,
  loadConfiguration,
  SECRETS,
  SETTINGS,
  listUnusedSecrets,
} from '../../shared/dependencies/config.ts'
import type { SecretName } from '../../shared/dependencies/config.ts'

/** What is deployed, and where; everything that is wanted follows from it. */
export type Deployment = {
  readonly project: string
  readonly region: string
  readonly bucket: string
  /** How it behaves: variables that are given to every function. */
  readonly settings: Readonly<Record<string, string>>
  /** Secrets that were brought along; the others must be in Secret Manager already. */
  readonly secrets: Readonly<Partial<Record<SecretName, string>>>
  /** Secrets of providers that no port goes to. */
  readonly unusedSecrets: ReadonlySet<string>
  /** Whom alerts are mailed to. */
  readonly alertEmails: readonly string[]
  /** Where the runbook can be read; alerts link to their part of it. */
  readonly runbookUrl: string
  readonly retention: Retention
}

/** For how long the platform keeps what was removed. */
type Retention = {
  /** Of objects of the bucket, which can be had back meanwhile. */
  readonly softDeleteDays: number
  /** Of the daily backups of Firestore. */
  readonly backupDays: number
  /** Of the weekly ones. */
  readonly backupWeeks: number
}

export type DeploymentOptions = {
  project: string
  region?: string | undefined
  /** The text of `.env.PROJECT`, when there is one. */
  file?: string | undefined
  environment: Readonly<Record<string, string | undefined>>
}

/** As https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects has them. */
const PROJECT = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/
const REGION = /^[a-z]+-[a-z]+\d+$/
const EMAIL = /^[^\s@,]+@[^\s@,.]+(?:\.[^\s@,.]+)+$/

/** Keys are one word of printable ASCII; what stands for one in an example is none. */
const KEY = /^[\x21-\x7e]{16,512}$/
const PLACEHOLDER = /^<.*>$|your[-_ ]?(api[-_ ]?)?key|change[-_ ]?me|^x+$|^\.+$/i

/** What is for the deployment alone. */
const OWN = ['ALERT_EMAILS', 'RUNBOOK_URL', 'STORAGE_BUCKET', 'SOFT_DELETE_DAYS', 'BACKUP_DAYS', 'BACKUP_WEEKS']
/** As https://docs.cloud.google.com/storage/docs/soft-delete and https://docs.cloud.google.com/firestore/native/docs/backups have them. */
const RETENTIONS = {
  SOFT_DELETE_DAYS: {
    byDefault: 7,
    allows: (days: number) => days === 0 || (days >= 7 && days <= 90),
    words: '0, or 7 to 90',
  },
  BACKUP_DAYS: { byDefault: 7, allows: (days: number) => days >= 1 && days <= 98, words: '1 to 98' },
  BACKUP_WEEKS: { byDefault: 14, allows: (weeks: number) => weeks >= 1 && weeks <= 14, words: '1 to 14' },
}
const RUNBOOK_IN_REPOSITORY = 'infra/RUNBOOK.md'

/**
 * Settings out of `.env.PROJECT` and the environment, which has the last word, all of them checked as the functions
 * themselves would.
 * @throws ConfigError naming every bad variable, and never its value
 */
export function deploymentOf({
  project,
  region = 'us-central1',
  file = '',
  environment,
}: DeploymentOptions): Deployment {
  if (!PROJECT.test(project)) throw new ConfigError(`--project: "${project}" is not the id of a project`)
  if (!REGION.test(region)) throw new ConfigError(`--region: "${region}" is not a region such as europe-west1`)
  const known = new Set(
    [SETTINGS, BREAKER_SETTINGS, SECRETS].flatMap((variables) => Object.keys(variables)).concat(OWN),
  )
  const inFile: Record<string, string | undefined> = parseEnv(file)
  const strangers = Object.keys(inFile).filter((name) => !known.has(name))
  const valueOf = (name: string) => (environment[name] ?? inFile[name])?.trim() || undefined
  const pick = (names: readonly string[]) =>
    Object.fromEntries(names.flatMap((name) => (valueOf(name) === undefined ? [] : [[name, valueOf(name) ?? '']])))

  const settings = pick([...Object.keys(SETTINGS), ...Object.keys(BREAKER_SETTINGS)])
  const secrets = pick(Object.keys(SECRETS)) as Deployment['secrets']
  const alertEmails = (valueOf('ALERT_EMAILS') ?? '').split(',').flatMap((one) => one.trim() || [])
  const complaints = [
    ...strangers.map((name) => `${name} in .env.${project} is no setting of Steadycast`),
    ...Object.entries(secrets)
      .filter(([, value]) => !KEY.test(value) || PLACEHOLDER.test(value))
      .map(([name]) => `${name} is malformed: expected a key of 16 to 512 characters without spaces`),
    ...Object.entries(RETENTIONS)
      .filter(([name, { byDefault, allows }]) => !allows(wholeNumber(valueOf(name) ?? String(byDefault))))
      .map(([name, { words }]) => `${name}: expected a whole number: ${words}`),
    ...alertEmails.filter((one) => !EMAIL.test(one)).map(() => 'ALERT_EMAILS: expected addresses, comma-separated'),
  ]
  if (complaints.length > 0) throw new ConfigError(`Configuration: ${complaints.join('; ')}`)
  const bucket = valueOf('STORAGE_BUCKET') ?? `${project}-steadycast`
  const config = loadConfiguration({ ...settings, ...secrets, ...placeOf({ project, region, bucket }) }, [])
  const runbookUrl = valueOf('RUNBOOK_URL') ?? RUNBOOK_IN_REPOSITORY
  const numberOf = (name: keyof typeof RETENTIONS) => Number(valueOf(name) ?? RETENTIONS[name].byDefault)
  const retention = {
    softDeleteDays: numberOf('SOFT_DELETE_DAYS'),
    backupDays: numberOf('BACKUP_DAYS'),
    backupWeeks: numberOf('BACKUP_WEEKS'),
  }
  const named = { project, region, bucket, settings, secrets, alertEmails, runbookUrl, retention }
  return { ...named, unusedSecrets: listUnusedSecrets(config) }
}

function wholeNumber(text: string): number {
  return /^\d{1,3}$/.test(text) ? Number(text) : NaN
}

/** The variables that say where a function is. */
export function placeOf({ project, region, bucket }: Pick<Deployment, 'project' | 'region' | 'bucket'>) {
  return { GOOGLE_CLOUD_PROJECT: project, FUNCTION_REGION: region, STORAGE_BUCKET: bucket }
}

export function functionUrl({ project, region }: Pick<Deployment, 'project' | 'region'>, name: string): string {
  return `https://${region}-${project}.cloudfunctions.net/${name}`
}
