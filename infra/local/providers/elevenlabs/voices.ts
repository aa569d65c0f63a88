import { STAND_IN_NOTICE } from '../stand-in.ts'

/** Voices as an account has them today. */
type Voice = {
  readonly id: string
  readonly name: string
  readonly isLegacy: boolean
  readonly tiers: readonly string[]
}

const VOICES: readonly Voice[] = [
  // Listed, and refused by every call.
  { id: '21m00Tcm4TlvDq8ikWAM', name: 'Rachel', isLegacy: true, tiers: [] },
  { id: 'paidPlanVoice0000001', name: 'For paid plans', isLegacy: false, tiers: ['pro'] },
  { id: 'JBFqnCBsd6RMkjVDRZzb', name: 'George', isLegacy: false, tiers: [] },
  { id: 'EXAVITQu4vr4xnSDxMaL', name: 'Sarah', isLegacy: false, tiers: [] },
]

export type VoiceRefusal = { readonly status: number; readonly code: string; readonly message: string }

/** Why nobody can speak with this voice; undefined where it can be spoken with. */
export function refusalOfVoice(id: string): VoiceRefusal | undefined {
  if (!/^[A-Za-z0-9]{8,40}$/.test(id))
    return { status: 400, code: 'invalid_uid', message: `An invalid ID has been received: '${id}'.` }
  const voice = VOICES.find((one) => one.id === id)
  if (voice === undefined || voice.isLegacy)
    return { status: 404, code: 'voice_not_found', message: `A voice with the voice_id ${id} was not found.` }
  if (voice.tiers.length > 0)
    return { status: 402, code: 'paid_plan_required', message: 'Your plan may not use this voice through the API.' }
  return undefined
}

export function listVoices(): Record<string, unknown>[] {
  return VOICES.map(describe)
}

export function findVoice(id: string): Record<string, unknown> | undefined {
  const voice = VOICES.find((one) => one.id === id && !one.isLegacy)
  return voice && describe(voice)
}

function describe({ id, name, isLegacy, tiers }: Voice): Record<string, unknown> {
  return {
    voice_id: id,
    name: `${name} (${STAND_IN_NOTICE})`,
    category: 'premade',
    is_legacy: isLegacy,
    available_for_tiers: tiers,
    labels: {},
    settings: null,
    samples: null,
  }
}
