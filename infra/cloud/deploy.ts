import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'

import { readWords } from '../command-line.ts'
import { startControlPlane } from '../local/control-plane/control-plane.ts'
import { ControlPlaneState } from '../local/control-plane/state.ts'
import { readDeployment, requireProject, ROOT, runCommand, say } from './command.ts'
import { deploying } from './deploying.ts'
import type { DeployMode } from './deploying.ts'
import { packSource } from './source.ts'

const REHEARSAL = `${ROOT}.steadycast/control-plane.json`

const USAGE = `Usage: npm run deploy -- --project PROJECT [--region REGION]

  --plan                    says what would change, and changes nothing
  --rotate-webhook-secret   makes a new one; the one before stays good
  --take-traffic            gives new revisions all of the traffic, although a rollout holds it back
  --destroy                 asks, then removes everything but data, keys and queues
  --rehearse                on this machine, against a control plane that remembers in ${REHEARSAL.slice(ROOT.length)}

Settings and keys are read from .env.PROJECT and from the environment (README, "Deploying").`

/** `npm run deploy`: everything that Steadycast is in Google Cloud, made as it must be, as often as it is run. */
async function main(): Promise<number> {
  const { values } = readWords(process.argv.slice(2), {
    project: { type: 'string' },
    region: { type: 'string' },
    plan: { type: 'boolean' },
    destroy: { type: 'boolean' },
    rehearse: { type: 'boolean' },
    'rotate-webhook-secret': { type: 'boolean' },
    'take-traffic': { type: 'boolean' },
  })
  const project = requireProject(values.project)
  const deployment = readDeployment(project, values.region)
  const mode: DeployMode = values.plan ? 'plan' : values.destroy ? 'destroy' : 'apply'
  if (mode === 'destroy' && !(await meansIt(project))) return 1
  const rehearsal = values.rehearse ? await startRehearsal(project) : undefined
  try {
    const { complete } = await deploying({
      deployment,
      mode,
      source: await packSource(deployment.region),
      controlPlane: rehearsal?.server,
      rotateWebhookSecret: values['rotate-webhook-secret'] === true,
      takeTraffic: values['take-traffic'] === true,
      say,
    })
    return complete ? 0 : 1
  } finally {
    await rehearsal?.end()
  }
}

async function meansIt(project: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await lines.question(`Type the project's id to remove Steadycast's functions from it: `)
  lines.close()
  return answer.trim() === project
}

/** A control plane of this machine's own, which remembers what was deployed to it. */
async function startRehearsal(project: string) {
  // Nobody is asked for credentials.
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const state = new ControlPlaneState(project, existsSync(REHEARSAL) ? readFileSync(REHEARSAL, 'utf8') : undefined)
  const server = await startControlPlane(state)
  return {
    server,
    async end() {
      await server.stop()
      mkdirSync(`${ROOT}.steadycast`, { recursive: true })
      writeFileSync(REHEARSAL, state.toJson())
    },
  }
}

await runCommand(USAGE, main)
