import { write } from '../../shared/episodes/workers/write.ts'
import { serveStep } from '../serve-step.ts'

export default serveStep('write', write)
