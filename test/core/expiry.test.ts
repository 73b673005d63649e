/**
 * When sessions expire: exactly, for every step that looks (DESIGN G8), and in time for the sweep,
 * whatever their TTL was changed to. The clock is a cell that each test sets by hand.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { Admission, Eviction, Reason } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Header, Intent, ROW_WORDS, Row } from '../../src/core/layout.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { TTL_MS_MAX, TTL_NEVER } from '../../src/core/limits.ts';
import { CloseFlag, Kind } from '../../src/core/message.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';
import { copyOf } from './lockstep.ts';

/** The wheel finds a session no later than so long after its deadline. */
const LATE_MS = 512;

/** The Float64 that follows another one above 0. */
function after(value: number): number {
  const float = Float64Array.of(value);
  new BigInt64Array(float.buffer)[0] += 1n;
  return float[0];
}

function deadlineOf(table: SessionTable, slot: number): number {
  return table.arena.floats[(table.rowOf(slot) + Row.DEADLINE) / 2];
}

function ttlOf(table: SessionTable, slot: number): number {
  return table.arena.words[table.rowOf(slot) + Row.TTL_MS] >>> 0;
}

/** A call that commits on a session, which must be live. */
function call(table: SessionTable, id: number, touches: boolean, ttlMs = -1): void {
  const verdict = h.named(table, table.beginCall(h.message(table, { id, kind: Kind.CALL })));
  expect(verdict).toBe('execute');
  h.commitCall(table, table.slot, undefined, touches, ttlMs);
  checkInvariants(table);
}

/** Advances the wheel and sweeps all that it has: the ids that ended, in rising order. */
function swept(table: SessionTable, budget = 100): number[] {
  const ids: number[] = [];
  table.wheel.advance();
  while (table.sweep(budget)) {
    expect(table.ended.reason).toBe(Reason.EXPIRED);
    ids.push(table.ended.id3);
    checkInvariants(table);
  }
  checkInvariants(table);
  return ids.sort((a, b) => a - b);
}

/** Each step that may find a session expired, and what it answers for one that has. */
const READERS: [string, string, (table: SessionTable, session: number) => string][] = [
  ['request', 'eviction expired', (t, session) => verdictOf(t, session, 1)],
  ['duplicate', 'eviction expired', (t, session) => verdictOf(t, session, 0)],
  [
    'call',
    'eviction expired',
    (t) => h.named(t, t.beginCall(h.message(t, { id: 1, kind: Kind.CALL }))),
  ],
  ['close', 'eviction expired', (t, session) => closing(t, session, 0)],
  ['close of any', 'eviction expired', (t) => closing(t, 0, 0)],
  ['removal', 'eviction expired', (t) => closing(t, 0, CloseFlag.REMOVED)],
  ['disconnect', 'eviction expired', (t, session) => closing(t, session, CloseFlag.DISCONNECTED)],
  ['register', 'admitted', (t) => h.ADMISSIONS[h.register(t, { id: 1 })]],
];

function verdictOf(table: SessionTable, session: number, request: number): string {
  return h.named(table, h.begin(table, { id: 1, session, request }));
}

function closing(table: SessionTable, session: number, flags: number): string {
  return h.named(table, table.close(h.message(table, { id: 1, session, kind: Kind.CLOSE, flags })));
}

describe.each(READERS)('to a %s', (_name, gone, read) => {
  test.each([
    [0.125, 1],
    [1_000.75, 50],
    [86_400_000.5, 3_600_000],
    [0.25, TTL_MS_MAX],
  ])('a session of %d ms with a TTL of %d lives to its deadline, no longer', (start, ttlMs) => {
    const table = h.makeTable();
    table.now[0] = start;
    const session = h.open(table, 1, ttlMs);
    table.now[0] = start + ttlMs;
    const twin = copied(table);
    expect(read(twin, session)).not.toBe(gone);
    table.now[0] = after(start + ttlMs);
    expect(read(table, session)).toBe(gone);
    expect(table.endings).toBe(1);
    expect(table.ended.reason).toBe(Reason.EXPIRED);
    checkInvariants(table);
  });

  test('a session that has expired does not come back when the clock goes backwards', () => {
    const table = h.makeTable();
    const session = h.open(table, 1, 10);
    table.now[0] = 10.5;
    read(table, session);
    table.now[0] = 3;
    expect(verdictOf(table, session, 1)).toMatch(/^eviction /);
    checkInvariants(table);
  });
});

