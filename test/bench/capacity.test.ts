/** What the benchmark of capacity does with its clients, and how it counts their memory. */
import { expect, it } from 'vitest';
import { Clients } from '../../bench/capacity/clients.ts';
import { bytesNeeded, sessionBytes } from '../../bench/capacity/memory.ts';
import { Engine } from '../../dist/index.js';
import { regionsOf } from '../../src/core/layout.ts';
import { ARENA_BYTES_MAX, ENDED_ENTRIES_MAX } from '../../src/core/limits.ts';

const SESSIONS = 16_000_000;

it('sixteen million sessions with the shortest data and replies fit one shard', () => {
  const { totalBytes } = regionsOf(SESSIONS, 2 ** 25, ENDED_ENTRIES_MAX, 16, 16);
  expect(totalBytes).toBeLessThanOrEqual(ARENA_BYTES_MAX);
  expect(totalBytes).toBeLessThanOrEqual(bytesNeeded(SESSIONS));
});

it('counts what was reserved, what of that is for payloads, and what is resident', async () => {
  const engine = await Engine.start({ shards: 0, sessionsMax: 10, dataBytesMax: 20 });
  const { arenas } = engine.memory;
  // Data in whole units of 8 bytes, and replies of the default length.
  expect(sessionBytes(arenas, 10, 5_000)).toEqual({
    reserved: arenas[0].byteLength / 10,
    payload: 24 + 2048,
    resident: 500,
  });
  await engine.stop();
});

it('fills an engine to its limit, uses sessions drawn at random, and evicts by churn', async () => {
  const engine = await Engine.start({ shards: 0, sessionsMax: 50 });
  const view = engine.view();
  const clients = new Clients(view, 50, 1_000);
  clients.fill();
  clients.touch(1_000);
  clients.request(1_000);
  expect(engine.stats()).toMatchObject({
    sessions: 50,
    registered: 50,
    requests: 1_000,
    evicted: 0,
  });
  clients.churn(70);
  expect(engine.stats()).toMatchObject({ sessions: 50, registered: 120, evicted: 70 });
  view.release();
  await engine.stop();
});
