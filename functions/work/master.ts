import { master } from '../../shared/episodes/workers/master.ts'
import { serveStep } from '../serve-step.ts'

export default serveStep('master', master)
