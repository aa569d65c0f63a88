import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

/** `npm test` runs what is quick enough to be run at every change; `npm run test:long` runs test/long. */
const long = process.env['TEST_SUITE'] === 'long'
const compiled = { globalSetup: 'test/e2e/compile-functions.ts' }

/** Whole lives in virtual time, and processes of their own: in a worker that others have used they are slow. */
const IN_A_FRESH_WORKER = ['test/shared/engine/**', 'test/shared/breaker/**', 'test/shared/http/**']

/** Each has what its files need, and no more. */
const PROJECTS = [
  // They share nothing that another could change, so that a worker loads what they use once.
  { name: 'units', include: ['test/shared/**/*.test.ts'], exclude: IN_A_FRESH_WORKER, isolate: false },
  { name: 'lives', include: IN_A_FRESH_WORKER.map((folder) => `${folder}/*.test.ts`) },
  { name: 'infra', include: ['test/infra/**/*.test.ts'] },
  { name: 'e2e', include: ['test/e2e/**/*.test.ts', 'test/*.test.ts'], ...compiled },
]
/** Those of `npm test` that live through more, where there is more time. */
const SEEDED = ['engine/lives', 'breaker/schedule', 'podcast/answers/answers', 'http/fuzz']
const LONG_PROJECTS = [
  { name: 'long', include: ['test/long/**/*.test.ts'], ...compiled },
  { name: 'seeded', include: SEEDED.map((file) => `test/shared/${file}.test.ts`) },
]

// Workers and the processes that tests start load the same modules again and again: what was compiled once is kept.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('../.steadycast/compile-cache', import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL('../', import.meta.url)),
  test: {
    projects: (long ? LONG_PROJECTS : PROJECTS).map((test) => ({ extends: true, test })),
    environment: 'node',
    globalSetup: ['test/shared-audio.ts'],
    pool: 'forks',
    // The end-to-end files wait more than they work.
    maxWorkers: 4,
    reporters: process.env['CI'] ? ['default', 'json'] : ['default'],
    outputFile: { json: `.steadycast/test-results${long ? '-long' : ''}.json` },
    // Guards against what hangs, on a machine however busy: how long things take is for the benches.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 10_000,
    // A test that asserts nothing is not a fact.
    expect: { requireAssertions: true },
  },
})
