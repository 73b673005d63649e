import { defineConfig } from 'vitest/config';

// Two cores: more workers would only make timings of the processes under test worse.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
