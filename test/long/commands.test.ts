import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, test } from 'vitest'

import { ApiClient } from '../../infra/demo/api-client.ts'
import { descendantsOf, isAlive } from '../shared/processes.ts'

/** The commands of the README, as a person types them. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

type Run = { child: ChildProcess; output: () => string; exit: Promise<number | null> }

function command(script: string, args: string[] = [], environment: Record<string, string> = {}, cwd = root): Run {
  const child = spawn(process.execPath, [join(cwd, script), ...args], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return watched(child)
}

function watched(child: ChildProcess): Run {
  running.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, output: () => text, exit: new Promise((resolve) => child.once('exit', resolve)) }
}

async function origin({ output }: Run): Promise<string> {
  await expect.poll(output, { timeout: 60_000 }).toMatch(/^ready http/m)
  return /^ready (\S+)$/m.exec(output())?.[1] ?? ''
}

/** Whether anybody still answers there. */
async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  )
}

describe('npm start', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'comes up part by part, and stops at %s within 5 s, functions and all',
    async (signal) => {
      const run = command('infra/local/start.ts', [], { PORT: '0' })
      const base = await origin(run)
      for (const part of [
        'identity',
        'firestore',
        'storage',
        'tasks and scheduler',
        'assemblyai',
        'gemini',
        'elevenlabs',
        'auphonic',
        'functions',
      ])
        expect(run.output()).toMatch(new RegExp(`^${part} `, 'm'))
      expect(run.output()).toMatch(/^kept +nothing: all that is stored is gone when it stops/m)
      expect((await fetch(`${base}/ops-live`)).status).toBe(200)
      const storage = /^storage +(\S+)/m.exec(run.output())?.[1] ?? ''
      const startedAtMs = Date.now()
      run.child.kill(signal)
      expect(await run.exit).toBe(0)
      expect(Date.now() - startedAtMs).toBeLessThan(5000)
      expect([await answers(base), await answers(storage)]).toEqual([false, false])
    },
  )

  test('stops as well when it is npm that is told to', async () => {
    const child = spawn('npm', ['start'], {
      cwd: root,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const run = watched(child)
    const base = await origin(run)
    expect((await fetch(`${base}/ops-live`)).status).toBe(200)
    child.kill('SIGTERM')
    await run.exit
    await expect.poll(() => answers(base), { timeout: 5000 }).toBe(false)
  })

  test('leaves no function behind even when it is killed', async () => {
    const run = command('infra/local/start.ts', [], { PORT: '0' })
    const base = await origin(run)
    expect((await fetch(`${base}/ops-live`)).status).toBe(200)
    const children = descendantsOf(run.child.pid ?? 0)
    expect(children.length).toBeGreaterThan(0)
    run.child.kill('SIGKILL')
    await run.exit
    await expect.poll(() => children.filter(isAlive), { timeout: 60_000 }).toEqual([])
  })
})

describe('npm start -- --keep', () => {
  /** The project in a folder of its own, so that what is kept in this one is left alone. */
  function copyProject(): string {
    const copy = realpathSync(mkdtempSync(join(tmpdir(), 'commands-')))
    for (const part of ['functions', 'infra', 'shared', 'package.json'])
      cpSync(join(root, part), join(copy, part), { recursive: true })
    symlinkSync(realpathSync(join(root, 'node_modules')), join(copy, 'node_modules'))
    return copy
  }

  test('has what was stored when it is started again, stopped or killed', async () => {
    const copy = copyProject()
    const starting = () => command('infra/local/start.ts', ['--keep'], { PORT: '0' }, copy)
    const clientAt = async (base: string) => {
      const { token } = (await (await fetch(`${base}/__local/token`)).json()) as { token: string }
      return new ApiClient(base, token)
    }
    const titles: string[] = []
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
      const run = starting()
      const client = await clientAt(await origin(run))
      expect(run.output()).toMatch(/^kept +\.steadycast\/kept/m)
      expect((await client.list()).episodes.map(({ title }) => title).toSorted()).toEqual(titles)
      titles.push((await client.create({ title: `${titles.length}` })).title)
      run.child.kill(signal)
      await run.exit
    }
    rmSync(copy, { recursive: true })
  })

  test('is refused with a Firestore that it does not keep, and by the emulators', async () => {
    const official = command('infra/local/start.ts', ['--keep', '--firestore=official'], { PORT: '0' })
    expect(await official.exit).toBe(2)
    expect(official.output()).toMatch(/^--keep: only the embedded Firestore is kept.*\n$/)
    const emulators = command('infra/local/emulators.ts', ['--keep'], { PORT: '0' })
    expect(await emulators.exit).toBe(2)
    expect(emulators.output()).toMatch(/^Unknown option '--keep'.*\n$/)
  })
})

