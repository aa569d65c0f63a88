import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { ConfigError } from '../../shared/config.ts'
import { CommandRefused, runCommandLine } from '../command-line.ts'
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

/** Runs a command to its exit code; a configuration that is not right is one line, and no stack. */
export function runCommand(usage: string, main: () => Promise<number>): Promise<void> {
  return runCommandLine(usage, async () => {
    try {
      return await main()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      throw new CommandRefused(error.message, { cause: error })
    }
  })
}

/** The project a command is for. @throws CommandRefused */
export function requireProject(project: string | undefined): string {
  const found = project ?? process.env['GOOGLE_CLOUD_PROJECT']
  if (found !== undefined && found !== '') return found
  throw new CommandRefused('Name the project: --project PROJECT. --help says what there is.')
}