/** A table over a copy of another one's memory, at its time. */
function copied(table: SessionTable): SessionTable {
  const arena = new Arena(copyOf(table.arena.memory));
  const ledger = new Ledger(copyOf(table.ledger.memory));
  return new SessionTable(arena, ledger, Float64Array.of(table.now[0]), table.runner);
}

test('a request and a call begin the idle time anew, and nothing else does', () => {
  const table = h.makeTable();
  const session = h.open(table, 1, 100);
  const { slot } = table;
  table.now[0] = 60;
  h.execute(table, { id: 1, session, request: 1 });
  expect(deadlineOf(table, slot)).toBe(160);
  table.now[0] = 90;
  call(table, 1, true);
  expect(deadlineOf(table, slot)).toBe(190);
  table.now[0] = 180;
  call(table, 1, false);
  h.begin(table, { id: 1, session, request: 1 });
  h.begin(table, { id: 1, session, request: 5 });
  h.register(table, { id: 1, ttlMs: 5_000 });
  h.begin(table, { id: 1, session, request: 2 });
  table.abort(slot);
  h.begin(table, { id: 1, session, request: 2 });
  h.commit(table, slot, 'ok', undefined, 0, false);
  expect(deadlineOf(table, slot)).toBe(190);
  table.now[0] = after(190);
  expect(verdictOf(table, session, 3)).toBe('eviction expired');
});

test('a commit that touches nothing leaves the deadline as it is, to the bit', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.nat(1e9), (start, ttlMs) => {
      const table = h.makeTable();
      table.now[0] = start;
      h.open(table, 1, ttlMs + 1);
      const deadline = deadlineOf(table, table.slot);
      table.now[0] = start + ttlMs / 3;
      call(table, 1, false);
      expect(deadlineOf(table, table.slot)).toBe(deadline);
    }),
    h.runs(200),
  );
});

test('while a request executes its session neither expires nor is swept or evicted', () => {
  const table = h.makeTable();
  const session = h.open(table, 1, 10);
  const { slot } = table;
  h.begin(table, { id: 1, session, request: 1, body: 'a' });
  for (const now of [11, 600, 5_000, 1e9]) {
    table.now[0] = now;
    expect(swept(table)).toEqual([]);
    expect(table.evictOldest(Number.POSITIVE_INFINITY)).toBe(Eviction.NONE);
    expect(h.register(table, { id: 1 })).toBe(Admission.RESUMED);
    expect(h.named(table, h.begin(table, { id: 1, session, request: 1, body: 'a' }))).toBe(
      'joined',
    );
  }
  h.commit(table, slot, 'ok');
  expect(deadlineOf(table, slot)).toBe(1e9 + 10);
  table.now[0] = 1e9 + 10;
  expect(swept(table)).toEqual([]);
  table.now[0] = 1e9 + 10 + LATE_MS;
  expect(swept(table)).toEqual([1]);
});

test('a request that is given up after the TTL leaves a session that has expired', () => {
  const table = h.makeTable();
  const session = h.open(table, 1, 10);
  h.begin(table, { id: 1, session, request: 1 });
  table.now[0] = 10;
  table.abort(table.slot);
  expect(verdictOf(table, session, 1)).toBe('execute');
  table.now[0] = 10.25;
  table.abort(table.slot);
  expect(verdictOf(table, session, 1)).toBe('eviction expired');
});

