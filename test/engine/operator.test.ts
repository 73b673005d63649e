/** What an operator sees and does, for each way in which an engine can run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Engine } from '../../dist/engine.js';
import { LIST_ROWS_MAX } from '../../dist/workers/limits.js';
import type { RunPolicy } from '../../dist/workers/router-options.js';
import { LogState } from '../../src/core/log-buffer.ts';
import * as h from './helpers.ts';

const A = h.id(1);
const B = h.id(2);
const C = h.id(3);
const limited = h.beside('./services/limited.mjs');
const gates = h.beside('./services/gates.mjs');

const WAYS: { shards: number; run: RunPolicy }[] = [
  { shards: 0, run: 'auto' },
  { shards: 1, run: 'direct' },
  { shards: 1, run: 'worker' },
  { shards: 3, run: 'auto' },
];

/** All pages of a list, as ids. */
async function listed(engine: Engine, query: object = {}): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await engine.list({ ...query, cursor });
    ids.push(...page.sessions.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== null);
  return ids.sort();
}

describe.each(WAYS)('an operator of $shards shards, run $run', (way) => {
  test('reads counts that add up', async () => {
    const engine = await h.startEngine({ ...way, service: limited, sessionsMax: 3 });
    const { session } = await engine.register(A);
    await engine.register(B, { capabilities: ['admin'] });
    await engine.register(A);
    await engine.request(A, session, 1, 'count');
    await engine.request(A, session, 1, 'count');
    await engine.call(B, 'reset');
    const refused = [
      () => engine.request(A, session, 3, 'count'),
      () => engine.request(A, session, 0, 'count'),
      () => engine.request(A, session, 1, 'heavy'),
      () => engine.request(A, session, 2, 'reset'),
      () => engine.call(A, 'sequenced'),
      () => engine.call(h.id(99), 'count'),
      () => engine.request(A, session + 1, 2, 'count'),
    ];
    for (const ask of refused) await h.failure(ask());
    await engine.register(C, { ttlMs: 1 });
    await h.clockPast(3);
    await h.failure(engine.call(C, 'count'));
    await engine.register(C);
    await engine.register(h.id(4));
    await engine.close(B);
    await engine.remove(C);
    expect(engine.stats()).toMatchObject({
      ...{ sessions: 1, sessionsMax: 3, shards: Math.max(1, way.shards), executing: 0 },
      ...{ registered: 5, resumed: 1, requests: 1, calls: 1, replays: 1, commits: 7 },
      ...{ evicted: 1, expired: 1, closed: 1, disconnected: 0, removed: 1 },
      errors: refused.length + 1,
    });
    expect(engine.stats().sweepLagMs).toBeGreaterThanOrEqual(0);
    await engine.list();
    await engine.inspect(A);
    expect(engine.stats()).toMatchObject({ commits: 7, requests: 1, calls: 1 });
  });

  test('is told that a disk without room lets nothing end', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'sessile-operator-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true }));
    const engine = await h.startEngine({ ...way, dataDir, sessionsMax: 3 });
    await engine.register(A);
    const disks = (state: LogState) => {
      for (const { table } of engine.router.ports) {
        (table.log!.buffer as { state: number }).state = state;
      }
    };
    disks(LogState.NO_ROOM);
    const refused = { name: 'SessileError', code: 'storage_failed' };
    expect(await h.failure(engine.remove(A))).toMatchObject(refused);
    expect(await h.failure(engine.sweep())).toMatchObject(refused);
    disks(LogState.OK);
    expect(await engine.sweep()).toBe(0);
    expect(await engine.remove(A)).toBe(true);
  });

  test('lists sessions by every filter, in pages', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 200 });
    const ids = Array.from({ length: 40 }, (_, i) => h.id(i + 1));
    for (const id of ids) await engine.register(id, { ttlMs: null });
    const other = 'ABCDEF'.padEnd(32, '1');
    await engine.register(other);
    expect(await listed(engine)).toEqual([...ids, other.toLowerCase()]);
    for (const limit of [1, 7, 41, 10_000]) {
      expect(await listed(engine, { limit })).toHaveLength(41);
      expect((await engine.list({ limit })).sessions).toHaveLength(Math.min(limit, 41));
    }
    expect(await listed(engine, { prefix: 'abc' })).toEqual([other.toLowerCase()]);
    expect(await listed(engine, { prefix: 'ABCDEF1' })).toHaveLength(1);
    expect(await listed(engine, { prefix: h.id(5) })).toEqual([h.id(5)]);
    expect(await listed(engine, { prefix: h.id(16).slice(0, 31), limit: 3 })).toHaveLength(16);
    expect(await listed(engine, { prefix: 'f' })).toEqual([]);
    await h.clockPast(30);
    await engine.call(A, 'get');
    const late = h.id(50);
    await engine.register(late);
    // However long the lists take, no time passes between them.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    // However long the call and the register took, this lies between them and what was before.
    const ageMsMin = (await engine.inspect(A))!.idleMs + 15;
    const idleMsMin = ageMsMin;
    expect(await listed(engine, { ageMsMin })).toHaveLength(41);
    const idle = await listed(engine, { idleMsMin, limit: 11 });
    expect(idle).toHaveLength(40);
    expect(idle).not.toContain(A);
    expect(await listed(engine, { idleMsMin: 3_600_000 })).toEqual([]);
    expect(await listed(engine, { ageMsMin, idleMsMin, prefix: '0' })).toHaveLength(39);
    clock.mockRestore();
    expect(await engine.list({ limit: 1 })).toMatchObject({ cursor: expect.any(String) });
  });

  test('lists each session that lives throughout once, whatever comes and goes', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 400 });
    const random = new h.Random('list under churn');
    const lasting = Array.from({ length: 60 }, (_, i) => h.id(1_000 + i));
    const passing = Array.from({ length: 120 }, (_, i) => h.id(5_000 + i));
    const all = [...lasting, ...passing].sort(() => random.below(3) - 1);
    for (const id of all) await engine.register(id);
    for (let round = 0; round < 4; round++) {
      const seen = new Map<string, number>();
      let cursor: string | null = null;
      do {
        const page = await engine.list({ cursor, limit: 1 + random.below(12) });
        for (const { id } of page.sessions) seen.set(id, (seen.get(id) ?? 0) + 1);
        cursor = page.cursor;
        for (let i = 0; i < 10; i++) {
          const id = passing[random.below(passing.length)];
          if (random.below(2) === 0) await engine.close(id);
          else await engine.register(id);
        }
        await engine.call(lasting[random.below(lasting.length)], 'touch');
      } while (cursor !== null);
      expect(lasting.map((id) => seen.get(id))).toEqual(lasting.map(() => 1));
    }
    await h.checkTables(engine);
  });

  test('touches nothing: what is looked at expires, and is evicted first', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 3 });
    await engine.register(A);
    await engine.register(B);
    // On a machine that is busy it may be gone before the first look: then it gets more time.
    for (let ttlMs = 40, looks = 0; looks === 0; ttlMs *= 2) {
      await engine.register(C, { ttlMs });
      while ((await engine.inspect(C)) !== null) {
        looks += 1;
        await engine.list();
        await engine.inspect(A);
      }
    }
    expect(await listed(engine)).toEqual([A, B]);
    await engine.register(C);
    await engine.inspect(A);
    await engine.list();
    await engine.register(h.id(4));
    expect(await listed(engine)).toEqual([B, C, h.id(4)]);
  });

  test('inspects one session, and knows what it holds', async () => {
    const engine = await h.startEngine(way);
    expect(await engine.inspect(A)).toBe(null);
    const before = Date.now() - 1;
    const rate = { perSecond: 3, burst: 9 };
    const { session } = await engine.register(A, { ttlMs: 60_000, rate, data: { a: 1 } });
    await engine.request(A, session, 1, 'put', { a: 2 });
    const found = await engine.inspect(A);
    expect(found).toMatchObject({
      ...{ id: A, session, request: 1, ttlMs: 60_000, version: 2, dataBytes: 4, rate },
      ...{ executing: false, connectionScoped: false, capabilities: [] },
    });
    const { createdMs, lastActivityMs, idleMs, expiresInMs } = found as NonNullable<typeof found>;
    expect(createdMs).toBeGreaterThanOrEqual(before);
    expect(lastActivityMs).toBeGreaterThanOrEqual(createdMs);
    expect(Date.now() + 1).toBeGreaterThanOrEqual(lastActivityMs);
    expect([idleMs + (expiresInMs as number) - 60_000]).toContain(0);
    await engine.call(A, 'set_ttl', null);
    expect(await engine.inspect(A)).toMatchObject({ ttlMs: null, expiresInMs: null });
    await engine.close(A);
    expect(await engine.inspect(A)).toBe(null);
    expect(await engine.inspect(new Uint8Array(16).fill(7))).toBe(null);
  });

  test('removes a session, whose client learns it', async () => {
    const engine = await h.startEngine(way);
    expect(await engine.remove(A)).toBe(false);
    const { session } = await engine.register(A);
    expect(await engine.remove(A)).toBe(true);
    expect(await engine.remove(A)).toBe(false);
    const gone = await h.failure(engine.request(A, session, 1, 'echo'));
    expect(gone).toMatchObject({ name: 'SessionEvictedError', reason: 'removed', session });
    await engine.register(B, { ttlMs: 1 });
    await h.clockPast(3);
    expect(await engine.remove(B)).toBe(false);
    expect(engine.stats()).toMatchObject({ removed: 1, expired: 1, sessions: 0 });
  });

  test('sweeps all that has expired by now, and says how many', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 2_000 });
    for (let n = 1; n <= 5; n++) await engine.register(h.id(n));
    const expiring = Array.from({ length: 1_000 }, (_, i) => h.id(10 + i));
    await Promise.all(expiring.map((id) => engine.register(id, { ttlMs: 1 })));
    await engine.register(h.id(9), { ttlMs: 600_000 });
    expect(engine.stats().registered).toBe(1_006);
    await h.clockPast(2);
    const early = engine.stats().expired;
    expect(await listed(engine)).toHaveLength(6);
    expect(await engine.inspect(expiring[7])).toBe(null);
    const count = await engine.sweep();
    expect(engine.sessions).toBe(6);
    expect(engine.stats().expired).toBe(1_000);
    // A worker may have swept between the two looks; a shard of this thread has not.
    expect(count).toBeLessThanOrEqual(1_000 - early);
    if (way.shards === 0) expect(count).toBe(1_000 - early);
    expect(await engine.sweep()).toBe(0);
    await h.checkTables(engine);
  });

  test('is told which argument is wrong', async () => {
    const engine = await h.startEngine(way);
    const wrong: [string, unknown][] = [
      ...[0, 10_001, 1.5, '5', Number.NaN].map((value): [string, unknown] => ['limit', value]),
      ...['', '9.0', '0', 'x', 5, '0.-1'].map((value): [string, unknown] => ['cursor', value]),
      ...['g', 5, '0'.repeat(33), 'ab '].map((value): [string, unknown] => ['prefix', value]),
      ...[-1, 0.5, '1'].flatMap((value): [string, unknown][] => [
        ['ageMsMin', value],
        ['idleMsMin', value],
      ]),
    ];
    for (const [option, value] of wrong) {
      const error = await h.failure(engine.list({ [option]: value }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option });
    }
    const ids = ['', '0'.repeat(32), 'xyz', new Uint8Array(15), new Uint8Array(16)];
    for (const id of ids) {
      const invalid = { name: 'InvalidOptionError', option: 'id' };
      expect(await h.failure((async () => engine.inspect(id))())).toMatchObject(invalid);
      expect(await h.failure((async () => engine.remove(id))())).toMatchObject(invalid);
    }
  });

  test('gets an answer from an engine that has stopped, too', async () => {
    const engine = await h.startEngine(way);
    await engine.register(A);
    await engine.stop();
    const stopped = { code: 'shutting_down' };
    expect(await h.failure(engine.remove(A))).toMatchObject(stopped);
    expect(await h.failure(engine.sweep())).toMatchObject(stopped);
  });
});

