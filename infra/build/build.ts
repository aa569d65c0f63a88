import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { build } from 'esbuild'
import type { Plugin } from 'esbuild'

import { readWords, runCommandLine } from '../command-line.ts'
import { functionsYaml } from './functions-yaml.ts'
import { LEAN_CLIENTS } from './lean-clients.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
export const DIST = `${root}dist/`

/** Compiled into the bundle, so that an instance reads a few files instead of hundreds. */
const BUNDLED = new Set(['zod', 'jose', 'entities', '@google-cloud/firestore', '@google-cloud/tasks', 'google-gax'])

/**
 * Takes Node's own modules as `require` would. An `import` of one reads all that it exports, and some of that is built
 * only when it is read: `node:http` builds the whole of `fetch` so, and `node:crypto` the web's cryptography.
 */
const UNREAD_BUILTINS: Plugin = {
  name: 'unread-builtins',
  setup(bundler) {
    bundler.onResolve({ filter: /^[a-z]/ }, ({ path }) =>
      isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    )
    bundler.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/**
 * What `functions/index.ts` imports is there before anything else is loaded. Said in each module that is loaded later,
 * all of it has the same users and becomes one file, instead of one for each set of users: opening a file takes a
 * processor about a third of a millisecond.
 */
const COMMON_FIRST: Plugin = {
  name: 'common-first',
  setup(bundler) {
    let loadedLater = new Set<string>()
    bundler.onStart(async () => {
      loadedLater = await findLoadedLater()
    })
    bundler.onLoad({ filter: /\.ts$/ }, async ({ path }) =>
      loadedLater.has(path)
        ? { contents: `import ${JSON.stringify(COMMON)};${await readFile(path, 'utf8')}`, loader: 'ts' }
        : undefined,
    )
    bundler.onResolve({ filter: new RegExp(`^${COMMON}$`) }, () => ({ path: COMMON, namespace: COMMON }))
    bundler.onLoad({ filter: /.*/, namespace: COMMON }, async () => {
      const index = await readFile(`${root}functions/index.ts`, 'utf8')
      const imported = [...index.matchAll(/^import (?!type ).* from ('.*')$/gm)].map(([, path]) => `import ${path}`)
      return { contents: imported.join('\n'), resolveDir: `${root}functions`, loader: 'ts' }
    })
  },
}
const COMMON = 'common-first'

/** Our modules that are imported by a call, with the paths of their files. */
async function findLoadedLater(): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const path of glob([`${root}functions/**/*.ts`, `${root}shared/**/*.ts`]))
    for (const [, imported = ''] of (await readFile(path, 'utf8')).matchAll(/\bimport\('(\.[^']+\.ts)'\)/g))
      found.add(resolve(dirname(path), imported))
  return found
}

/** Google's newer clients read JSON that lies beside them when they are loaded; what is bundled has nothing beside it. */
const BUNDLED_JSON: Plugin = {
  name: 'bundled-json',
  setup(bundler) {
    bundler.onLoad({ filter: /@google-cloud[/\\]tasks[/\\].*_client\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source.replaceAll(/getJSON\(path\.join\(dirname, ([^)]+)\)\)/g, (_, parts: string) => {
        const relative = parts.split(', ').map((part) => part.slice(1, -1))
        return `require(${JSON.stringify(['.', ...relative].join('/'))})`
      })
      if (contents.includes('getJSON(')) throw new Error(`${path} reads JSON in a way that is not known here`)
      return { contents }
    })
  },
}

/**
 * zod compiles a schema of an object when it first parses with it, which pays after thousands of parses; most instances
 * parse less. Stands before zod is loaded, whichever file that is in.
 */
const UNCOMPILED_SCHEMAS = 'globalThis.__zod_globalConfig ??= { jitless: true };'

/**
 * Makes `dist/`, which is what is deployed: compiled JavaScript, split so that an instance loads only what its function
 * uses, a package.json with production dependencies alone, and the manifest.
 * @param folder where it goes instead of `dist/`, with a slash at its end
 */
export async function buildDist(region: string, folder = DIST): Promise<void> {
  const { name, version, license, dependencies } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as {
    name: string
    version: string
    license: string
    dependencies: Record<string, string>
  }
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const external = Object.entries(dependencies).filter(([dependency]) => !BUNDLED.has(dependency))
  await build({
    entryPoints: [
      { in: `${root}functions/index.ts`, out: 'index' },
      // Processes of their own.
      { in: `${root}shared/podcast/sound/ffmpeg-wasm.ts`, out: 'ffmpeg-wasm' },
      { in: `${root}shared/podcast/sound/duration-child.ts`, out: 'duration-child' },
      { in: `${root}shared/podcast/words/words-child.ts`, out: 'words-child' },
      { in: `${root}shared/providers/heard-child.ts`, out: 'heard-child' },
    ],
    outdir: folder,
    // By its ending functions-framework knows what it is to load, and need not look for it in a package.json.
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: 'linked',
    logLevel: 'warning',
    // Where some of it would look for files that only its unused parts read.
    define: { __dirname: 'import.meta.dirname' },
    banner: { js: UNCOMPILED_SCHEMAS },
    plugins: [COMMON_FIRST, LEAN_CLIENTS, UNREAD_BUILTINS, BUNDLED_JSON],
    external: external.map(([dependency]) => dependency),
  })
  const manifest = {
    name,
    version,
    license,
    private: true,
    type: 'module',
    main: 'index.mjs',
    engines: { node: '24' },
    dependencies: Object.fromEntries(external),
  }
  await writeFile(`${folder}package.json`, `${JSON.stringify(manifest, null, 2)}\n`)
  await writeFile(`${folder}package-lock.json`, `${JSON.stringify(await productionLock(manifest), null, 2)}\n`)
  await writeFile(`${folder}functions.yaml`, functionsYaml(region))
}

type LockedPackage = { dev?: boolean; link?: boolean }

/** What the repository has locked, without what only development needs: the platform installs exactly this. */
async function productionLock(manifest: { name: string; version: string; [field: string]: unknown }) {
  const lock = JSON.parse(await readFile(`${root}package-lock.json`, 'utf8')) as {
    packages: Record<string, LockedPackage>
  }
  const bundled = new Set([...BUNDLED].map((name) => `node_modules/${name}`))
  const kept = Object.entries(lock.packages).filter(
    ([path, { dev, link }]) => path.startsWith('node_modules/') && !dev && !link && !bundled.has(path),
  )
  const { name, version } = manifest
  return { name, version, lockfileVersion: 3, requires: true, packages: { '': manifest, ...Object.fromEntries(kept) } }
}

const USAGE = `Usage: npm run build
Compiles the functions and their manifest into dist/. Settings come from the environment:
  FUNCTION_REGION   the region of the manifest, us-central1 if not set`

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runCommandLine(USAGE, async () => {
    readWords(process.argv.slice(2), {})
    await buildDist(process.env['FUNCTION_REGION'] ?? 'us-central1')
    process.stdout.write('built dist/\n')
  })
