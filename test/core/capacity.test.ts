/**
 * Capacity over shards (DESIGN §4): 32 sessions on 4 shards behave exactly as on 1. Both engines
 * take the same steps at the same, strictly rising, times; the router's loop is in helpers.ts.
 */
import { expect, test } from 'vitest';
import { Admission, Eviction, Reason } from '../../src/core/codes.ts';
import { shardOf } from '../../src/core/hash.ts';
import { shardSlots } from '../../src/core/ledger.ts';
import { Kind } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';

const SESSIONS_MAX = 32;
const FOREVER = Number.POSITIVE_INFINITY;

function engine(shards: number, sessionsMax = SESSIONS_MAX): SessionTable[] {
  return h.makeShards(shards, sessionsMax, shardSlots(sessionsMax, shards), { ttlDefaultMs: 300 });
}

function shardFor(tables: SessionTable[], id: number): SessionTable {
  return tables[shardOf(tables[0].hash(...h.idWords(id)), tables.length)];
}

/** The slot of an id, live or expired, or -1. */
function slotOf(tables: SessionTable[], id: number): number {
  const table = shardFor(tables, id);
  return table.index.find(table.hash(...h.idWords(id)), ...h.idWords(id));
}

interface Choice {
  kind: number;
  id: number;
  body: string;
  keep: boolean;
  ttlMs: number | undefined;
}

/** One step on one engine, as a line that must not depend on the number of shards. */
function take(tables: SessionTable[], { kind, id, body, keep, ttlMs }: Choice): string {
  const table = shardFor(tables, id);
  const slot = slotOf(tables, id);
  const session = slot < 0 ? 0 : h.sessionOf(table, slot);
  if (kind <= 3) {
    const { admission, victims } = h.admit(tables, ttlMs === undefined ? { id } : { id, ttlMs });
    return `register ${id}: ${h.ADMISSIONS[admission]}, evicted ${victims.join()}`;
  }
  if (kind <= 6) {
    const request = slot < 0 ? 1 : h.requestOf(table, slot) + 1;
    const answer = h.named(table, h.begin(table, { id, session, request, body }));
    if (answer === 'execute' && !keep) h.commit(table, table.slot, body, body);
    // Why a session is gone may be forgotten sooner on one shard than on four.
    return `request ${request} of ${id}: ${answer.replace(/eviction .*/, 'eviction')}`;
  }
  if (slot < 0) return `no session ${id}`;
  if (kind === 7) {
    const isExecuting = table.isExecuting(slot);
    if (isExecuting && keep) table.abort(slot);
    else if (isExecuting) h.commit(table, slot, 'settled');
    return `settle ${id}: ${isExecuting}, ${keep}`;
  }
  if (kind === 8) {
    const answer = h.named(table, table.beginCall(h.message(table, { id })));
    if (answer === 'execute') h.commitCall(table, slot, undefined, keep);
    return `call ${id}: ${answer}`;
  }
  const m = h.message(table, { id, session, kind: Kind.CLOSE });
  return `close ${id}: ${h.named(table, table.close(m))}`;
}

function churn(seed: number, steps: number, ids: number): Map<string, number> {
  const next = h.random(seed);
  const engines = [engine(1), engine(4)];
  const seen = new Map<string, number>();
  for (let step = 0; step < steps; step++) {
    const choice = {
      kind: next(10),
      id: next(ids) + 1,
      body: `body ${next(3)}`,
      keep: next(3) === 0,
      ttlMs: next(3) === 0 ? 40 : undefined,
    };
    const delayMs = 1 + next(4) / 8;
    for (const tables of engines) tables[0].now[0] += delayMs;
    const [one, four] = engines.map((tables) => take(tables, choice));
    expect(four).toBe(one);
    const [held, holds] = engines.map((tables) => tables[0].ledger.sessions());
    expect(holds).toBe(held);
    for (const tables of engines) h.checkShards(tables);
    for (const word of one.split(/[ ,]+/)) seen.set(word, (seen.get(word) ?? 0) + 1);
  }
  return seen;
}

test('32 sessions on 4 shards have the same victims in the same order as on 1', () => {
  const seen = churn(11, 3_000, 80);
  expect(seen.get('evicted')).toBeGreaterThan(100);
  expect(seen.get('expired')).toBeGreaterThan(10);
  expect(seen.get('settle')).toBeGreaterThan(50);
});

