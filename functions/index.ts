import { processConfiguration } from '../shared/dependencies/config.ts'
import { STEP_NAMES } from '../shared/podcast/pipeline.ts'
import { CALLING_PROVIDER_NAMES } from '../shared/providers/providers.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { refuseUnguarded, serveInFrontOfFramework } from '../shared/http/framework/serve-in-front.ts'
import { errorFields, log } from '../shared/telemetry/log.ts'
import { keepSecret } from '../shared/telemetry/redact.ts'
import { entryPoint, FUNCTIONS } from './functions.ts'
import type { FunctionName } from './functions.ts'

type Loader = () => Promise<{ default: Serve }>

/** How each function is loaded. An instance serves one of them, and loads no other. */
const LOADERS: Record<FunctionName, Loader> = {
  'episodes-create': () => import('./episodes/create.ts'),
  'episodes-upload': () => import('./episodes/upload.ts'),
  'episodes-upload-url': () => import('./episodes/upload-url.ts'),
  'episodes-transcript': () => import('./episodes/transcript.ts'),
  'episodes-process': () => import('./episodes/process.ts'),
  'episodes-get': () => import('./episodes/get.ts'),
  'episodes-list': () => import('./episodes/list.ts'),
  'episodes-retry': () => import('./episodes/retry.ts'),
  'episodes-cancel': () => import('./episodes/cancel.ts'),
  'episodes-delete': () => import('./episodes/delete.ts'),
  'usage-get': () => import('./usage/get.ts'),
  ...loadersOf(STEP_NAMES, 'work', async (step) => (await import('./serve-step.ts')).serveStep(step)),
  ...loadersOf(CALLING_PROVIDER_NAMES, 'hooks', async (name) =>
    (await import('./serve-webhook.ts')).serveWebhook(name),
  ),
  'ops-live': () => import('./ops/live.ts'),
  'ops-health': () => import('./ops/health.ts'),
  'ops-sweep': () => import('./ops/sweep.ts'),
  'ops-breakers': () => import('./ops/breakers.ts'),
}

/** One loader for each of a family of functions that are served alike. */
function loadersOf<Name extends string, Family extends string>(
  names: readonly Name[],
  family: Family,
  load: (name: Name) => Promise<Serve>,
): Record<`${Family}-${Name}`, Loader> {
  const loaders = names.map((name) => [`${family}-${name}`, async () => ({ default: await load(name) })])
  return Object.fromEntries(loaders) as ReturnType<typeof loadersOf<Name, Family>>
}

const target = process.env['FUNCTION_TARGET']
const row = Object.values(FUNCTIONS).find(({ name }) => entryPoint(name).path === target)
// A configuration that cannot work stops the start, with the names of the variables at fault.
const { providers, webhookSecrets } = processConfiguration(row?.secrets)
keepSecret([...Object.values(providers).map(({ apiKey }) => apiKey), ...webhookSecrets])

const loader = Object.entries(LOADERS).find(([name]) => name === row?.name)?.[1]
if (loader === undefined) throw new Error(`FUNCTION_TARGET names no function: ${target ?? '(not set)'}`)
// Loading begins now and is awaited by the first request: the emulator cannot load a module that awaits at its top
// level.
const loading = loader()
loading.catch((error: unknown) => {
  log('CRITICAL', 'function.not_loaded', { function: target, error: errorFields(error) })
  process.exit(1)
})
serveInFrontOfFramework(async (request, response, arrival) => (await loading).default(request, response, arrival))

const [folder = '', exported = ''] = (target ?? '').split('.')
const served = { [folder]: { [exported]: refuseUnguarded } }

/**
 * The platform looks its function up as `folder.name`; all but the one of this instance stay undefined. What it finds
 * refuses: requests are served in front of the framework, before it would call anything.
 */
export const episodes = served['episodes']
export const usage = served['usage']
export const work = served['work']
export const hooks = served['hooks']
export const ops = served['ops']
