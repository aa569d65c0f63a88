import { transcribe } from '../../shared/episodes/workers/transcribe.ts'
import { serveStep } from '../serve-step.ts'

export default await serveStep('transcribe', transcribe)
