import type { LocalRequest } from '../../http-service.ts'
import { refuse } from './refusals.ts'

const PERMISSIONS = ['text_to_speech', 'speech_to_text', 'voices_read', 'models_read', 'user_read'] as const
export type Permission = (typeof PERMISSIONS)[number]
/** Plans from the least to the most. */
const TIERS = ['free', 'starter', 'creator', 'pro'] as const
export type Tier = (typeof TIERS)[number]

/** Whose key was brought, and what has been used of the plan. */
export type Account = {
  readonly tier: Tier
  readonly characterLimit: number
  readonly permissions: readonly Permission[]
  charactersUsed: number
}

/**
 * The accounts behind a key: the key itself is of a creator, and with these ends it is of somebody else. `-free`: the
 * smallest plan. `-spent`: nothing is left. `-speech`, `-ears`: the key may speak, or listen, and nothing beside.
 */
export function makeAccounts(apiKey: string): ReadonlyMap<string, Account> {
  const creator = { tier: 'creator', characterLimit: 100_000, permissions: PERMISSIONS, charactersUsed: 0 } as const
  return new Map<string, Account>([
    [apiKey, { ...creator }],
    [`${apiKey}-free`, { ...creator, tier: 'free', characterLimit: 10_000 }],
    [`${apiKey}-spent`, { ...creator, charactersUsed: creator.characterLimit }],
    [`${apiKey}-speech`, { ...creator, permissions: ['text_to_speech'] }],
    [`${apiKey}-ears`, { ...creator, permissions: ['speech_to_text'] }],
  ])
}

/** The account of a request whose key may do this; else it is refused. */
export function accountOf(
  accounts: ReadonlyMap<string, Account>,
  { headers }: LocalRequest,
  permission: Permission,
): Account {
  const account = accounts.get(String(headers['xi-api-key'] ?? ''))
  if (account === undefined) refuse(401, 'invalid_api_key', 'Invalid API key')
  if (account.permissions.includes(permission)) return account
  refuse(
    401,
    'missing_permissions',
    `The API key you used is missing the permission ${permission} to execute this operation.`,
  )
}

export function hasTier({ tier }: Account, needed: Tier): boolean {
  return TIERS.indexOf(tier) >= TIERS.indexOf(needed)
}

/** The plan as `/v1/user` has it. */
function planOf({ tier, charactersUsed, characterLimit }: Account) {
  return {
    tier,
    character_count: charactersUsed,
    character_limit: characterLimit,
    max_character_limit_extension: null,
    max_credit_limit_extension: 0,
    can_extend_character_limit: false,
    allowed_to_extend_character_limit: false,
    next_character_count_reset_unix: Math.floor(Date.now() / 1000) + 30 * 86_400,
    voice_slots_used: 1,
    professional_voice_slots_used: 0,
    professional_voice_slots_used_in_workspace: 0,
    voice_limit: 30,
    max_voice_add_edits: null,
    voice_add_edit_counter: 0,
    professional_voice_limit: 1,
    can_extend_voice_limit: false,
    can_use_instant_voice_cloning: true,
    can_use_professional_voice_cloning: true,
    currency: 'usd' as const,
    current_overage: { amount: '0', currency: 'usd' as const },
    status: tier === 'free' ? ('free' as const) : ('active' as const),
    billing_period: 'monthly_period' as const,
    character_refresh_period: 'monthly_period' as const,
  }
}

/** The plan as `/v1/user/subscription` has it. */
export function subscriptionOf(account: Account) {
  return { ...planOf(account), next_invoice: null, open_invoices: [], has_open_invoices: false }
}

export function userOf(account: Account) {
  return {
    user_id: 'stand-in',
    workspace_id: 'stand-in',
    subscription: planOf(account),
    is_new_user: false,
    can_use_delayed_payment_methods: false,
    is_onboarding_completed: true,
    is_onboarding_checklist_completed: true,
    created_at: 1_700_000_000,
    seat_type: 'workspace_admin' as const,
  }
}
