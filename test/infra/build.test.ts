import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'

import { entryPoint, FUNCTIONS } from '../../functions/functions.ts'
import { functionsYaml } from '../../infra/build/functions-yaml.ts'
import { withTables } from '../../infra/build/readme.ts'
import { requestsTable } from '../../infra/build/requests-table.ts'
import { PROVIDER_KEYS } from '../shared/provider-keys.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

describe('the function table', () => {
  test.each(Object.keys(FUNCTIONS))('%s has a file of its name', (name) => {
    const { folder, file } = entryPoint(name)
    // What these do is said by a step, and by a provider.
    if (folder === 'work') expect(existsSync(`${root}shared/podcast/steps/${file}.ts`)).toBe(true)
    else if (folder === 'hooks') expect(existsSync(`${root}shared/providers/${file}/provider.ts`)).toBe(true)
    else expect(existsSync(`${root}functions/${folder}/${file}.ts`)).toBe(true)
  })

  test('becomes a manifest that leaves nothing to defaults', () => {
    const { endpoints } = JSON.parse(functionsYaml('europe-west1')) as {
      endpoints: Record<string, Record<string, unknown>>
    }
    expect(Object.keys(endpoints)).toEqual(Object.keys(FUNCTIONS))
    expect(endpoints['episodes-upload-url']).toEqual({
      platform: 'gcfv2',
      region: ['europe-west1'],
      entryPoint: 'episodes.uploadUrl',
      availableMemoryMb: 256,
      cpu: 1,
      timeoutSeconds: 60,
      concurrency: 40,
      minInstances: 0,
      maxInstances: 20,
      ingressSettings: 'ALLOW_ALL',
      httpsTrigger: { invoker: ['public'] },
    })
  })

  test('has a place in the README, or the generator says so', () => {
    expect(() => withTables('README.md', 'no tables here')).toThrow(/README.md has no place for the table/)
    expect(() => withTables('shared/README.md', 'none here')).toThrow(/no place for the table "layers"/)
  })
})

describe('the table of what requests may contain', () => {
  const rows = requestsTable()
    .split('\n')
    .slice(2)
    .map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()))

  test('has every function that people and operators send something to', () => {
    const told = rows.flatMap(([, cell = '']) => /`([\w-]+)`/.exec(cell)?.[1] ?? [])
    const called = Object.values(FUNCTIONS).filter(({ caller }) => ['user', 'admin', 'scheduler'].includes(caller))
    expect(told.toSorted()).toEqual(called.map(({ name }) => name).toSorted())
  })

  test('says of every field what it is, what it may be, and what counts without it', () => {
    expect(rows.filter(([, , field, type, , what]) => field !== 'none' && (!type || !what))).toEqual([])
    expect(rows).toContainEqual([
      '',
      '`episodes-create` (body)',
      '`title`',
      'text, 1 to 200 characters',
      '`"Untitled episode"`',
      expect.any(String),
      '',
    ])
    expect(rows).toContainEqual([
      '',
      '`episodes-list` (query)',
      '`pageSize`',
      'whole number, 1 to 100',
      '`20`',
      expect.any(String),
      '',
    ])
    expect(rows.map(([, , field]) => field)).toContain('`options.intro.text`')
  })
})

describe('what is written about the code', () => {
  const pages = globSync(['*.md', '{functions,shared,infra,test}/**/*.md'], {
    cwd: root,
    exclude: (name) => name === 'node_modules',
  })
  /** Files and folders as prose names them; what follows `NAME/` is made by the reader. */
  const PATH = /^(?!dist\/|application\/|audio\/|\.steadycast\/)[\w.-]+\/[\w./-]*$|^[\w-]+\.ts$/

  test('is found', () => expect(pages.length).toBeGreaterThan(8))

  test.each(pages)('%s names only files that are there', (page) => {
    const named = [...readFileSync(`${root}${page}`, 'utf8').matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name)
    const bases = [root, `${root}shared/`, `${root}${dirname(page)}/`]
    const lost = named.filter(
      (name) => PATH.test(name) && !name.includes('NAME') && !bases.some((base) => existsSync(base + name)),
    )
    expect(lost).toEqual([])
  })
})

