import type { Clients } from '../clients.ts'
import { differences } from '../difference.ts'
import type { Fields, Found, Kind, Resource } from '../resource.ts'
import { unlessAbsent } from './absent.ts'
import { splitName, snake } from './names.ts'
import { isOurs } from './project.ts'

const STATE_POLL_MS = 2_000
const STATE_POLLS_MAX = 300
const UPLOAD_TIMEOUT_MS = 120_000

/** What is uploaded, made once however many functions need it. */
export type Source = { hash: string; zip: () => Promise<Uint8Array> }

/**
 * The functions. All are built from one source, whose hash is a label, because the API does not give a source back.
 * @param candidate new revisions get no traffic; who rolls them out gives it to them
 */
export function functionKind(
  { functions }: Clients,
  place: { project: string; region: string },
  source: Source,
  candidate: boolean,
): Kind {
  const parent = `projects/${place.project}/locations/${place.region}`

  const read = async ({ name, fields }: Pick<Resource, 'name' | 'fields'>): Promise<Found | undefined> => {
    const answer = await unlessAbsent(functions.getFunction({ name }))
    if (answer === undefined) return undefined
    const found = answer[0] as Fields
    if (!candidate) return { name, fields: found }
    // Who has the traffic is somebody else's business now.
    const wanted = (fields['serviceConfig'] as Fields | undefined)?.['allTrafficOnLatestRevision']
    const serviceConfig = { ...(found['serviceConfig'] as Fields), allTrafficOnLatestRevision: wanted }
    return { name, fields: { ...found, serviceConfig } }
  }
  const prepareFields = (fields: Fields): Fields => {
    const { state: _state, ...rest } = fields
    const serviceConfig = { ...(rest['serviceConfig'] as Fields), allTrafficOnLatestRevision: !candidate }
    return { ...rest, serviceConfig }
  }
  const withSource = async (fields: Fields): Promise<Fields> => {
    const [{ uploadUrl, storageSource }] = await functions.generateUploadUrl({ parent })
    await upload(String(uploadUrl), await source.zip())
    return { ...fields, buildConfig: { ...(fields['buildConfig'] as Fields), source: { storageSource } } }
  }

  return {
    read,
    async create({ name, fields }) {
      const made = await withSource(prepareFields(fields))
      const { id } = splitName(name, '/functions/')
      const [operation] = await functions.createFunction({ parent, functionId: id, function: { ...made, name } })
      await operation.promise()
    },
    async update(resource, found, changed) {
      const { name, fields } = resource
      if (found.fields['state'] === 'DEPLOYING') {
        const settled = await awaitSettled(() => read(resource))
        if (settled && differences(fields, settled.fields).length === 0) return
      }
      const rebuilt = changed.some((field) => field === 'labels' || field === 'buildConfig' || field === 'state')
      const made = rebuilt ? await withSource(prepareFields(fields)) : prepareFields(fields)
      const mask = new Set([...changed, ...(rebuilt ? ['labels', 'buildConfig'] : []), 'serviceConfig'])
      mask.delete('state')
      const [operation] = await functions.updateFunction({
        function: { ...made, name },
        updateMask: { paths: [...mask].map(snake) },
      })
      await operation.promise()
    },
    async remove({ name }) {
      const [operation] = await functions.deleteFunction({ name })
      await operation.promise()
    },
    async list() {
      const listed = await unlessAbsent(functions.listFunctions({ parent }))
      return (listed?.[0] ?? []).filter(isOurs).map((one) => ({ name: String(one.name), fields: one as Fields }))
    },
  }
}

/** The function once nobody is deploying it, such as an earlier deployment that broke off. */
async function awaitSettled(read: () => Promise<Found | undefined>): Promise<Found | undefined> {
  for (let polls = 0; polls < STATE_POLLS_MAX; polls++) {
    const found = await read()
    if (found?.fields['state'] !== 'DEPLOYING') return found
    await new Promise((resolve) => setTimeout(resolve, STATE_POLL_MS))
  }
  throw new Error('the function has been deploying for ten minutes')
}

/** The link is signed for exactly this type. */
async function upload(url: string, zip: Uint8Array): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/zip' },
    body: Buffer.from(zip),
    signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
  })
  if (!answer.ok) throw new Error(`the source could not be uploaded: ${answer.status}`)
}
