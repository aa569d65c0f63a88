import { parseArgs } from 'node:util'
import type { ParseArgsOptionsConfig } from 'node:util'

/** What cannot be begun, in one line for whoever typed it. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused'
}

/** Exit code of what was not begun: an unknown option, or a value that cannot be. */
const NOT_BEGUN = 2

/**
 * Runs a command to its exit code, or prints its usage when that is what was asked for.
 * @param usage what `--help` prints
 * @param main returns the exit code, or nothing when the command goes on by itself; it throws CommandRefused before anything was begun
 */
export async function runCommandLine(usage: string, main: () => Promise<number | void> | number | void): Promise<void> {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return
  }
  try {
    process.exitCode = (await main()) ?? process.exitCode
  } catch (error) {
    if (!(error instanceof CommandRefused)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = NOT_BEGUN
  }
}

/**
 * The words of a command line.
 * @param words without the program and its script
 * @throws CommandRefused in one line, when there is an option that is not known, or without its value
 */
export function readWords<Options extends ParseArgsOptionsConfig>(
  words: readonly string[],
  options: Options,
  { allowPositionals = false } = {},
) {
  try {
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals })
    return { values, positionals: [...(positionals as readonly string[])] }
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split(/\.(?: |$)|\n/)
    throw new CommandRefused(`${first}. --help says what there is.`, { cause: error })
  }
}