/** What the function itself logs is beside it. */
const MARK = 'modules: '

/** Loads the deploy entry as an instance does, waits for its function, and tells which modules that took. */
async function modulesOf(target: string): Promise<string[]> {
  const [folder = '', name = ''] = target.split('.')
  const loaded = {
    work: `(await import('file://${root}functions/serve-step.ts')).serveStep('${name}')`,
    hooks: `(await import('file://${root}functions/serve-webhook.ts')).serveWebhook('${name}')`,
  }[folder]
  const script = `
    import { registerHooks } from 'node:module'
    const seen = []
    registerHooks({ load(url, context, next) { seen.push(url); return next(url, context) } })
    await import(${JSON.stringify(`file://${root}functions/index.ts`)})
    await ${loaded ?? `import('file://${root}functions/${folder}/${name}.ts')`}
    await new Promise((resolve) => setTimeout(resolve, 300))
    process.stdout.write('\\n${MARK}' + JSON.stringify(seen) + '\\n', () => process.exit(0))`
  const environment = {
    PATH: process.env['PATH'] ?? '',
    FUNCTION_TARGET: target,
    GOOGLE_CLOUD_PROJECT: 'p',
    STORAGE_BUCKET: 'b',
    ...PROVIDER_KEYS,
    WEBHOOK_SECRET: 'w',
    // Nobody is asked who we are, and nothing leaves this machine.
    METADATA_SERVER_DETECTION: 'none',
    FIRESTORE_EMULATOR_HOST: '127.0.0.1:1',
    TASKS_API_ENDPOINT: '127.0.0.1:1',
    STORAGE_API_ENDPOINT: 'http://127.0.0.1:1',
  }
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    env: environment,
    maxBuffer: 32 * 1024 * 1024,
  })
  const line = stdout.split('\n').find((one) => one.startsWith(MARK)) ?? MARK
  return JSON.parse(line.slice(MARK.length)) as string[]
}

describe('the deploy entry', () => {
  test('loads the function the instance serves, and no other', async () => {
    const modules = await modulesOf('ops.live')
    const handlers = modules.filter((url) => /\/functions\/\w+\/[\w-]+\.ts$/.test(url))
    expect(handlers.map((url) => url.replace(/.*\/functions\//, ''))).toEqual(['ops/live.ts'])
    expect(modules.filter((url) => url.includes('/@google-cloud/'))).toEqual([])
  })

  test('loads only the clients the function uses', async () => {
    const modules = await modulesOf('episodes.list')
    expect(modules.some((url) => url.includes('/@google-cloud/firestore/'))).toBe(true)
    expect(modules.filter((url) => /@google-cloud\/(tasks|storage)\//.test(url))).toEqual([])
  })

  test.each([
    ['work.transcribe', ['assemblyai', 'elevenlabs']],
    ['work.voice', ['elevenlabs']],
    ['work.finish', []],
    ['ops.sweep', ['assemblyai', 'elevenlabs', 'auphonic']],
    ['hooks.auphonic', []],
    ['episodes.create', []],
  ])('of %s loads the clients of the providers %j, and no other', async (target, names) => {
    const clients = (await modulesOf(target)).filter((url) =>
      /\/shared\/providers\/\w+\/(client|speech|scribe)\.ts$/.test(url),
    )
    expect(new Set(clients.map((url) => url.split('/').at(-2)))).toEqual(new Set(names))
  })

  test('refuses a target that is no function, and a configuration that cannot work, by name', async () => {
    await expect(modulesOf('episodes.nothing')).rejects.toThrow(/FUNCTION_TARGET names no function: episodes.nothing/)
    const bad = run(process.execPath, [`${root}functions/index.ts`], {
      env: { PATH: process.env['PATH'] ?? '', FUNCTION_TARGET: 'work.write' },
    })
    await expect(bad).rejects.toThrow(/GOOGLE_CLOUD_PROJECT is not set.*GEMINI_API_KEY is not set/)
  })
})