test('a list of many lets the event loop go on, however little it finds', async () => {
  const engine = await h.startEngine({ shards: 1, sessionsMax: 30_000, dataBytesMax: 16 });
  const count = 10 * LIST_ROWS_MAX;
  const view = engine.view();
  for (let n = 1; n <= count; n++) view.register(h.id(n));
  for (const query of [{ prefix: 'f' }, { limit: 10_000 }]) {
    let turns = 0;
    let isDone = false;
    const list = engine.list(query).finally(() => {
      isDone = true;
    });
    await h.until(() => {
      turns += 1;
      return isDone;
    });
    expect((await list).sessions).toHaveLength(query.limit ?? 0);
    expect(turns).toBeGreaterThanOrEqual(Math.floor((query.limit ?? count) / LIST_ROWS_MAX));
  }
  view.release();
});

/** A request that waits at a gate, begun before the short time of its session was over. */
async function executing(engine: Engine, id: string) {
  for (let ttlMs = 30; ; ttlMs *= 2) {
    const { session } = await engine.register(id, { ttlMs });
    const waiting = engine.request(id, session, 1, 'wait', 'gate');
    let isLate = false;
    waiting.catch(() => {
      isLate = true;
    });
    await h.until(() => isLate || engine.stats().executing === 1);
    if (!isLate) return { waiting, ttlMs };
  }
}

