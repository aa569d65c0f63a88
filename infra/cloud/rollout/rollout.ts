import { createInterface } from 'node:readline/promises'

import { CommandRefused, readWords } from '../../command-line.ts'
import { openClients } from '../clients.ts'
import { readDeployment, requireProject, runCommand, say } from '../command.ts'
import { deploying } from '../deploying.ts'
import { packSource } from '../source.ts'
import { observing } from './observe.ts'
import { goBack, rollOut, STAGES } from './rolling-out.ts'
import type { Ended } from './rolling-out.ts'
import { notProven } from './staging.ts'
import { traffic } from './traffic.ts'

const USAGE = `Usage: npm run rollout -- --project PROJECT --to 10|50|100 (--staging STAGING | --skip-staging) [--auto] [--region REGION]
npm run rollout -- --project PROJECT --back

  --to            through each stage up to this one; each is watched for 15 minutes and 500 requests, and goes back by itself
  --auto          goes on to the next stage without asking
  --staging       the project in which this source has run for 24 hours
  --skip-staging  without one
  --back          all traffic to the old revisions`

/** How it ended, as an exit code: done, back, held. */
const EXIT: Record<Ended['kind'], number> = { done: 0, back: 1, held: 3 }

/** `npm run rollout`: new revisions without traffic, then with more and more of it. */
async function main(): Promise<number> {
  const { values } = readWords(process.argv.slice(2), {
    project: { type: 'string' },
    region: { type: 'string' },
    to: { type: 'string' },
    staging: { type: 'string' },
    'skip-staging': { type: 'boolean' },
    auto: { type: 'boolean' },
    back: { type: 'boolean' },
  })
  const project = requireProject(values.project)
  const { staging } = values
  const to = STAGES.find((stage) => String(stage) === values.to)
  if (to === undefined && !values.back)
    throw new CommandRefused('Say how far: --to 10, 50 or 100, or --back. --help says what there is.')
  const deployment = readDeployment(project, values.region)
  const clients = await openClients(project)
  try {
    const split = traffic(clients, deployment)
    if (to === undefined) {
      await goBack({ traffic: split, say }, 'somebody asked for it')
      return 0
    }
    const source = await packSource(deployment.region)
    if (!values['skip-staging'] && !(await isProven(staging, deployment.region, source.hash))) return 1
    await split.pin()
    if (!(await deploying({ deployment, mode: 'apply', source, candidate: true, say })).complete) return 1
    const reached = Math.max(...(await split.splits()).map((one) => (one.old === one.new ? 0 : one.percent)))
    const dependencies = {
      traffic: split,
      observe: observing(clients, project),
      now: Date.now,
      sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
      say,
      ...(!values.auto && { mayGoOn: askToGoOn }),
    }
    const ended = await rollOut(
      dependencies,
      STAGES.filter((stage) => stage > reached && stage <= to),
    )
    return EXIT[ended.kind]
  } finally {
    await clients.close()
  }
}

async function isProven(staging: string | undefined, region: string, hash: string): Promise<boolean> {
  if (staging === undefined) {
    say('name the project in which this source has run for 24 hours (--staging), or say --skip-staging')
    return false
  }
  const clients = await openClients(staging)
  try {
    const problems = await notProven(clients, { project: staging, region }, hash, Date.now())
    for (const problem of problems) say(problem)
    return problems.length === 0
  } finally {
    await clients.close()
  }
}

async function askToGoOn(stage: number): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await lines.question(`On to ${stage} %? [y/N] `)
  lines.close()
  return answer.trim().toLowerCase() === 'y'
}

await runCommand(USAGE, main)
