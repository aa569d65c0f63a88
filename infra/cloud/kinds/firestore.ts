import type { Clients } from '../clients.ts'
import { differences } from '../difference.ts'
import type { Fields, Found, Kind, Resource } from '../resource.ts'
import { readFound, isAbsent, unlessAbsent } from './absent.ts'
import { snake, splitName } from './names.ts'

/** Holds every episode: never removed by us. */
export function databaseKind({ firestoreAdmin }: Clients): Kind {
  return {
    read: ({ name }) => readFound(name, firestoreAdmin.getDatabase({ name })),
    async create({ name, fields }) {
      const { parent, id } = splitName(name, '/databases/')
      const [operation] = await firestoreAdmin.createDatabase({ parent, databaseId: id, database: fields })
      await operation.promise()
    },
    async update({ name, fields }, _found, changed) {
      const [operation] = await firestoreAdmin.updateDatabase({
        database: { ...fields, name },
        updateMask: { paths: changed.map(snake) },
      })
      await operation.promise()
    },
  }
}

/** Composite indexes. The API names them; one is known by its fields. */
export function indexKind({ firestoreAdmin }: Clients): Kind {
  const parentOf = ({ name }: Resource) => splitName(name, '/indexes/').parent
  return {
    // Building one waits for the others of its collection.
    atOnce: 1,
    async read(resource) {
      const listed = await unlessAbsent(firestoreAdmin.listIndexes({ parent: parentOf(resource) }))
      const { state: _state, ...shape } = resource.fields
      const index = listed?.[0].find((one) => differences(shape, withoutName(one as Fields)).length === 0)
      return index && { name: String(index.name), fields: withoutName(index as Fields) }
    },
    async create(resource) {
      const { state: _state, ...index } = resource.fields
      const [operation] = await firestoreAdmin.createIndex({ parent: parentOf(resource), index })
      await operation.promise()
    },
    /** It is there and not ready: it is being built, and only needs waiting for. */
    async update(resource, found) {
      for (let tries = 0; tries < BUILD_POLLS_MAX; tries++) {
        const [index] = await firestoreAdmin.getIndex({ name: found.name })
        if (differences(resource.fields, index).length === 0) return
        await new Promise((resolve) => setTimeout(resolve, BUILD_POLL_MS))
      }
      throw new Error(`${resource.name} is still being built; run this again later`)
    },
  }
}

const BUILD_POLL_MS = 5_000
const BUILD_POLLS_MAX = 240

/** The API adds `__name__` at the end of every index by itself. */
function withoutName(index: Fields): Fields {
  const fields = (index['fields'] ?? []) as { fieldPath?: string }[]
  return { ...index, fields: fields.filter(({ fieldPath }) => fieldPath !== '__name__') }
}

/** Fields that are not indexed, or indexed one way only, or by which documents expire. */
export function fieldKind({ firestoreAdmin }: Clients): Kind {
  return {
    atOnce: 4,
    async read({ name }) {
      const answer = await unlessAbsent(firestoreAdmin.getField({ name }))
      if (answer === undefined) return undefined
      const [{ indexConfig, ttlConfig }] = answer
      // A field that goes by the default of its database has nothing of its own.
      const indexes = indexConfig?.usesAncestorConfig ? undefined : (indexConfig?.indexes ?? [])
      if (indexes === undefined && !ttlConfig) return undefined
      return { name, fields: { ...(indexes && { indexConfig: { indexes } }), ...(ttlConfig && { ttlConfig }) } }
    },
    create: async (resource) => updateField(resource),
    update: async (resource) => updateField(resource),
  }

  async function updateField({ name, fields }: Resource): Promise<void> {
    const [operation] = await firestoreAdmin.updateField({
      field: { name, ...fields },
      updateMask: { paths: Object.keys(fields).map(snake) },
    })
    await operation.promise()
  }
}

/** When backups are made, and how long they are kept; one daily and one weekly at most. The API names them. */
export function backupScheduleKind({ firestoreAdmin }: Clients): Kind {
  const schedules = async (parent: string) => {
    try {
      const [{ backupSchedules }] = await firestoreAdmin.listBackupSchedules({ parent })
      return backupSchedules ?? []
    } catch (error) {
      if (isAbsent(error)) return []
      throw error
    }
  }
  return {
    atOnce: 1,
    async read({ name, fields }) {
      const recurrence = recurrenceOf(fields)
      const known = (await schedules(splitName(name, '/backupSchedules/').parent)) as Fields[]
      const schedule = known.find((one) => one[recurrence] !== undefined && one[recurrence] !== null)
      return schedule && { name: String(schedule['name']), fields: schedule }
    },
    async create({ name, fields }) {
      await firestoreAdmin.createBackupSchedule({
        parent: splitName(name, '/backupSchedules/').parent,
        backupSchedule: fields,
      })
    },
    async update({ fields }: Resource, found: Found) {
      await firestoreAdmin.updateBackupSchedule({
        backupSchedule: { ...fields, name: found.name },
        updateMask: { paths: ['retention'] },
      })
    },
  }
}

function recurrenceOf(fields: Fields): 'dailyRecurrence' | 'weeklyRecurrence' {
  return 'dailyRecurrence' in fields ? 'dailyRecurrence' : 'weeklyRecurrence'
}
