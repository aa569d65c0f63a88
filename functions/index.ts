import { loadConfig } from '../shared/config.ts'
import type { HttpFunction } from '../shared/http/endpoint.ts'
import { takeBodiesFromFramework } from '../shared/http/intake.ts'
import { entryPoint } from './functions.ts'
import type { FunctionName } from './functions.ts'

/** How each function is loaded. An instance serves one of them, and loads no other. */
const LOADERS: Record<FunctionName, () => Promise<{ default: HttpFunction }>> = {
  'episodes-create': () => import('./episodes/create.ts'),
  'episodes-upload': () => import('./episodes/upload.ts'),
  'episodes-upload-url': () => import('./episodes/upload-url.ts'),
  'episodes-process': () => import('./episodes/process.ts'),
  'episodes-get': () => import('./episodes/get.ts'),
  'episodes-list': () => import('./episodes/list.ts'),
  'episodes-retry': () => import('./episodes/retry.ts'),
  'episodes-cancel': () => import('./episodes/cancel.ts'),
  'episodes-delete': () => import('./episodes/delete.ts'),
  'work-transcribe': () => import('./work/transcribe.ts'),
  'work-write': () => import('./work/write.ts'),
  'work-voice': () => import('./work/voice.ts'),
  'work-master': () => import('./work/master.ts'),
  'work-finish': () => import('./work/finish.ts'),
  'hooks-assemblyai': () => import('./hooks/assemblyai.ts'),
  'hooks-auphonic': () => import('./hooks/auphonic.ts'),
  'ops-live': () => import('./ops/live.ts'),
}

takeBodiesFromFramework()
// A configuration that cannot work stops the start, with the names of the variables at fault.
loadConfig(process.env)

const target = process.env['FUNCTION_TARGET']
const loader = Object.entries(LOADERS).find(([name]) => entryPoint(name).path === target)?.[1]
if (loader === undefined) throw new Error(`FUNCTION_TARGET names no function: ${target ?? '(not set)'}`)
// Loading begins now and is awaited by the first request: the emulator cannot load a module that awaits at its top
// level. A function that does not load ends the process, as an unhandled rejection.
const loading = loader()
const handler: HttpFunction = async (request, response) => (await loading).default(request, response)
const [folder = '', name = ''] = (target ?? '').split('.')
const served: Record<string, Record<string, HttpFunction>> = { [folder]: { [name]: handler } }

/** The platform looks its function up as `folder.name`; all but the one of this instance stay undefined. */
export const episodes = served['episodes']
export const work = served['work']
export const hooks = served['hooks']
export const ops = served['ops']
