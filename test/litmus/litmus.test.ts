/**
 * A short share of `npm run litmus`: real threads on real shared memory. What a round does is
 * fixed, not how long it takes; one that is stuck is found by progress that has stopped.
 */
import { expect, it } from 'vitest';
import { Random } from '../crash/random.ts';
import { LITMUS } from './rounds.ts';
import { DIST, runFor } from './run.ts';

const SEED = Number(process.env.LITMUS_SEED ?? 7377);
const RECORDS = 25_000;
const STUCK_MS = 20_000;

it.each(Object.keys(LITMUS))(
  'a share of litmus %s finds nothing wrong, and everything happens that should',
  async (name) => {
    const work = { dist: DIST, stuckMs: STUCK_MS, looksAgain: true, records: RECORDS };
    const { problems } = await runFor(name, work, new Random(SEED), 0);
    expect(problems, `LITMUS_SEED=${SEED}`).toEqual([]);
  },
);