test('the same holds when nearly everything is pinned and registers are refused', () => {
  const next = h.random(12);
  const engines = [engine(1), engine(4)];
  let refused = 0;
  let evicted = 0;
  for (let step = 0; step < 1_500; step++) {
    const id = next(50) + 1;
    const kind = [0, 0, 4, 4, 4, 4, 4, next(3) === 0 ? 7 : 4][next(8)];
    const choice = { kind, id, body: 'b', keep: kind === 4 || next(2) === 0, ttlMs: 1e6 };
    for (const tables of engines) tables[0].now[0] += 1;
    const [one, four] = engines.map((tables) => take(tables, choice));
    expect(four).toBe(one);
    for (const tables of engines) h.checkShards(tables);
    if (one.includes('no_room')) refused += 1;
    if (one.endsWith('evicted')) evicted += 1;
  }
  expect(refused).toBeGreaterThan(10);
  expect(evicted).toBeGreaterThan(10);
});

test('registers fill the shards to the global limit however unevenly they are loaded', () => {
  const tables = engine(4);
  for (let id = 1; id <= SESSIONS_MAX; id++) {
    tables[0].now[0] += 1;
    expect(h.admit(tables, { id })).toMatchObject({ admission: Admission.ADMITTED, victims: [] });
  }
  const loads = tables.map(h.liveCount);
  expect(new Set(loads).size).toBeGreaterThan(1);
  expect(h.admit(tables, { id: 99 }).victims).toEqual(['1 evicted']);
});

test('when every session of every shard is pinned a register finds no victim', () => {
  const tables = engine(4);
  const sessions: number[] = [];
  for (let id = 1; id <= SESSIONS_MAX; id++) {
    tables[0].now[0] += 1;
    const { table } = h.admit(tables, { id });
    sessions[id] = h.sessionOf(table, table.slot);
    h.begin(table, { id, session: sessions[id], request: 1 });
  }
  expect(h.admit(tables, { id: 99 })).toMatchObject({ admission: Admission.NO_ROOM, victims: [] });
  expect(tables[0].ledger.oldestShard()).toBe(-1);
  expect(tables.map((table) => table.evictOldest(FOREVER))).toEqual(
    tables.map(() => Eviction.NONE),
  );
  expect(tables[0].ledger.sessions()).toBe(SESSIONS_MAX);
  // The first that is unpinned is the victim, old or new.
  shardFor(tables, 20).abort(slotOf(tables, 20));
  expect(h.admit(tables, { id: 99 }).victims).toEqual(['20 evicted']);
  h.checkShards(tables);
});

test('a shard whose oldest is newer than another bound refuses and corrects its own bound', () => {
  const tables = h.makeShards(2, 4, 4);
  const [left, right] = tables;
  const put = (table: SessionTable, id: number, at: number): void => {
    table.now[0] = at;
    h.open(table, id);
  };
  put(left, 1, 10);
  put(right, 2, 20);
  put(left, 3, 30);
  // Session 1 commits again: the left bound still says 10, the oldest of all is now session 2.
  left.now[0] = 40;
  h.execute(left, { id: 1, session: 1, request: 1 });
  expect(left.ledger.boundOf(0)).toBe(10);
  expect(left.evictOldest(left.ledger.lowestBoundBeside(0))).toBe(Eviction.NOT_OLDEST);
  expect(left.ledger.boundOf(0)).toBe(30);
  expect(h.evictOne(tables)).toBe('2 evicted');
  expect(h.evictOne(tables)).toBe('3 evicted');
  expect(h.evictOne(tables)).toBe('1 evicted');
  expect(h.evictOne(tables)).toBe(null);
});

test('an aborted request makes its old session the first candidate again', () => {
  const tables = h.makeShards(2, 4, 4);
  tables[0].now[0] = 1;
  const session = h.open(tables[0], 1);
  const slot = tables[0].slot;
  tables[0].now[0] = 2;
  h.open(tables[1], 2);
  h.open(tables[0], 3);
  h.begin(tables[0], { id: 1, session, request: 1 });
  expect(h.evictOne(tables)).toBe('3 evicted');
  tables[0].abort(slot);
  expect(h.evictOne(tables)).toBe('1 evicted');
  expect(h.evictOne(tables)).toBe('2 evicted');
});

test('a session that ends by itself makes room without a victim', () => {
  const tables = engine(4);
  for (let id = 1; id <= SESSIONS_MAX; id++) h.admit(tables, { id });
  const table = shardFor(tables, 9);
  table.end(slotOf(tables, 9), Reason.CLOSED);
  expect(h.admit(tables, { id: 99 }).victims).toEqual([]);
  h.checkShards(tables);
});

test('a shard has slots for its share and eight deviations, or for all sessions if few', () => {
  expect(shardSlots(32, 1)).toBe(32);
  expect(shardSlots(32, 4)).toBe(32);
  expect(shardSlots(4096, 8)).toBe(4096);
  expect(shardSlots(100_000, 4)).toBe(25_000 + Math.ceil(8 * Math.sqrt(25_000)));
});
