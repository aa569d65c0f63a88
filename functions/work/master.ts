import { ffmpegProgram } from '../../shared/audio/ffmpeg.ts'
import { master } from '../../shared/episodes/workers/master.ts'
import { workDependencies } from '../../shared/dependencies/work.ts'
import { serveStep } from '../serve-step.ts'

// An instance that could not master without its provider does not start.
ffmpegProgram(workDependencies().config.ffmpegPath)

export default serveStep('master', master)
