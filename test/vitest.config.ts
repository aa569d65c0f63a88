import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

/** `npm test` runs what is quick enough to be run at every change; `npm run test:long` runs test/long. */
const long = process.env['TEST_SUITE'] === 'long'

// Workers and the processes that tests start load the same modules again and again: what was compiled once is kept.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('../.steadycast/compile-cache', import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL('../', import.meta.url)),
  test: {
    include: [long ? 'test/long/**/*.test.ts' : 'test/**/*.test.ts'],
    exclude: long ? [] : ['test/long/**'],
    environment: 'node',
    globalSetup: ['test/shared-audio.ts'],
    pool: 'forks',
    // The end-to-end files wait more than they work.
    maxWorkers: long ? 4 : 3,
    reporters: process.env['CI'] ? ['default', 'json'] : ['default'],
    outputFile: { json: `.steadycast/test-results${long ? '-long' : ''}.json` },
    testTimeout: 120_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // A test that asserts nothing is not a fact.
    expect: { requireAssertions: true },
  },
})
