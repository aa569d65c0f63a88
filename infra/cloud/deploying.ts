import { openClients } from './clients.ts'
import type { ControlPlane } from './clients.ts'
import type { Deployment } from './deployment.ts'
import { desiredResources } from './desired/desired.ts'
import { kindsOf } from './kinds/kinds.ts'
import type { Source } from './kinds/functions.ts'
import { traffic } from './rollout/traffic.ts'
import { apply, destroy, plan } from './reconcile.ts'
import type { Step, Told } from './reconcile.ts'
import { lineOf, outcomeOf, summaryOf } from './words.ts'

export type DeployMode = 'plan' | 'apply' | 'destroy'

export type DeployOptions = {
  deployment: Deployment
  mode: DeployMode
  source: Source
  controlPlane?: ControlPlane | undefined
  /** New revisions get no traffic yet. */
  candidate?: boolean
  rotateWebhookSecret?: boolean
  /** New revisions get all of the traffic, although a rollout holds it back. */
  takeTraffic?: boolean
  /** How often, and how far apart, to try what needs something that was just made. */
  patience?: { triesMax: number; waitMs: number } | undefined
  say: (line: string) => void
}

/** Carries out a deployment, or says what it would do. @returns whether everything is, or would be, as it must be */
export async function deploying(options: DeployOptions): Promise<{ complete: boolean; steps: Step[] }> {
  const { deployment, mode, source, controlPlane, candidate = false, rotateWebhookSecret = false, say } = options
  const { patience, takeTraffic = false } = options
  const clients = await openClients(deployment.project, controlPlane)
  try {
    const kinds = kindsOf(clients, deployment, source, candidate)
    const desired = await desiredResources(deployment, clients, source.hash, rotateWebhookSecret)
    if (mode === 'plan') {
      const steps = await plan(kinds, desired)
      for (const step of steps) say(lineOf(step))
      say(summaryOf(steps))
      return { complete: true, steps }
    }
    if (mode === 'apply' && !candidate && !takeTraffic) {
      const held = await traffic(clients, deployment).listHeld()
      if (held.length > 0) {
        say(
          `a rollout is under way, or was taken back (${held.slice(0, 3).join(', ')}${held.length > 3 ? ', …' : ''}):`,
        )
        say('go on with npm run rollout, or say --take-traffic to give the new revisions all of it at once')
        return { complete: false, steps: [] }
      }
    }
    const steps: Step[] = []
    const tell = (told: Told) => {
      steps.push(told.step)
      say(outcomeOf(told))
    }
    const complete = await (mode === 'apply' ? apply(kinds, desired, tell, patience) : destroy(kinds, desired, tell))
    const done = mode === 'apply' ? 'everything is as it must be' : 'everything is gone but data, keys and queues'
    say(complete ? `${steps.length} done; ${done}` : 'not everything could be done: run this again to go on from here')
    return { complete, steps }
  } finally {
    await clients.close()
  }
}
