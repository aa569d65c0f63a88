import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: fileURLToPath(new URL('../', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    // The end-to-end files wait more than they work.
    maxWorkers: 3,
    reporters: process.env['CI'] ? ['default', 'json'] : ['default'],
    outputFile: { json: '.steadycast/test-results.json' },
    testTimeout: 120_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // A test that asserts nothing is not a fact.
    expect: { requireAssertions: true },
  },
})
