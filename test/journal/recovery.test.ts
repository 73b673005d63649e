/**
 * What a recovery must bring back that a careless one does not: logs of which one lost its end,
 * sessions that came and went, clocks that were set, and processes that died while they began.
 */
import { describe, expect, test } from 'vitest';
import { shardOf } from '../../src/core/hash.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Header, Row, RowFlag } from '../../src/core/layout.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { RegisterFlag } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from '../core/helpers.ts';
import { Life, MemoryDisk } from './life.ts';

/** The first ids from 1 on that live in each shard. */
function idsOf(life: Life, shard: number, count: number): number[] {
  const ids: number[] = [];
  for (let id = 1; ids.length < count; id++) {
    const { hash } = h.message(life.tables[0], { id });
    if (shardOf(hash, life.tables.length) === shard) ids.push(id);
  }
  return ids;
}

function isLive(life: Life, id: number): boolean {
  const m = h.message(life.tables[0], { id });
  const table = life.tables[shardOf(m.hash, life.tables.length)];
  return table.index.find(m.hash, m.id0, m.id1, m.id2, m.id3) >= 0;
}

function openAll(life: Life, shard: number, ids: readonly number[]): void {
  for (const id of ids) {
    life.now[0] += 1;
    h.open(life.tables[shard], id);
  }
}

function close(table: SessionTable, id: number): void {
  table.close(h.message(table, { id }));
}

function scoped(table: SessionTable, id: number): void {
  h.register(table, { id, flags: RegisterFlag.CONNECTION });
}

describe('the limit of sessions', () => {
  test('holds after a crash in which one shard lost the eviction that made a place', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk, { shards: 2, sessionsMax: 4 });
    const [a, b] = [idsOf(life, 0, 2), idsOf(life, 1, 3)];
    openAll(life, 0, a);
    life.now[0] += 1;
    openAll(life, 1, b.slice(0, 2));
    life.now[0] += 1;
    life.flush(0);
    life.flush(1);
    life.tables[0].evictOldest(Number.POSITIVE_INFINITY);
    openAll(life, 1, b.slice(2));
    life.flush(1);
    const next = new Life(disk, { shards: 2, sessionsMax: 4, wallMs: 1_000_100 });
    expect(next.recovered).toMatchObject({ sessions: 4, evicted: 1 });
    expect(isLive(next, a[0])).toBe(false);
    expect(isLive(next, b[2])).toBe(true);
    for (const table of next.tables) checkInvariants(table);
    // It does not come back when there is room again.
    close(next.tables[1], b[0]);
    next.flush(1);
    const last = new Life(disk, { shards: 2, sessionsMax: 4, wallMs: 1_000_200 });
    expect(last.recovered.sessions).toBe(3);
    expect(isLive(last, a[0])).toBe(false);
  });

  test('may be lowered when no more sessions are live, however many there have been', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk, { sessionsMax: 8 });
    openAll(life, 0, [1, 2, 3, 4, 5, 6]);
    for (const id of [1, 2, 3, 4]) close(life.tables[0], id);
    life.flush(0);
    const next = new Life(disk, { sessionsMax: 2 });
    expect(next.recovered).toMatchObject({ sessions: 2, evicted: 0 });
    expect(new Life(disk, { sessionsMax: 2 }).recovered.sessions).toBe(2);
  });

  test('does not count what other shards held before, when there are fewer shards', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk, { shards: 2, sessionsMax: 4 });
    const [a, b] = [idsOf(life, 0, 4), idsOf(life, 1, 3)];
    openAll(life, 1, b);
    for (const id of b) close(life.tables[1], id);
    openAll(life, 0, a);
    life.flush(0);
    life.flush(1);
    const next = new Life(disk, { shards: 1, sessionsMax: 4 });
    expect(next.recovered).toMatchObject({ sessions: 4, evicted: 0 });
    for (const id of a) expect(isLive(next, id)).toBe(true);
  });

  test('does not count sessions that ended with connections of an earlier process', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk);
    scoped(life.tables[0], 1);
    openAll(life, 0, [2, 3, 4]);
    life.flush(0);
    const next = new Life(disk);
    expect(next.recovered).toMatchObject({ sessions: 3, disconnected: 1 });
    openAll(next, 0, [5]);
    next.flush(0);
    const last = new Life(disk);
    expect(last.recovered.sessions).toBe(4);
    for (const id of [2, 3, 4, 5]) expect(isLive(last, id)).toBe(true);
  });
});