describe.each([0, 2])('a session that executes, on %i shards', (shards) => {
  test('is listed as such, not removed, and not swept although its time is over', async () => {
    const engine = await h.startEngine({ shards, service: gates });
    const [a, b] = h.idsOfShard(engine, 0, 2);
    await engine.register(b);
    const { waiting, ttlMs } = await executing(engine, a);
    await h.clockPast(ttlMs + 10);
    expect(await engine.inspect(a)).toMatchObject({ executing: true, expiresInMs: 0 });
    expect(await listed(engine)).toEqual([a, b].sort());
    expect(await h.failure(engine.remove(a))).toMatchObject({ code: 'request_in_flight' });
    expect(await engine.sweep()).toBe(0);
    await engine.call(b, 'open', 'gate');
    expect(await waiting).toMatchObject({ body: { n: 1 } });
    expect(engine.stats().executing).toBe(0);
    await h.clockPast(ttlMs + 10);
    expect(await engine.inspect(a)).toBe(null);
    expect(await engine.remove(b)).toBe(true);
  });
});

test.each([0, 1])(
  'an engine of %i shards sweeps what has expired behind many that were touched',
  async (shards) => {
    const engine = await h.startEngine({ shards, sessionsMax: 40_000, ttlMs: 1000 });
    const view = engine.view();
    const kept = Array.from({ length: 20_000 }, (_, n) => h.id(n + 1));
    for (const id of kept) view.register(id);
    for (let n = 0; n < 10; n++) view.register(h.id(50_000 + n));
    // Those that are kept are touched again and again, so a sweep that stays with them never ends.
    while (engine.stats().expired < 10) {
      await h.clockPast(200);
      for (const id of kept) view.call(id, 'touch');
    }
    expect(engine.stats()).toMatchObject({ expired: 10, sessions: 20_000 });
  },
);
