import type { ProviderName } from '../../../shared/providers/providers.ts'
import { assemblyai } from './assemblyai/stand-in.ts'
import { auphonic } from './auphonic/stand-in.ts'
import { elevenlabs } from './elevenlabs/stand-in.ts'
import { gemini } from './gemini/stand-in.ts'
import type { StandIn } from './stand-in.ts'

/** The stand-in of every provider. */
export const STAND_INS = { assemblyai, auphonic, elevenlabs, gemini } satisfies Record<ProviderName, StandIn>
