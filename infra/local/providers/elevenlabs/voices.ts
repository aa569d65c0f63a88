import { STAND_IN_NOTICE } from '../stand-in.ts'
import { hasTier } from './accounts.ts'
import type { Account, Tier } from './accounts.ts'
import { refuse, refuseField, refuseUnplayed } from './refusals.ts'

/** Voices as accounts have them today. `needs`: the least plan that may use it. */
type Voice = {
  readonly id: string
  readonly name: string
  readonly category: 'premade' | 'professional'
  readonly isLegacy: boolean
  readonly needs: Tier
  /** Others have shared it: it can be spoken with, and is in nobody's list. */
  readonly isShared?: true
}

const VOICES: readonly Voice[] = [
  // Listed, and refused by every call.
  { id: '21m00Tcm4TlvDq8ikWAM', name: 'Rachel', category: 'premade', isLegacy: true, needs: 'free' },
  { id: 'paidPlanVoice0000001', name: 'For paid plans', category: 'premade', isLegacy: false, needs: 'pro' },
  { id: 'JBFqnCBsd6RMkjVDRZzb', name: 'George', category: 'premade', isLegacy: false, needs: 'free' },
  { id: 'EXAVITQu4vr4xnSDxMaL', name: 'Sarah', category: 'premade', isLegacy: false, needs: 'free' },
  {
    id: 'libraryVoice00000001',
    name: 'Of the library',
    category: 'professional',
    isLegacy: false,
    needs: 'starter',
    isShared: true,
  },
]
const TIERS_ABOVE: Readonly<Record<Tier, readonly Tier[]>> = {
  free: [],
  starter: ['starter', 'creator', 'pro'],
  creator: ['creator', 'pro'],
  pro: ['pro'],
}
const ID = /^[A-Za-z0-9]{8,40}$/
const PAGE_SIZE = { default: 10, max: 100 }
/** Ways to narrow the list that the vendor has (SDK 2.73.0), and that are not played here. */
const UNPLAYED: ReadonlySet<string> = new Set([
  'search',
  'voice_type',
  'fine_tuning_state',
  'collection_id',
  'gender',
  'age',
  'language',
  'accent',
  'use_cases',
  'min_notice_period_days',
  'include_custom_rates',
  'include_live_moderated',
  'high_quality',
  'voice_ids',
])
const PLAYED: ReadonlySet<string> = new Set([
  'page_size',
  'next_page_token',
  'category',
  'sort',
  'sort_direction',
  'include_total_count',
])

/** Makes sure that the account can speak with this voice; else the call is refused. */
export function requireVoice(id: string, account: Account): void {
  const { category, needs } = findVoice(id)
  if (hasTier(account, needs)) return
  if (category === 'professional')
    refuse(402, 'paid_plan_required', 'Free users cannot use library voices via the API. Please upgrade your plan.')
  refuse(402, 'paid_plan_required', 'Your plan may not use this voice through the API.')
}

/** The page of `GET /v2/voices` that is asked for. */
export function listVoices({ searchParams }: URL) {
  const asked = [...searchParams.keys()]
  const unplayed = asked.find((name) => UNPLAYED.has(name))
  if (unplayed !== undefined) refuseUnplayed(`Listing voices by ${unplayed}`)
  const unknown = asked.find((name) => !PLAYED.has(name))
  if (unknown !== undefined) refuseField('query', unknown, 'Extra inputs are not permitted')
  const size = Number(searchParams.get('page_size') ?? PAGE_SIZE.default)
  if (!Number.isInteger(size) || size < 1 || size > PAGE_SIZE.max)
    refuseField('query', 'page_size', `Input should be from 1 to ${PAGE_SIZE.max}`)
  const from = Number(searchParams.get('next_page_token') ?? 0)
  if (!Number.isInteger(from) || from < 0) refuseField('query', 'next_page_token', 'Invalid page token')
  const category = searchParams.get('category')
  const listed = VOICES.filter(({ isShared }) => isShared !== true)
  const found = listed.filter((voice) => category === null || voice.category === category)
  const sorted = searchParams.get('sort') === 'name' ? found.toSorted((a, b) => a.name.localeCompare(b.name)) : found
  const ordered = searchParams.get('sort_direction') === 'desc' ? sorted.toReversed() : sorted
  const hasMore = from + size < ordered.length
  return {
    voices: ordered.slice(from, from + size).map(describe),
    has_more: hasMore,
    total_count: ordered.length,
    next_page_token: hasMore ? String(from + size) : null,
  }
}

export function readVoice(id: string) {
  return describe(findVoice(id))
}

function findVoice(id: string): Voice {
  if (!ID.test(id)) refuse(400, 'invalid_uid', `An invalid ID has been received: '${id}'.`, 'voice_id')
  const voice = VOICES.find((one) => one.id === id && !one.isLegacy)
  if (voice === undefined) refuse(404, 'voice_not_found', `A voice with the voice_id ${id} was not found.`, 'voice_id')
  return voice
}

function describe({ id, name, category, isLegacy, needs }: Voice) {
  return {
    voice_id: id,
    name: `${name} (${STAND_IN_NOTICE})`,
    category,
    is_legacy: isLegacy,
    available_for_tiers: [...TIERS_ABOVE[needs]],
    labels: {},
    settings: null,
    samples: null,
  }
}
