import { defineConfig } from 'vitest/config';

/**
 * Most files share the processes of two workers, which saves each of them a start of its own. A
 * file may do so that leaves its process as it found it: no function replaced, no listener or
 * variable of the environment added. `test/leaves-nothing.ts` looks after each of them. These have
 * a process each: what counts garbage, times a race, or replaces what Node itself has, and what
 * acts at the end of its process.
 */
const ISOLATED = [
  'test/cli/line-output.test.ts',
  'test/fuzz/*.test.ts',
  'test/litmus/*.test.ts',
  'test/simulator/*.test.ts',
  'test/workers/garbage.test.ts',
  'test/workers/two-threads.test.ts',
];

export default defineConfig({
  test: {
    pool: 'forks',
    // Two cores: more workers would only make timings of the processes under test worse.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The built package is loaded as its users do, by Node, and not transformed once more.
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
    projects: [
      { extends: true, test: { name: 'isolated', include: ISOLATED } },
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: ISOLATED,
          isolate: false,
          setupFiles: ['test/leaves-nothing.ts'],
        },
      },
    ],
  },
});
