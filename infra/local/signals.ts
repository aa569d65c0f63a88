const STOP_TIMEOUT_MS = 4000
const PARENT_CHECK_MS = 300

/**
 * Does a command's work until it is done, or until the command is told to stop: what fails from then on is what was asked
 * for.
 * @param stop ends what the work has begun, as far as it has come
 * @param work is told whether it was stopped meanwhile
 * @returns what the work returns; undefined when it failed after it was stopped
 */
export async function untilStopped<T>(
  stop: () => Promise<void>,
  work: (isStopped: () => boolean) => Promise<T>,
): Promise<T | undefined> {
  let isStopped = false
  stopOnSignals(() => {
    isStopped = true
    return stop()
  })
  try {
    return await work(() => isStopped)
  } catch (error) {
    if (!isStopped) throw error
    return undefined
  }
}

/**
 * Runs `stop` at the first SIGINT or SIGTERM and ends the process: with 0 when it worked, in any case within 5 s. npm
 * puts a shell between itself and us that passes no signal on, so under npm the end of that shell counts as one.
 */
function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false
  const end = () => {
    if (stopping) return
    stopping = true
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  if (process.env['npm_lifecycle_event'] === undefined) return
  const parent = process.ppid
  setInterval(() => process.ppid === parent || end(), PARENT_CHECK_MS).unref()
}
