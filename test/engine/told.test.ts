/** What an operator is told: whether a session was removed by this call, and how far sweeps lag. */
import { expect, test } from 'vitest';
import * as h from './helpers.ts';

test.each([0, 2])('says whether a session was there to remove, on %i shards', async (shards) => {
  const engine = await h.startEngine({ shards });
  const id = '0123456789abcdef0123456789abcdef';
  expect(await engine.remove(id)).toBe(false);
  const { session } = await engine.register(id);
  expect(await engine.remove(id)).toBe(true);
  // Why it ended is remembered, and is not the answer to a second removal.
  expect(await engine.remove(id)).toBe(false);
  const late = await h.failure(engine.request(id, session, 1, 'get'));
  expect(late).toMatchObject({ reason: 'removed' });
  expect(engine.stats()).toMatchObject({ removed: 1, sessions: 0 });
  await engine.register(id);
  expect(await engine.remove(id)).toBe(true);
});

test.each([0, 2])('a new engine does not seem to lag behind, on %i shards', async (shards) => {
  const engine = await h.startEngine({ shards });
  expect(engine.stats().sweepLagMs).toBeLessThan(60_000);
});
