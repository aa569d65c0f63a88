import { voice } from '../../shared/episodes/workers/voice.ts'
import { serveStep } from '../serve-step.ts'

export default await serveStep('voice', voice)
