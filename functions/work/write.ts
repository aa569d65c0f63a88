import { write } from '../../shared/episodes/workers/write.ts'
import { serveStep } from '../serve-step.ts'

export default await serveStep('write', write)
