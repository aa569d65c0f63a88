const STOP_TIMEOUT_MS = 4000
const PARENT_CHECK_MS = 300

/**
 * Runs `stop` at the first SIGINT or SIGTERM and ends the process: with 0 when it worked, in any case within 5 s. npm
 * puts a shell between itself and us that passes no signal on, so under npm the end of that shell counts as one.
 */
export function stopOnSignals(stop: () => Promise<void>): void {
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
