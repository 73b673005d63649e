/** Random histories on a table and on a naive model, compared after every step. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkInvariants } from '../../src/core/invariants.ts';
import * as h from './helpers.ts';
import { arbitraryStep, makeLockstep } from './lockstep.ts';

const history = fc.array(arbitraryStep, { minLength: 60, maxLength: 120, size: 'max' });

function agree(slots: number, sessionsMax: number, numRuns: number): void {
  const seen = new Set<string>();
  fc.assert(
    fc.property(history, (steps) => {
      const pair = makeLockstep(slots, sessionsMax);
      for (const step of steps) {
        pair.run(step);
        checkInvariants(pair.views[0]);
        pair.compare();
      }
      pair.compareCounters();
      pair.sweepAll();
      checkInvariants(pair.views[0]);
      for (const name of Object.keys(pair.model.counted)) seen.add(name);
    }),
    h.runs(numRuns),
  );
  // The histories really went everywhere: a run that only ever refuses would prove nothing.
  expect([...seen]).toEqual(
    expect.arrayContaining([
      ...['resumed', 'replays', 'errors', 'expired', 'evicted', 'closed'],
      ...['rate_limited', 'swept', 'disconnected'],
    ]),
  );
}

test('a table of three sessions answers as the naive model does', () => {
  agree(3, 3, 120);
});

test('a table whose global limit is below its slots answers as the naive model does', () => {
  agree(5, 2, 100);
});

test('a table whose slots are below the global limit answers as the naive model does', () => {
  agree(2, 4, 100);
});

test('a table of one slot answers as the naive model does', () => {
  agree(1, 1, 80);
});
