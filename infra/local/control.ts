import * as z from 'zod'

import { FUNCTIONS } from '../../functions/functions.ts'
import { HttpError } from '../../shared/http/http-error.ts'
import { Fault, TARGETS } from './faults.ts'
import type { Faults, Target } from './faults.ts'
import type { Control } from './gateway.ts'
import { LOCAL_SCHEDULER_ACCOUNT, LOCAL_TASKS_ACCOUNT } from './identity.ts'
import type { Identity } from './identity.ts'
import type { Journal } from './journal.ts'
import type { WorkLog } from './providers/stand-in.ts'
import type { Dispatcher } from './tasks/dispatcher.ts'

const TokenQuery = z.object({
  user: z.string().min(1).max(128).default('alice'),
  role: z.string().max(64).optional(),
  plan: z.string().max(64).optional(),
  as: z.enum(['user', 'tasks', 'scheduler']).default('user'),
  audience: z.url().optional(),
})
const Episode = z.object({ episodeId: z.string().min(1) })
const Redeliver = z.object({ task: z.string().min(1) })

/** The control routes under `/__local/`: tokens, faults, the journal, what was charged, redelivery. Never part of a deployment. */
export function controlRoutes(parts: {
  identity: Identity
  faults: Faults
  journal: Journal
  dispatcher: Dispatcher
  work: WorkLog
  functionsBaseUrl: string
}): Control {
  const { identity, faults, journal, dispatcher, work } = parts
  return async (method, url, body) => {
    const [, , route = '', argument] = url.pathname.split('/')
    const query = Object.fromEntries(url.searchParams)
    switch (`${method} ${route}`) {
      case 'GET token':
        return { status: 200, json: { token: await token(parse(TokenQuery, query)) } }
      case 'GET jwks':
        return { status: 200, json: await identity.jwks() }
      case 'GET faults':
        return { status: 200, json: { faults: faults.list() } }
      case 'PUT faults': {
        const target = readTarget('PUT /__local/faults/<target>', argument)
        await faults.set(target, parse(Fault, await body()))
        return { status: 204 }
      }
      case 'DELETE faults':
        await faults.clear(argument === undefined ? undefined : readTarget('DELETE /__local/faults/<target>', argument))
        return { status: 204 }
      case 'GET journal': {
        const target = readTarget('GET /__local/journal?target=<target>', query['target'])
        return { status: 200, json: { requests: journal.of(target) } }
      }
      case 'DELETE journal':
        journal.clear()
        return { status: 204 }
      case 'GET charges':
        return { status: 200, json: { charges: work.readCharges(parse(Episode, query).episodeId) } }
      case 'POST redeliver':
        return redeliver(parse(Redeliver, await body()).task)
      default:
        throw new HttpError('not_found', { technical: `There is no control route ${method} ${url.pathname}` })
    }
  }

  async function token({ user, role, plan, as, audience }: z.infer<typeof TokenQuery>): Promise<string> {
    if (as === 'user') return identity.userToken(user, role, undefined, plan)
    const account = as === 'tasks' ? LOCAL_TASKS_ACCOUNT : LOCAL_SCHEDULER_ACCOUNT
    const fallback = `${parts.functionsBaseUrl}/${Object.keys(FUNCTIONS)[0]}`
    return identity.serviceToken(account, audience ?? fallback)
  }

  async function redeliver(id: string): Promise<{ status: number; json: unknown }> {
    const found = dispatcher.findTask(id)
    if (found === undefined) throw new HttpError('not_found', { technical: 'There is no such task' })
    return { status: 200, json: { status: await dispatcher.deliverNow(found.queue, found.task) } }
  }
}

/** @param place where the target is said */
function readTarget(place: string, said: string | undefined): Target {
  const target = TARGETS.find((one) => one === said)
  if (target !== undefined) return target
  throw new HttpError('validation_error', {
    technical: `${place}: expected one of ${TARGETS.join(', ')}`,
    details: { targets: TARGETS },
  })
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new HttpError('validation_error', {
    technical: `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'not valid'}`,
  })
}