describe('a commit that sets the TTL', () => {
  const TTLS = [1, 30, 500, 40_000, 3_000_000, TTL_MS_MAX, TTL_NEVER];
  const changes = TTLS.flatMap((from) => TTLS.map((to) => [from, to] as const));

  test.each(changes)('from %d to %d ends the session in time, not before', (from, to) => {
    for (const touches of [true, false]) {
      const table = h.makeTable();
      table.now[0] = 100.5;
      h.open(table, 1, from);
      const { slot } = table;
      table.now[0] = 101.25;
      call(table, 1, touches, to);
      expect(ttlOf(table, slot)).toBe(to);
      expect(table.wheel.isLinked(slot)).toBe(to !== TTL_NEVER);
      const start = touches ? 101.25 : 100.5;
      table.now[0] = to === TTL_NEVER ? 1e12 : start + to;
      expect(swept(table)).toEqual([]);
      expect(h.liveCount(table)).toBe(1);
      if (to === TTL_NEVER) continue;
      table.now[0] = after(start + to);
      expect(verdictOf(copied(table), 1, 1)).toBe('eviction expired');
      table.now[0] = start + to + LATE_MS;
      expect(swept(table)).toEqual([1]);
    }
  });

  test('may end the session at once, when it does not touch and the TTL has passed', () => {
    const table = h.makeTable();
    const session = h.open(table, 1, 1_000_000);
    table.now[0] = 5_000;
    call(table, 1, false, 100);
    expect(verdictOf(copied(table), session, 1)).toBe('eviction expired');
    table.now[0] = 5_000 + LATE_MS;
    expect(swept(table)).toEqual([1]);
  });

  test('counts on from the last activity after the session never expired', () => {
    const table = h.makeTable();
    table.now[0] = 50;
    h.open(table, 1, TTL_NEVER);
    const { slot } = table;
    table.now[0] = 90.5;
    call(table, 1, true);
    table.now[0] = 100;
    call(table, 1, false, 40);
    expect(deadlineOf(table, slot)).toBe(130.5);
    call(table, 1, false, TTL_NEVER);
    call(table, 1, false, TTL_NEVER);
    call(table, 1, false, 41);
    expect(deadlineOf(table, slot)).toBe(131.5);
  });

  test('also works for a request, and outlives requests that set none', () => {
    const table = h.makeTable();
    const session = h.open(table, 1, 1_000_000);
    const { slot } = table;
    h.begin(table, { id: 1, session, request: 1 });
    h.commit(table, slot, 'ok', 'data', 0, true, 20);
    table.now[0] = 15;
    h.execute(table, { id: 1, session, request: 2 });
    expect([ttlOf(table, slot), deadlineOf(table, slot)]).toEqual([20, 35]);
    table.now[0] = 35 + LATE_MS;
    expect(swept(table)).toEqual([1]);
    // The next session in the slot has its own.
    h.open(table, 2, TTL_NEVER);
    expect(table.wheel.isLinked(table.slot)).toBe(false);
    table.now[0] = 1e9;
    expect(swept(table)).toEqual([]);
  });
});

test('a sweep looks at no more than its budget, and the next one goes on', () => {
  const table = h.makeTable({ slots: 50 });
  for (let id = 1; id <= 50; id++) h.open(table, id, 600);
  table.now[0] = 590;
  for (let id = 2; id <= 50; id += 2) call(table, id, true);
  table.now[0] = 600 + LATE_MS;
  table.wheel.advance();
  const ended: number[] = [];
  for (let looks = 0; looks < 50; looks++) {
    expect(table.wheel.next()).toBeGreaterThanOrEqual(0);
    if (table.sweep(1)) ended.push(table.ended.id3);
    checkInvariants(table);
  }
  expect(table.wheel.next()).toBe(-1);
  expect(ended.sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => 2 * i + 1));
  table.now[0] = 1_190 + LATE_MS;
  expect(swept(table)).toHaveLength(25);
});

test('after a death in a commit, TTL and deadline are the new ones and the wheel finds it', () => {
  const seeds = fc.record({
    seed: fc.integer(),
    ttlMs: fc.constantFrom(-1, 5, 700, 90_000, TTL_NEVER),
    before: fc.constantFrom(10, 50_000, TTL_NEVER),
    touches: fc.boolean(),
    isCall: fc.boolean(),
  });
  fc.assert(
    fc.property(seeds, ({ seed, ttlMs, before, touches, isCall }) => {
      // A call that stores nothing has no intent: it is made in one piece.
      fc.pre(!isCall || ttlMs >= 0);
      const table = h.makeTable({ slots: 3 });
      const session = h.open(table, 1, before);
      const { slot } = table;
      h.open(table, 2, 20);
      table.now[0] = 7.5;
      if (!isCall) h.begin(table, { id: 1, session, request: 1 });
      const half = copied(table);
      if (isCall) h.commitCall(table, slot, undefined, touches, ttlMs);
      else h.commit(table, slot, 'ok', undefined, 0, touches, ttlMs);
      const next = h.random(seed);
      mix(table, half, Header.INTENT + 1, 31, () => true);
      mix(table, half, table.arena.regions.stagedReply, 64, () => true);
      mix(table, half, table.rowOf(slot), ROW_WORDS, () => next(2) === 0);
      half.arena.words[Header.INTENT] = isCall ? Intent.CALL : Intent.REQUEST;
      half.now[0] = 9;
      h.recovered(half, h.RUNNER);
      h.checkShards([half]);
      expect(ttlOf(half, slot)).toBe(ttlOf(table, slot));
      expect(deadlineOf(half, slot)).toBe(deadlineOf(table, slot));
      const never = ttlOf(table, slot) === TTL_NEVER;
      half.now[0] = never ? 1e12 : Math.max(deadlineOf(table, slot), 20) + LATE_MS;
      expect(swept(half)).toEqual(never ? [2] : [1, 2]);
    }),
    h.runs(300),
  );
});