describe('the order of commits', () => {
  test.each([0.9, 5_000])('is kept when the wall clock goes back by %d ms', (back) => {
    const disk = new MemoryDisk();
    const life = new Life(disk);
    openAll(life, 0, [1, 2]);
    life.flush(0);
    life.wallOffsetMs -= back;
    life.now[0] += 0.25;
    h.open(life.tables[0], 3);
    life.now[0] += 0.25;
    h.open(life.tables[0], 4);
    life.flush(0);
    const next = new Life(disk, { engineMs: 500, wallMs: 1_000_100 });
    const [table] = next.tables;
    checkInvariants(table);
    table.evictOldest(Number.POSITIVE_INFINITY);
    table.evictOldest(Number.POSITIVE_INFINITY);
    expect([1, 2, 3, 4].map((id) => isLive(next, id))).toEqual([false, false, true, true]);
  });

  test('begins at one number for all shards', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk, { shards: 2 });
    openAll(life, 0, idsOf(life, 0, 3));
    openAll(life, 1, idsOf(life, 1, 1));
    life.flush(0);
    life.flush(1);
    const next = new Life(disk, { shards: 3 });
    const counts = next.tables.map(({ arena }) => arena.floats[34]);
    expect(counts).toEqual([1, 1, 1].map(() => next.recovered.commits));
  });
});

test('a rate limit holds nobody up for longer because the wall clock was set back', () => {
  const disk = new MemoryDisk();
  const life = new Life(disk);
  const [table] = life.tables;
  h.register(table, { id: 1, rate: [1, 2], ttlMs: TTL_NEVER });
  const session = h.sessionOf(table, table.slot);
  life.now[0] += 7_200_000;
  for (const request of [1, 2]) {
    const m = h.message(table, { id: 1, session, request });
    table.begin(m);
    table.pay(table.slot, m);
    h.commit(table, table.slot, 'ok');
  }
  life.flush(0);
  const next = new Life(disk, { wallMs: 1_000_000 + 3_600_000 });
  h.begin(next.tables[0], { id: 1, session, request: 3 });
  // One ms less where the time of the first commit was no whole one.
  expect(next.tables[0].retryAfterMs).toBeGreaterThanOrEqual(999);
  expect(next.tables[0].retryAfterMs).toBeLessThanOrEqual(1_000);
});

describe('session numbers', () => {
  test('are above those of sessions of which no segment tells any more', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk);
    openAll(life, 0, [1]);
    const ended = h.open(life.tables[0], 2);
    close(life.tables[0], 2);
    life.flush(0);
    const cleaning = new Life(disk);
    const [cleaner] = cleaning.cleaners;
    for (let steps = 0; cleaner.wants() && steps < 100; steps++) {
      cleaner.step();
      cleaning.flush(0);
    }
    expect(disk.list('/data').filter((name) => name.endsWith('.log'))).toHaveLength(1);
    const next = new Life(disk);
    expect(h.open(next.tables[0], 2)).toBeGreaterThan(ended);
  });

  test('are above those of sessions that were gone when the shards became others', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk);
    const ended = h.open(life.tables[0], 2);
    close(life.tables[0], 2);
    life.flush(0);
    expect(new Life(disk, { shards: 2 }).recovered.sessions).toBe(0);
    const next = new Life(disk, { shards: 1 });
    expect(h.open(next.tables[0], 2)).toBeGreaterThan(ended);
  });
});

test('a process that died anywhere while it made its directory leaves one that can be used', () => {
  const calls = ['write', 'sync', 'rename', 'syncFolder'] as const;
  for (const call of calls) {
    for (let before = 0; before < 6; before++) {
      const disk = new MemoryDisk();
      let left = before;
      const original = disk[call].bind(disk) as (...args: unknown[]) => unknown;
      Object.assign(disk, {
        [call]: (...args: unknown[]) => {
          left -= 1;
          if (left < 0) throw new Error('died');
          return original(...args);
        },
      });
      let hasDied = false;
      try {
        new Life(disk, { shards: 2 });
      } catch {
        hasDied = true;
      }
      Object.assign(disk, { [call]: original });
      const next = new Life(disk, { shards: 2 });
      expect(next.recovered.sessions, `${call} ${before} ${hasDied}`).toBe(0);
    }
  }
});

test('restarts that write the sessions anew do not add their allowance each time', () => {
  const disk = new MemoryDisk();
  const ttlMs = 80_000;
  const life = new Life(disk, { wallMs: 1_000_000 });
  h.register(life.tables[0], { id: 1, ttlMs });
  life.flush(0);
  const expires: number[] = [];
  for (let restart = 1; restart <= 12; restart++) {
    const wallMs = 1_000_000 + restart * 1_000;
    const next = new Life(disk, { wallMs, shards: 1 + (restart % 2) });
    const entries = next.tables.flatMap((table) => deadlinesOf(table));
    expect(entries).toHaveLength(1);
    expires.push(wallMs + entries[0] - next.now[0]);
  }
  // An eighth of the TTL once, and whole ms.
  for (const at of expires.slice(8)) {
    expect(at).toBeGreaterThan(1_000_000 + ttlMs - 10);
    expect(at).toBeLessThanOrEqual(1_000_000 + ttlMs + ttlMs / 8 + 20);
  }
});

function deadlinesOf(table: SessionTable): number[] {
  const { words, floats } = table.arena;
  const slots = Array.from({ length: words[Header.HIGH_WATER] }, (_, slot) => table.rowOf(slot));
  const live = slots.filter((row) => (words[row + Row.FLAGS] & RowFlag.LIVE) !== 0);
  return live.map((row) => floats[(row + Row.DEADLINE) >> 1]);
}
