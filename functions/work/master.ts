import { dependencies } from '../../shared/dependencies/dependencies.ts'
import { ffmpegProgram } from '../../shared/podcast/sound/ffmpeg.ts'
import { serveStep } from '../serve-step.ts'

// An instance that could not master without its provider does not start.
ffmpegProgram(dependencies().config.ffmpegPath)

export default await serveStep('master')
