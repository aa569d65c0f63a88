import { readFile } from 'node:fs/promises'

import type { Plugin } from 'esbuild'

/** Takes no place, and says who is missing when it is called all the same. */
const nothing = (path: string) => `
  const refuse = () => { throw new Error(${JSON.stringify(`${path} was left out by infra/build`)}) }
  const get = (_, name) => (name === '__esModule' || typeof name === 'symbol' ? undefined : nothing)
  const nothing = new Proxy(function () {}, { get, apply: refuse, construct: refuse })`
const leftOut = (path: string) => `${nothing(path)}
  module.exports = nothing`
/** The same of what is written as a module. */
const leftOutModule = (path: string) => `${nothing(path)}
  export { nothing as default, nothing as CloudTasksClient }`
/** Every client makes one of these, and closes it. */
const IDLE_LOCATIONS = 'exports.LocationsClient = class { async close() {} }'

type Protos = { nested?: Record<string, Protos> }
/** Descriptions of messages without those of some packages below `google`. */
function withoutPackages(source: string, packages: readonly string[]): string {
  const protos = JSON.parse(source) as Protos
  for (const name of packages) {
    const path = ['google', ...name.split('.')]
    const last = path.pop() ?? ''
    const parent = path.reduce<Protos | undefined>((within, one) => within?.nested?.[one], protos)
    if (parent?.nested?.[last] === undefined) throw new Error(`no messages of ${name} to be left out`)
    delete parent.nested[last]
  }
  return JSON.stringify(protos)
}

/** What a server would tell of its messages when it is asked for them, made of every message of a client. */
const REFLECTION = /const descriptorList = root\.toDescriptor\('proto3'\)\.file;\s+const bufferList = [^;]+;/
function withoutReflection(path: string, source: string): string {
  if (!REFLECTION.test(source)) throw new Error(`${path} describes itself in a way that is not known here`)
  return source.replace(REFLECTION, 'const bufferList = [];')
}

/**
 * What Google's clients read whenever they are loaded, and nothing here uses: clients of older, administrative and
 * shared interfaces, what servers say of themselves, and messages as classes, of which the descriptions in JSON are enough.
 */
const REPLACED: Readonly<Record<string, (path: string, source: string) => string>> = {
  'google-gax/build/protos/iam_service.js': leftOut,
  'google-gax/build/protos/locations.js': leftOut,
  'google-gax/build/protos/operations.js': leftOut,
  'google-gax/build/src/locationService.js': () => IDLE_LOCATIONS,
  '@google-cloud/firestore-api/build/protos/protos.js': leftOut,
  '@google-cloud/firestore-api/build/protos/protos.json': (_, source) => withoutPackages(source, ['firestore.admin']),
  '@google-cloud/firestore-api/build/src/v1/firestore_admin_client.js': leftOut,
  '@google-cloud/tasks/build/protos/protos.js': leftOutModule,
  '@google-cloud/tasks/build/protos/protos.json': (_, source) => withoutPackages(source, ['cloud.tasks.v2beta2']),
  '@google-cloud/tasks/build/esm/src/v2beta2/cloud_tasks_client.js': leftOutModule,
  '@grpc/proto-loader/build/src/index.js': (path, source) => withoutReflection(path, source),
}

/** Google's clients without what is unused: it would be two thirds of what an instance reads. */
export const LEAN_CLIENTS: Plugin = {
  name: 'lean-clients',
  setup(bundler) {
    const missing = new Set(Object.keys(REPLACED))
    bundler.onLoad({ filter: /google|proto-loader/ }, async ({ path }) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const replace = REPLACED[name]
      if (replace === undefined) return undefined
      missing.delete(name)
      return { contents: replace(name, await readFile(path, 'utf8')), loader: name.endsWith('.json') ? 'json' : 'js' }
    })
    bundler.onEnd(() => {
      if (missing.size > 0) throw new Error(`not there to be left out: ${[...missing].join(', ')}`)
    })
  },
}
