/**
 * Requests leave no garbage in the thread of their shard: through the real worker and its rings, a
 * process whose young objects have 1 MiB collects nothing. One object for each request, of 16 bytes
 * at least, would be three times that. `npm run bench:garbage` does the same with ten million.
 */
import { expect, it } from 'vitest';
import { count } from '../../bench/garbage/run.ts';

/** Before it counts, V8 must have compiled what it will not compile again. */
const WARM_UP = 100_000;
const REQUESTS = 200_000;
/** Bounds a process that hangs; nothing depends on how long it takes. */
const TIMEOUT_MS = 25_000;

it.each(['put', 'register'] as const)('makes no garbage by %s', async (operation) => {
  const job = { operation, warmUp: WARM_UP, requests: REQUESTS };
  const { collections } = await count(job, TIMEOUT_MS, false);
  expect(collections).toEqual([]);
});
