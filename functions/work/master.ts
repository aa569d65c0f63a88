import { ffmpegProgram } from '../../shared/audio/ffmpeg.ts'
import { master } from '../../shared/episodes/workers/master.ts'
import { dependencies } from '../../shared/dependencies/dependencies.ts'
import { serveStep } from '../serve-step.ts'

// An instance that could not master without its provider does not start.
ffmpegProgram(dependencies().config.ffmpegPath)

export default await serveStep('master', master)
