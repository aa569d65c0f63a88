import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

/**
 * Ends every process that it was told of when what it reads ends, which is when whoever writes to it is gone: it is told
 * `+ PID` and `- PID`, a group by its negative number. What ends us ends it not.
 */
const WATCHER = `
trap '' INT TERM HUP
held=' '
while read -r sign pid; do
  case $sign in
    +) held="$held$pid " ;;
    -) case $held in *" $pid "*) held="\${held%% $pid *} \${held#* $pid }" ;; esac ;;
  esac
done
for pid in $held; do kill -s KILL -- "$pid"; done
`

type Watcher = { tell: (line: string) => void }

const held = new Set<number>()
let watcher: Watcher | undefined

/** Starts a program once a line has come: before that it ends when we do, as nobody could send one. */
const HOLD_BACK = 'read -r line || exit; unset line PWD OLDPWD SHLVL _; exec "$@" < /dev/null'

/**
 * How a program is started so that `tether` has told of it before it runs. Its standard input is empty.
 * @returns a program and its arguments, for a child whose standard input is a pipe
 */
export function holdBack(program: string, args: readonly string[]): [program: string, args: string[]] {
  return ['/bin/sh', ['-c', HOLD_BACK, 'sh', program, ...args]]
}

/**
 * Starts a child process that ends with us, however we end and whatever it is doing: killed, we cannot tell it, and one
 * that computes hears nothing.
 * @param start spawns what `holdBack` returned, or what waits by itself until it is sent its work
 * @param options `group`: the child leads a process group, all of which ends; `heldBack`: it waits for a line on its
 * standard input, which then ends
 * @returns what `start` returned
 */
export function tether<Child extends ChildProcess>(start: () => Child, { group = false, heldBack = true } = {}): Child {
  watcher ??= startWatcher()
  const child = start()
  const { pid, stdin } = child
  if (pid === undefined) return child
  const name = group ? -pid : pid
  held.add(name)
  watcher.tell(`+ ${name}`)
  if (heldBack) stdin?.on('error', () => undefined).end('\n')
  // What a leader leaves behind is still of its group.
  if (!group)
    child.once('exit', () => {
      held.delete(name)
      watcher?.tell(`- ${name}`)
    })
  return child
}

function startWatcher(): Watcher {
  // In a session of its own: an interrupt at a terminal goes to everybody there.
  const child = spawn('/bin/sh', ['-c', WATCHER], { env: {}, stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const { stdin } = child
  stdin.on('error', () => undefined)
  child.on('error', () => undefined)
  child.once('exit', () => (watcher = undefined))
  child.unref()
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
  const tell = (line: string) => void stdin.write(`${line}\n`)
  for (const name of held) tell(`+ ${name}`)
  return { tell }
}
