import { serveStep } from '../serve-step.ts'

export default await serveStep('voice')
