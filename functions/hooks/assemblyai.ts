import { serveHook } from '../serve-hook.ts'

export default serveHook('assemblyai')