/** Copies, of the words that differ, those that the choice takes. */
function mix(
  from: SessionTable,
  to: SessionTable,
  first: number,
  count: number,
  taken: () => boolean,
): void {
  const { words } = from.arena;
  for (let at = first; at < first + count; at++) {
    if (words[at] !== to.arena.words[at] && taken()) to.arena.words[at] = words[at];
  }
}

test('a wheel that is rebuilt long after finds what expired meanwhile, and all the rest', () => {
  const table = h.makeTable({ slots: 40 });
  const ttls = [1, 400, 5_000, 70_000, 4_000_000, 300_000_000, TTL_NEVER];
  for (let id = 1; id <= 35; id++) h.open(table, id, ttls[id % 7]);
  table.now[0] = 100_000;
  h.recovered(table, 99);
  h.checkShards([table]);
  table.now[0] = 100_000 + LATE_MS;
  expect(swept(table)).toHaveLength(20);
  table.now[0] = 4_000_000 + LATE_MS;
  expect(swept(table)).toHaveLength(5);
  table.now[0] = 300_000_000 + LATE_MS;
  expect(swept(table)).toHaveLength(5);
  expect(h.liveCount(table)).toBe(5);
});

test('with a clock that jumps and goes backwards, idle time counts from the newest commit', () => {
  const move = fc.record({
    jump: fc.constantFrom(-1e6, -700, -0.5, 0, 0.25, 3, 511, 512, 40_000, 2 ** 22, 2 ** 31),
    act: fc.constantFrom('register', 'call', 'sweep', 'nothing'),
    id: fc.integer({ min: 1, max: 5 }),
    ttlMs: fc.constantFrom(1, 10, 513, 33_000, 3_000_000, TTL_NEVER),
  });
  fc.assert(
    fc.property(fc.array(move, { minLength: 10, maxLength: 60, size: 'max' }), (moves) => {
      const table = h.makeTable({ slots: 5 });
      const live = new Map<number, { activeAt: number; ttlMs: number }>();
      let newest = 0;
      for (const { jump, act, id, ttlMs } of moves) {
        table.now[0] = Math.max(0, table.now[0] + jump);
        const now = table.now[0];
        const isGone = (of: number): boolean => {
          const known = live.get(of);
          if (known === undefined) return true;
          return known.ttlMs !== TTL_NEVER && now - known.activeAt > known.ttlMs;
        };
        if (act === 'nothing') continue;
        if (act === 'sweep') {
          for (const ended of swept(table)) {
            expect(isGone(ended)).toBe(true);
            live.delete(ended);
          }
          continue;
        }
        if (isGone(id)) live.delete(id);
        if (act === 'register') {
          const admission = h.register(table, { id, ttlMs });
          expect(admission).toBe(live.has(id) ? Admission.RESUMED : Admission.ADMITTED);
          if (admission === Admission.RESUMED) continue;
          newest = Math.max(newest, now);
          live.set(id, { activeAt: newest, ttlMs });
        } else {
          const m = h.message(table, { id, kind: Kind.CALL });
          const isLive = h.named(table, table.beginCall(m)) === 'execute';
          expect(isLive).toBe(live.has(id));
          if (!isLive) continue;
          h.commitCall(table, table.slot, undefined, true, ttlMs);
          newest = Math.max(newest, now);
          live.set(id, { activeAt: newest, ttlMs });
        }
        checkInvariants(table);
      }
    }),
    h.runs(200),
  );
});
