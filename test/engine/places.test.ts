/**
 * A full table whose answers wait for the logs of several shards: the place of a session that ends
 * is free for the next register, in whichever shard, as soon as the end is on disk, and a register
 * that comes a moment too early waits for it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EngineOptions } from '../../dist/embedding/options.js';
import type { Engine } from '../../dist/engine.js';
import * as h from './helpers.ts';

const SESSIONS_MAX = 4;

async function start(options: EngineOptions): Promise<Engine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sessile-places-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const rest = { shards: 2, sessionsMax: SESSIONS_MAX, dataDir };
  return h.startEngine({ ...rest, ...options });
}

/** Fills the table with sessions of shard 0; returns their ids, and as many of shard 1. */
async function fill(engine: Engine): Promise<{ here: string[]; there: string[] }> {
  const here = h.idsOfShard(engine, 0, SESSIONS_MAX);
  const there = h.idsOfShard(engine, 1, SESSIONS_MAX);
  for (const id of here) await engine.register(id);
  return { here, there };
}

describe.each(['auto', 'worker', 'direct'] as const)('run: %s', (run) => {
  test('places that closes and registers pass on at once come out even', async () => {
    const engine = await start({ run, onFull: 'reject' });
    const { here, there } = await fill(engine);
    // Which of the two its shard runs first is open; when it is the register, that is refused.
    const registered = async (id: string): Promise<void> => {
      for (;;) {
        try {
          await engine.register(id);
          return;
        } catch (error) {
          expect(error).toMatchObject({ code: 'sessions_exhausted' });
        }
      }
    };
    for (let round = 0; round < 20; round++) {
      await Promise.all([engine.close(here[round % 4]), registered(there[round % 4])]);
      expect(engine.sessions).toBe(SESSIONS_MAX);
      await Promise.all([engine.close(there[round % 4]), registered(here[round % 4])]);
    }
    expect(engine.sessions).toBe(SESSIONS_MAX);
    await h.checkTables(engine);
  });

  test('a place is free when the close was answered', async () => {
    const engine = await start({ run, onFull: 'reject' });
    const { here, there } = await fill(engine);
    for (const [index, id] of here.entries()) {
      await engine.close(id);
      expect(engine.sessions).toBe(SESSIONS_MAX - 1);
      await engine.register(there[index]);
    }
    expect(await h.failure(engine.register(here[0]))).toMatchObject({ code: 'sessions_exhausted' });
  });

  test('an expired session makes way in another shard', async () => {
    const engine = await start({ run, onFull: 'reject' });
    const { here, there } = await fill(engine);
    await engine.close(here[0]);
    await engine.register(here[0], { ttlMs: 1 });
    for (const id of here.slice(1)) {
      const { session } = await engine.register(id);
      await engine.request(id, session, 1, 'echo');
    }
    await h.clockPast(3);
    await engine.register(there[0]);
    expect(await h.failure(engine.register(there[1]))).toMatchObject({
      code: 'sessions_exhausted',
    });
    expect(engine.sessions).toBe(SESSIONS_MAX);
  });

  test('a synchronous view waits for a place too', async () => {
    const engine = await start({ run, onFull: 'reject' });
    const { here, there } = await fill(engine);
    const view = engine.view();
    for (const [index, id] of here.entries()) {
      view.close(id);
      expect(view.register(there[index])).toMatchObject({ resumed: false });
    }
    expect(h.thrown(() => view.register(here[0]))).toMatchObject({ code: 'sessions_exhausted' });
    view.release();
    await h.checkTables(engine);
  });
});

test('a view takes the place of a close that its own thread has only just begun', async () => {
  const engine = await start({ run: 'direct', onFull: 'reject' });
  const { here, there } = await fill(engine);
  const view = engine.view();
  let closing = engine.close(here[0]);
  // Where the worker had the shard just then, the close lies in its ring, and not in its table.
  while (engine.status().shards[0].sessions === SESSIONS_MAX) {
    await closing;
    await engine.register(here[0]);
    closing = engine.close(here[0]);
  }
  // It ran in this turn, and what it logged is written only when the turn is over.
  expect(view.register(there[0])).toMatchObject({ resumed: false });
  await closing;
  view.release();
});

test.each(['worker', 'auto'] as const)(
  'nobody is evicted where a close lies before the eviction in the ring (run: %s)',
  async (run) => {
    const engine = await start({ run, onFull: 'evict' });
    const { here, there } = await fill(engine);
    const held = h.holdShard(engine, 0);
    const ring = engine.router.ports[0].messages;
    const closed = engine.close(here[3]);
    await h.until(() => ring.fill() > 0);
    const filled = ring.fill();
    const registered = engine.register(there[0]);
    await h.until(() => ring.fill() > filled);
    held.release();
    await closed;
    await registered;
    expect(engine.stats().evicted).toBe(0);
    expect(await engine.register(here[0])).toMatchObject({ resumed: true });
  },
);

test('after a stop and a start all places are there again', async () => {
  const engine = await start({ onFull: 'reject' });
  const { here, there } = await fill(engine);
  const ends = here.map((id) => engine.close(id));
  await engine.stop();
  await Promise.allSettled(ends);
  const dataDir = engine.recovery!.folder;
  const again = await h.startEngine({ shards: 2, sessionsMax: SESSIONS_MAX, dataDir });
  expect(again.recovery).toMatchObject({ evicted: 0, sessions: 0 });
  for (const id of there) await again.register(id);
  expect(again.sessions).toBe(SESSIONS_MAX);
});
