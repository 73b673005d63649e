/**
 * Rebuilding a table whose runner died, from half-applied states made by hand. A state is made
 * from two copies of one table, before and after a step, by mixing their words.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Admission, Reason, Verdict } from '../../src/core/codes.ts';
import { Header, Intent, ROW_WORDS, Row } from '../../src/core/layout.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';
import {
  arbitraryStep,
  copyOf,
  type Lockstep,
  makeLockstep,
  modelState,
  tableState,
} from './lockstep.ts';

const DEAD = 1;
const OTHER = 2;
const FOREVER = Number.POSITIVE_INFINITY;
const history = fc.array(arbitraryStep, { minLength: 5, maxLength: 60, size: 'max' });

function copy(table: SessionTable): SessionTable {
  const arena = new Arena(copyOf(table.arena.memory));
  const ledger = new Ledger(copyOf(table.ledger.memory));
  return new SessionTable(arena, ledger, table.now, table.runner);
}

/** A pair after a random history. */
function pairAfter(steps: Parameters<Lockstep['run']>[0][]): Lockstep {
  const pair = makeLockstep(4, 4);
  for (const step of steps) pair.run(step);
  return pair;
}

/** The state a rebuild must give: nothing runs on the dead runner any more. */
function expected(pair: Lockstep): string[] {
  return modelState(pair.model).map((line) => line.replace(`runs on ${DEAD}`, 'idle'));
}

/** Rebuilds a table and checks all that holds of any rebuilt table. */
function checkRebuild(table: SessionTable, state: string[]): void {
  h.recovered(table, DEAD);
  h.checkShards([table]);
  expect(tableState(table)).toEqual(state);
  expect(h.recovered(table, DEAD)).toEqual([]);
  expect(tableState(table)).toEqual(state);
  h.checkShards([table]);
}

/** Copies, of the words from `first` on that differ, those that the choice takes. */
function mix(from: Arena, to: Arena, first: number, count: number, taken: () => boolean): void {
  for (let at = first; at < first + count; at++) {
    if (from.words[at] !== to.words[at] && taken()) to.words[at] = from.words[at];
  }
}

test('rebuilding an intact table changes nothing but the pins of the dead runner', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pair = pairAfter(steps);
      const [table] = pair.views;
      const pinned = [...pair.model.sessions.values()].filter((s) => s.executing?.runner === DEAD);
      const abandoned = h.recovered(table, DEAD);
      h.checkShards([table]);
      expect(tableState(table)).toEqual(expected(pair));
      const told = abandoned.map(({ slot, token }) => `${h.idOf(table, slot)} ${token}`);
      expect(told.sort()).toEqual(pinned.map(({ id, token }) => `${id} ${token}`).sort());
    }),
    h.runs(100),
  );
});

test('index, order, free list and pin count come from the rows, whatever they held', () => {
  fc.assert(
    fc.property(history, fc.integer(), (steps, seed) => {
      const pair = pairAfter(steps);
      const { arena } = pair.views[0];
      const { index, order, ended } = arena.regions;
      const next = h.random(seed);
      const garbage = (): number => next(2 ** 32) | 0;
      for (let at = index; at < ended; at++) arena.words[at] = garbage();
      // Only the links: an order entry's time belongs to its slot.
      for (let slot = 0; slot <= arena.slots; slot++) {
        arena.words[order + slot * 4] = garbage();
        arena.words[order + slot * 4 + 1] = garbage();
      }
      arena.words[Header.FREE_HEAD] = garbage();
      arena.words[Header.EXECUTING] = garbage();
      checkRebuild(pair.views[0], expected(pair));
    }),
    h.runs(100),
  );
});

