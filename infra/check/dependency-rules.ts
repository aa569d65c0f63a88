import type { IRegularForbiddenRuleType } from 'dependency-cruiser'

import { LAYERS } from './layers.ts'

/** Packages that hold a Google or provider SDK. */
const SDK =
  'node_modules/(@google-cloud/|google-gax|google-auth-library|@google/genai|@elevenlabs/|assemblyai|firebase)'
const PRODUCTION_CODE = '^(functions|shared|infra)/'

function pathOf(rooms: readonly string[]): string {
  const alternatives = rooms.map((room) =>
    room.endsWith('.ts') ? `${room.replaceAll('.', String.raw`\.`)}$` : `${room}/`,
  )
  return `^shared/(${alternatives.join('|')})`
}

type Rule = IRegularForbiddenRuleType & { readonly name: string; readonly comment: string }

/** An arrow goes down, never up, and adapters do not know one another. Imports of types count. */
const LAYER_RULES: readonly Rule[] = LAYERS.flatMap(({ rooms }, index): Rule[] => {
  const higher = LAYERS.slice(0, index).flatMap((layer) => layer.rooms)
  const upward = {
    name: `${rooms.join('-')}: no arrow up`,
    comment: 'a room imports only rooms of lower layers',
    from: { path: pathOf(rooms) },
    to: { path: higher.length > 0 ? pathOf(higher) : '^functions/' },
  }
  const isLowest = index === LAYERS.length - 1
  const sideways = rooms.flatMap((room): Rule[] => {
    const others = rooms.filter((one) => one !== room)
    if (isLowest || others.length === 0) return []
    const comment = 'rooms of one layer do not know one another'
    return [{ name: `${room}: no arrow aside`, comment, from: { path: pathOf([room]) }, to: { path: pathOf(others) } }]
  })
  return [upward, ...sideways]
})

const OTHER_RULES: readonly Rule[] = [
  { name: 'no cycle', comment: 'not even of types', from: {}, to: { circular: true } },
  {
    name: 'everything is found',
    comment: 'an import that leads nowhere hides whatever is behind it',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'every room has a layer',
    comment: 'a folder of shared that is in no layer would escape them all',
    from: {},
    to: { path: '^shared/', pathNot: pathOf(LAYERS.flatMap(({ rooms }) => rooms)) },
  },
  {
    name: 'shared is below functions and infra',
    comment: 'shared imports neither functions nor infra',
    from: { path: '^shared/' },
    to: { path: '^(functions|infra)/' },
  },
  {
    name: 'tests are nobody’s ground',
    comment: 'nothing imports test but tests, and the table that is made of one',
    from: { path: PRODUCTION_CODE, pathNot: '^infra/build/answers-table\\.ts$' },
    to: { path: '^test/' },
  },
  {
    name: 'functions stay small',
    comment: 'functions import no infra',
    from: { path: '^functions/' },
    to: { path: '^infra/' },
  },
  {
    name: 'the table is what others see of functions',
    comment: 'of functions, infra imports only the table, and what requests may contain',
    from: { path: '^infra/' },
    to: { path: '^functions/', pathNot: String.raw`^functions/(functions|requests)\.ts$` },
  },
  {
    name: 'functions do not know one another',
    comment: 'functions never import one another; the entry loads them',
    from: { path: '^functions/', pathNot: String.raw`^functions/index\.ts$` },
    to: { path: '^functions/[^/]+/' },
  },
  {
    name: 'SDKs stay in adapters',
    comment: 'functions, the podcast and the engine hold no SDK',
    from: { path: '^(functions|shared/(operations|podcast|engine|http|quotas))/' },
    to: { path: SDK },
  },
  {
    name: 'the engine is anybody’s',
    comment: 'the engine knows no podcast, no vendor, no edge: of ours it imports only what everybody uses',
    from: { path: '^shared/engine/' },
    to: { path: '^shared/', pathNot: '^shared/(engine|resilience|errors)/' },
  },
  {
    name: 'the breaker can be taken away',
    comment: 'it imports nothing of ours, Node and zod',
    from: { path: '^shared/breaker/' },
    to: {
      pathNot: '^(shared/breaker/|node_modules/zod/|node:|[a-z_]+$|[a-z_]+/[a-z_]+$)',
      dependencyTypesNot: ['type-only'],
    },
  },
  {
    name: 'the breaker needs two packages by type alone',
    comment: 'the types of Firestore and of cockatiel, which it works without',
    from: { path: '^shared/breaker/' },
    to: {
      pathNot: '^(shared/breaker/|node_modules/(zod|cockatiel|@google-cloud/firestore)/)',
      dependencyTypes: ['type-only'],
    },
  },
  {
    name: 'only the edge knows HTTP',
    comment: 'below the edge an error says nothing of codes, statuses and headers',
    from: { path: '^shared/', pathNot: '^shared/http/' },
    to: { path: String.raw`^shared/http/(http-error|codes|envelope)\.ts$` },
  },
  {
    name: 'a provider’s folder has one door',
    comment: 'only itself and the list of providers enter it; its stand-in knows its types, where no SDK has them',
    from: { path: '^(functions|shared|infra)/', pathNot: String.raw`^shared/providers/(providers\.ts$|[^/]+/)` },
    to: { path: '^shared/providers/[^/]+/', pathNot: String.raw`^shared/providers/[^/]+/api\.ts$` },
  },
  {
    name: 'providers do not know one another',
    comment: 'what two of them share is in shared/providers itself',
    from: { path: '^shared/providers/([^/]+)/' },
    to: { path: '^shared/providers/[^/]+/', pathNot: '^shared/providers/$1/' },
  },
  {
    name: 'a stand-in’s folder has one door',
    comment: 'only itself and the list of stand-ins enter it',
    from: { path: '^infra/', pathNot: String.raw`^infra/local/providers/(stand-ins\.ts$|[^/]+/)` },
    to: { path: '^infra/local/providers/[^/]+/' },
  },
]

export const DEPENDENCY_RULES = [...LAYER_RULES, ...OTHER_RULES].map((rule) => ({
  severity: 'error' as const,
  ...rule,
}))
