import { STAND_IN_NOTICE } from '../stand-in.ts'

type Model = { readonly id: string; readonly charactersMax: number; readonly costFactor: number }

/** Longest texts by https://help.elevenlabs.io/hc/en-us/articles/19572237925521; that of v3 is published nowhere. */
const MODELS: readonly Model[] = [
  { id: 'eleven_multilingual_v2', charactersMax: 10_000, costFactor: 1 },
  { id: 'eleven_v3', charactersMax: 5_000, costFactor: 1 },
  { id: 'eleven_flash_v2_5', charactersMax: 40_000, costFactor: 0.5 },
  { id: 'eleven_turbo_v2_5', charactersMax: 40_000, costFactor: 0.5 },
]
export const MODEL_DEFAULT = 'eleven_multilingual_v2'

export function findModel(id: string): Model | undefined {
  return MODELS.find((model) => model.id === id)
}

export function listModels() {
  return MODELS.map(describe)
}

function describe({ id, charactersMax, costFactor }: Model) {
  return {
    model_id: id,
    name: id,
    can_be_finetuned: false,
    can_do_text_to_speech: true,
    can_do_voice_conversion: false,
    can_use_style: true,
    can_use_speaker_boost: true,
    serves_pro_voices: false,
    token_cost_factor: costFactor,
    description: STAND_IN_NOTICE,
    requires_alpha_access: false,
    max_characters_request_free_user: charactersMax,
    max_characters_request_subscribed_user: charactersMax,
    maximum_text_length_per_request: charactersMax,
    languages: [{ language_id: 'en', name: 'English' }],
    model_rates: { character_cost_multiplier: costFactor },
    concurrency_group: 'standard',
  }
}