describe('npm start that cannot be', () => {
  test.each([
    ['PORT', 'abc', /^PORT: expected a whole number/],
    ['INSTANCES', '0', /^INSTANCES: expected a whole number/],
    ['LOCAL_SCHEDULES', 'no', /^LOCAL_SCHEDULES: expected on or off/],
    ['SLOW_REQUEST_THRESHOLD_SECONDS', 'abc', /^Configuration: SLOW_REQUEST_THRESHOLD_SECONDS: /],
    ['BREAKER_GEMINI_RECOVERY_SECONDS', '-1', /^Configuration: BREAKER_GEMINI_RECOVERY_SECONDS: /],
    ['FIRESTORE_EMULATOR_HOST', 'nothere', /^FIRESTORE_EMULATOR_HOST: expected host:port/],
    ['FIRESTORE_EMULATOR_HOST', '127.0.0.1:1', /^No Firestore emulator answers at 127\.0\.0\.1:1 /],
  ])('because of %s=%s says so in a line, starts nothing, and exits with 2', async (name, value, words) => {
    const run = command('infra/local/start.ts', [], { PORT: '0', [name]: value })
    expect(await run.exit).toBe(2)
    expect(run.output()).toMatch(words)
    expect(run.output().trim().split('\n')).toHaveLength(1)
  })

  test('because Google’s Firestore emulator is not installed says so in a line', async () => {
    const run = command('infra/local/start.ts', ['--firestore=official'], { PORT: '0', PATH: '' })
    expect(await run.exit).toBe(2)
    expect(run.output()).toMatch(/^--firestore=official: Google's emulator cannot run here: the gcloud CLI .*\n$/)
  })

  test('because of a busy port, or of another in this folder, says which', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => busy.once('listening', resolve))
    const { port } = busy.address() as AddressInfo
    const late = command('infra/local/start.ts', [], { PORT: String(port) })
    expect(await late.exit).toBe(2)
    expect(late.output()).toMatch(new RegExp(`^PORT: ${port} cannot be listened on .*\n$`))
    await new Promise((resolve) => busy.close(resolve))
    const first = command('infra/local/start.ts', [], { PORT: '0' })
    await origin(first)
    const second = command('infra/local/start.ts', [], { PORT: '0' })
    expect(await second.exit).toBe(2)
    expect(second.output()).toMatch(
      new RegExp(`^Another npm start runs in this folder \\(process ${first.child.pid}\\)`),
    )
    first.child.kill('SIGTERM')
    expect(await first.exit).toBe(0)
  })
})

describe('npm run emulators that cannot be', () => {
  test('because of a setting or a busy port says so in a line, starts nothing, and exits with 2', async () => {
    const script = 'infra/local/emulators.ts'
    const wrong = command(script, [], { PORT: '0', SLOW_REQUEST_THRESHOLD_SECONDS: 'abc' })
    expect(await wrong.exit).toBe(2)
    expect(wrong.output()).toMatch(/^Configuration: SLOW_REQUEST_THRESHOLD_SECONDS: .*\n$/)
    const busy = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => busy.once('listening', resolve))
    const { port } = busy.address() as AddressInfo
    const late = command(script, [], { PORT: String(port) })
    expect(await late.exit).toBe(2)
    expect(late.output()).toMatch(new RegExp(`^PORT: ${port} cannot be listened on .*\n$`))
    await new Promise((resolve) => busy.close(resolve))
  })
})

describe('npm run demo', () => {
  const stops = async (child: ChildProcess, signal: 'SIGINT' | 'SIGTERM', moment: string) => {
    const run = watched(child)
    await expect.poll(run.output, { timeout: 240_000 }).toContain(moment)
    // As a terminal does it: everybody hears of it.
    process.kill(-(child.pid ?? 0), signal)
    await run.exit
    return run.output()
  }
  const demo = () =>
    spawn(process.execPath, [join(root, 'infra/demo/demo.ts')], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  test.each([
    ['while it starts', 'SIGINT', 'Starting the local cloud'],
    ['while it starts', 'SIGTERM', 'Starting the local cloud'],
    ['at its work', 'SIGINT', 'uploading'],
  ] as const)('that is told to stop %s does so without a word (%s)', async (_when, signal, moment) => {
    const output = await stops(demo(), signal, moment)
    // What starts goes on saying so until it is stopped, and nothing else comes after.
    const after = output.slice(output.indexOf(moment)).trimEnd().split('\n').slice(1)
    expect(after.filter((line) => !/^(?: {2}\S|Starting |Rehearsing )/.test(line))).toEqual([])
  })
})