test('a commit is finished from its intent, however much of it was applied', () => {
  fc.assert(
    fc.property(history, fc.integer(), fc.boolean(), (steps, seed, writes) => {
      const pair = pairAfter(steps);
      const free = pair.model.order.filter((id) => {
        const live = pair.model.find(id);
        return live?.executing === null && live.rate === null;
      });
      fc.pre(free.length > 0);
      const table = pair.views[0];
      const slot = h.orderOf(table).find((at) => h.idOf(table, at) === free[0])!;
      const session = h.sessionOf(table, slot);
      const request = h.requestOf(table, slot) + 1;
      h.begin(table, { id: free[0], session, request, body: 'last words' });
      const half = copy(table);
      h.commit(table, slot, 'the reply', writes ? 'the data' : undefined, 2);
      const state = tableState(table).map((line) => line.replace(`runs on ${DEAD}`, 'idle'));
      const { arena } = table;
      const always = (): boolean => true;
      mix(arena, half.arena, Header.INTENT + 1, 15, always);
      mix(arena, half.arena, arena.regions.stagedReply, arena.regions.payloadWords, always);
      const next = h.random(seed);
      const some = (): boolean => next(2) === 0;
      mix(arena, half.arena, arena.regions.rows + slot * ROW_WORDS, ROW_WORDS, some);
      mix(arena, half.arena, arena.dataAt(slot), arena.regions.payloadWords, some);
      mix(arena, half.arena, Header.COMMITS, 4, some);
      half.arena.words[Header.INTENT] = Intent.REQUEST;
      checkRebuild(half, state);
      const again = { id: free[0], session, request, body: 'last words' };
      expect(h.begin(half, again)).toBe(Verdict.REPLAY);
      expect(h.text(h.replyOf(half, half.slot))).toBe('the reply');
    }),
    h.runs(150),
  );
});

test('a call is finished from its intent without touching number, reply or pin', () => {
  const table = h.makeTable({ runner: DEAD });
  const session = h.open(table, 1);
  const slot = table.slot;
  h.open(table, 2);
  h.execute(table, { id: 1, session, request: 1, body: 'a' }, 'one', 'before');
  h.open(table, 3);
  const half = copy(table);
  h.commitCall(table, slot, 'after', true);
  mix(table.arena, half.arena, Header.INTENT + 1, 15, () => true);
  mix(table.arena, half.arena, table.arena.regions.stagedData, 16, () => true);
  half.arena.words[Header.INTENT] = Intent.CALL;
  checkRebuild(half, tableState(table));
  expect(h.text(h.dataOf(half, slot))).toBe('after');
  expect(h.text(h.replyOf(half, slot))).toBe('one');
  expect(h.requestOf(half, slot)).toBe(1);
});

test('a request that had no intent yet is not committed and can be asked again', () => {
  const table = h.makeTable({ runner: DEAD });
  const session = h.open(table, 1);
  const slot = table.slot;
  h.execute(table, { id: 1, session, request: 1 }, 'one', 'data');
  h.begin(table, { id: 1, session, request: 2, token: 44, frontEnd: 6 });
  h.stage(table.arena, 'half a reply', 'half the data');
  expect(h.recovered(table, DEAD)).toEqual([{ slot, frontEnd: 6, token: 44 }]);
  h.checkShards([table]);
  expect(h.requestOf(table, slot)).toBe(1);
  expect(h.text(h.dataOf(table, slot))).toBe('data');
  h.execute(table, { id: 1, session, request: 2 }, 'two');
  expect(h.text(h.replyOf(table, slot))).toBe('two');
  h.checkShards([table]);
});

test('requests that other runners execute stay pinned and are committed by them', () => {
  const dead = h.makeTable({ slots: 3, runner: DEAD });
  const other = new SessionTable(dead.arena, dead.ledger, dead.now, OTHER);
  const sessions = [1, 2, 3].map((id) => h.open(dead, id));
  h.begin(dead, { id: 1, session: sessions[0], request: 1 });
  h.begin(other, { id: 2, session: sessions[1], request: 1, body: 'b' });
  expect(h.recovered(other, DEAD).map(({ slot }) => slot)).toEqual([0]);
  h.checkShards([other]);
  expect([0, 1, 2].map((slot) => other.isExecuting(slot))).toEqual([false, true, false]);
  expect(h.begin(other, { id: 2, session: sessions[1], request: 1, body: 'b' })).toBe(
    Verdict.JOINED,
  );
  h.commit(other, 1, 'done');
  h.checkShards([other]);
  expect(h.orderOf(other)).toEqual([0, 2, 1]);
});

