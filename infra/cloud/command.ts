import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { ConfigError } from '../../shared/config.ts'
import { deploymentOf } from './deployment.ts'
import type { Deployment } from './deployment.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** What is to be deployed to a project, by its `.env.PROJECT` and the environment. @throws ConfigError */
export function readDeployment(project: string, region: string | undefined): Deployment {
  const path = `${ROOT}.env.${project}`
  const file = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  return deploymentOf({ project, region, file, environment: process.env })
}

/** Runs a command to its exit code; a configuration that is not right is a message, and no stack. */
export async function runCommand(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
