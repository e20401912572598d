import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/cluster/*.test.ts'],
    globalSetup: ['test/built.ts'],
    testTimeout: 120_000,
    retry: process.env.CI ? 1 : 0,
    hookTimeout: 30_000,
    pool: 'forks',
    // They wait more than they compute, each file for servers of its own.
    maxWorkers: 2,
  },
});