test('a session admitted in its row only is admitted: index and order learn of it', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pair = pairAfter(steps);
      const table = pair.views[0];
      fc.pre(pair.model.sessions.size < 4);
      const half = copy(table);
      expect(h.register(table, { id: 99, ttlMs: 7 })).toBe(Admission.ADMITTED);
      const state = tableState(table).map((line) => line.replace(`runs on ${DEAD}`, 'idle'));
      const row = table.arena.regions.rows + table.slot * ROW_WORDS;
      mix(table.arena, half.arena, row, ROW_WORDS, () => true);
      mix(table.arena, half.arena, Header.LIVE, 8, () => true);
      half.ledger.take();
      checkRebuild(half, state);
    }),
    h.runs(60),
  );
});

test('a slot taken for a session that was never written is free again, and so is its place', () => {
  for (const [first, isUsed] of [
    [2, false],
    [3, true],
  ] as const) {
    const table = h.makeTable({ slots: 3, runner: DEAD });
    for (let id = 1; id <= first; id++) h.open(table, id);
    if (isUsed) table.end(1, Reason.CLOSED);
    const state = tableState(table);
    table.ledger.take();
    table.arena.words[Header.LIVE] += 1;
    const slot = table.pool.take();
    table.arena.words[table.rowOf(slot) + Row.ID0] = 12345;
    checkRebuild(table, state);
    expect(table.ledger.sessions()).toBe(2);
    expect(h.register(table, { id: 9 })).toBe(Admission.ADMITTED);
    expect(h.register(table, { id: 10 })).toBe(Admission.NO_ROOM);
    h.checkShards([table]);
  }
});

test('a session whose flags were cleared has ended, although index and order still hold it', () => {
  fc.assert(
    fc.property(history, fc.nat(3), (steps, pick) => {
      const pair = pairAfter(steps);
      const table = pair.views[0];
      const ids = pair.model.order.filter((id) => !pair.model.sessions.get(id)!.executing);
      fc.pre(ids.length > 0);
      const id = ids[pick % ids.length];
      const slot = h.orderOf(table).find((at) => h.idOf(table, at) === id)!;
      table.arena.words[table.rowOf(slot) + Row.FLAGS] = 0;
      const state = expected(pair).filter((line) => !line.startsWith(`id ${id} `));
      checkRebuild(table, state);
      expect(h.register(table, { id })).toBe(Admission.ADMITTED);
      h.checkShards([table]);
    }),
    h.runs(100),
  );
});

test('after a rebuild the bounds are right again: victims come in order over all shards', () => {
  const tables = h.makeShards(2, 6, 6);
  for (let id = 1; id <= 6; id++) {
    tables[0].now[0] += 1;
    h.open(tables[id % 2], id);
  }
  h.begin(tables[1], { id: 1, session: 1, request: 1 });
  expect(h.evictOne(tables)).toBe('2 evicted');
  h.recovered(tables[1], h.RUNNER);
  h.checkShards(tables);
  const victims = [1, 2, 3, 4, 5, 6].map(() => h.evictOne(tables));
  const left = [1, 3, 4, 5, 6].map((id) => `${id} evicted`);
  expect(victims).toEqual([...left, null]);
  expect(tables[1].evictOldest(FOREVER)).toBe(2);
});

test('a live count that no single death explains is a programming error', () => {
  const table = h.makeTable({ slots: 4, runner: DEAD });
  for (let id = 1; id <= 3; id++) h.open(table, id);
  table.arena.words[table.rowOf(0) + Row.FLAGS] = 0;
  table.arena.words[table.rowOf(1) + Row.FLAGS] = 0;
  expect(() => h.recovered(table, DEAD)).toThrow(AssertionFailure);
});
