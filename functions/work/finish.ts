import { finish } from '../../shared/episodes/workers/finish.ts'
import { serveStep } from '../serve-step.ts'

export default await serveStep('finish', finish)
