/** What an operator is told: whether a session was removed, and what sweeps did. */
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

test.each([0, 2])('a sweep ends all that has expired by now, on %i shards', async (shards) => {
  const engine = await h.startEngine({ shards, sessionsMax: 2_000 });
  const ids = (first: string) =>
    Array.from({ length: 600 }, (_, i) => first + i.toString(16).padStart(30, '0'));
  for (const id of ids('aa')) await engine.register(id, { ttlMs: 1 });
  for (const id of ids('bb')) await engine.register(id, { ttlMs: 60_000 });
  while ((await engine.list({ prefix: 'aa', limit: 1 })).sessions.length > 0);
  await engine.sweep();
  // Some may have been swept before; what counts is that none is left.
  expect(engine.stats()).toMatchObject({ expired: 600, sessions: 600 });
  expect(await engine.sweep()).toBe(0);
  await h.checkTables(engine);
});
