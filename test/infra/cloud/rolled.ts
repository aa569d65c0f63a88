import { openClients } from '../../../infra/cloud/clients.ts'
import type { Step } from '../../../infra/cloud/reconcile.ts'
import { observing } from '../../../infra/cloud/rollout/observe.ts'
import { rollOut, STAGES } from '../../../infra/cloud/rollout/rolling-out.ts'
import type { Ended } from '../../../infra/cloud/rollout/rolling-out.ts'
import { traffic } from '../../../infra/cloud/rollout/traffic.ts'
import { deployment, PROJECT, rehearse, sourceOf } from './rehearsal.ts'
import { SimulatedFleet } from './simulated-fleet.ts'
import type { Behaviour } from './simulated-fleet.ts'

type Rolled = {
  ended: Ended
  said: string[]
  shareInTheEnd: number
  sharesSeen: number[]
  minutes: number
  /** What a plan of the same source finds afterwards. */
  leftToDo: Step[]
  /** Whether a plain deployment is let do anything afterwards, and the share of the new revisions after it. */
  deployed: boolean
  shareAfterDeployment: number
}

/** A rollout from beginning to end: deployed, pinned, deployed without traffic, shifted and watched. */
export async function rolled(behaviour: Behaviour, { seed = 1, load = 1 } = {}): Promise<Rolled> {
  const fleet = new SimulatedFleet(seed, behaviour, load)
  const project = await rehearse(fleet.telemetry)
  const clients = await openClients(PROJECT, project.server)
  try {
    await project.run('apply')
    fleet.serve(project.state)
    await fleet.sleep(70 * 60_000)
    const split = traffic(clients, deployment())
    await split.pin()
    await project.run('apply', { candidate: true, source: sourceOf('two') })
    const sharesSeen = [fleet.share]
    const said: string[] = []
    const beganMs = fleet.nowMs
    const ended = await rollOut(
      {
        traffic: split,
        observe: observing(clients, PROJECT),
        now: () => fleet.nowMs,
        sleep: async (ms) => {
          if (fleet.share !== sharesSeen.at(-1)) sharesSeen.push(fleet.share)
          await fleet.sleep(ms)
        },
        say: (line) => said.push(line),
      },
      STAGES,
    )
    const minutes = (fleet.nowMs - beganMs) / 60_000
    const leftToDo = (await project.run('plan', { source: sourceOf('two') })).steps
    const shareInTheEnd = fleet.share
    const { complete: deployed } = await project.run('apply', { source: sourceOf('two') })
    const shareAfterDeployment = fleet.share
    return { ended, said, shareInTheEnd, sharesSeen, minutes, leftToDo, deployed, shareAfterDeployment }
  } finally {
    await clients.close()
    await project.stop()
  }
}
