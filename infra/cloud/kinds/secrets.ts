import type { Clients } from '../clients.ts'
import type { Kind } from '../resource.ts'
import { readFound, unlessAbsent } from './absent.ts'
import { splitName } from './names.ts'

const FAILED_PRECONDITION = 9

/** Where secrets are kept. Never removed by us: what they hold may be nowhere else. */
export function secretKind({ secrets }: Clients): Kind {
  return {
    read: ({ name }) => readFound(name, secrets.getSecret({ name })),
    async create({ name, fields }) {
      const { parent, id } = splitName(name, '/secrets/')
      await secrets.createSecret({ parent, secretId: id, secret: fields })
    },
    async update({ name, fields }, _found, changed) {
      await secrets.updateSecret({ secret: { ...fields, name }, updateMask: { paths: [...changed] } })
    },
  }
}

/** What a secret holds. A new value is a new version; the one before stays, for those who still use it. */
export function secretVersionKind({ secrets }: Clients): Kind {
  const add = async (name: string, value: unknown) => {
    const parent = splitName(name, '/versions/').parent
    await secrets.addSecretVersion({ parent, payload: { data: Buffer.from(String(value)) } })
  }
  return {
    async read({ name }) {
      const value = await latestValue(secrets, name)
      return value === undefined ? undefined : { name, fields: { value } }
    },
    create: ({ name, fields }) => add(name, fields['value']),
    update: ({ name, fields }) => add(name, fields['value']),
  }
}

/** What a secret holds now. @returns undefined when there is nothing that can be used */
export async function latestValue(secrets: Clients['secrets'], name: string): Promise<string | undefined> {
  try {
    const answer = await unlessAbsent(secrets.accessSecretVersion({ name }))
    const data = answer?.[0].payload?.data
    return data === undefined || data === null ? undefined : Buffer.from(data as Uint8Array).toString('utf8')
  } catch (error) {
    // Disabled or destroyed: as good as none.
    if ((error as { code?: unknown }).code === FAILED_PRECONDITION) return undefined
    throw error
  }
}

/** Numbers of a secret's versions that can be used, newest first, and the number that the next will have. */
export async function versionsOf(clients: Clients, secret: string): Promise<{ usable: number[]; next: number }> {
  const listed = await unlessAbsent(clients.secrets.listSecretVersions({ parent: secret }))
  const versions = (listed?.[0] ?? []).map(({ name, state }) => ({
    number: Number(String(name).slice(String(name).lastIndexOf('/') + 1)),
    enabled: String(state) === 'ENABLED',
  }))
  return {
    usable: versions
      .filter(({ enabled }) => enabled)
      .map(({ number }) => number)
      .toSorted((a, b) => b - a),
    next: Math.max(0, ...versions.map(({ number }) => number)) + 1,
  }
}
