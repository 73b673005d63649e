/** The core's share of the guarantees of DESIGN §2. G5, G6 over shards are in capacity.test.ts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Admission, Eviction, Reason, Verdict } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Kind } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';

const FOREVER = Number.POSITIVE_INFINITY;

/** Delivers a request as a shard would: executes it if told so, adding one to a counter. */
function deliver(table: SessionTable, fields: h.MessageFields, counts: Map<number, number>) {
  const verdict = h.begin(table, fields);
  if (verdict === Verdict.EXECUTE) {
    const n = fields.request!;
    counts.set(n, (counts.get(n) ?? 0) + 1);
    h.commit(table, table.slot, `reply ${n}`);
  }
  checkInvariants(table);
  return verdict;
}

test('G1: requests that are duplicated, reordered and dropped commit at most once each', () => {
  const deliveries = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 80, size: 'max' });
  fc.assert(
    fc.property(deliveries, (numbers) => {
      const table = h.makeTable();
      const session = h.open(table, 1);
      const counts = new Map<number, number>();
      let last = 0;
      for (const request of numbers) {
        const fields = { id: 1, session, request, body: `body ${request}` };
        const executed = deliver(table, fields, counts) === Verdict.EXECUTE;
        expect(executed).toBe(request === last + 1);
        if (executed) last = request;
      }
      expect([...counts.values()].every((count) => count === 1)).toBe(true);
      expect([...counts.keys()]).toEqual(Array.from({ length: last }, (_, i) => i + 1));
    }),
    h.runs(100),
  );
});

test('G2: a duplicate of the last request gets the same bytes, whatever happens elsewhere', () => {
  const replies = fc.array(fc.uint8Array({ maxLength: 64 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(replies, (bytes) => {
      const table = h.makeTable({ slots: 2 });
      const session = h.open(table, 1);
      const other = h.open(table, 2);
      bytes.forEach((reply, i) => {
        const mine = { id: 1, session, request: i + 1, body: 'mine' };
        expect(h.begin(table, mine)).toBe(Verdict.EXECUTE);
        h.commit(table, table.slot, reply);
        h.execute(table, { id: 2, session: other, request: i + 1 }, 'x'.repeat(64), 'y');
        for (let again = 0; again < 2; again++) {
          expect(h.begin(table, mine)).toBe(Verdict.REPLAY);
          expect(h.replyOf(table, table.slot)).toEqual(reply);
        }
      });
    }),
    h.runs(50),
  );
});

test('G3: only last + 1 executes, and only one at a time', () => {
  const table = h.makeTable();
  const session = h.open(table, 1);
  for (let n = 1; n <= 3; n++) {
    for (let request = 0; request <= 6; request++) {
      if (request === n) continue;
      expect(h.begin(table, { id: 1, session, request, body: 'x' })).not.toBe(Verdict.EXECUTE);
    }
    expect(h.begin(table, { id: 1, session, request: n })).toBe(Verdict.EXECUTE);
    for (let request = 0; request <= 6; request++) {
      expect(h.begin(table, { id: 1, session, request })).not.toBe(Verdict.EXECUTE);
      expect(h.begin(table, { id: 1, session, request, body: 'x' })).not.toBe(Verdict.EXECUTE);
    }
    h.commit(table, table.slot, '');
  }
});

test('G4: a message of an older session never executes on the newer one', () => {
  const table = h.makeTable();
  const sessions: number[] = [];
  for (let round = 0; round < 4; round++) {
    sessions.push(h.open(table, 1));
    for (const old of sessions.slice(0, -1)) {
      const verdict = h.begin(table, { id: 1, session: old, request: 1 });
      expect(h.named(table, verdict)).toBe('eviction session_too_low');
      table.close(h.message(table, { id: 1, session: old, kind: Kind.CLOSE }));
      expect(h.liveCount(table)).toBe(1);
    }
    h.execute(table, { id: 1, session: sessions[round], request: 1 });
    table.end(table.slot, Reason.REMOVED);
  }
  expect(sessions).toEqual([...sessions].sort((a, b) => a - b));
  expect(new Set(sessions).size).toBe(4);
});

test('G5: a register is refused at the global limit, and at no other count', () => {
  const table = h.makeTable({ slots: 20, sessionsMax: 5 });
  for (let id = 1; id <= 5; id++) expect(h.register(table, { id })).toBe(Admission.ADMITTED);
  expect(h.register(table, { id: 6 })).toBe(Admission.NO_ROOM);
  expect(h.register(table, { id: 5 })).toBe(Admission.RESUMED);
  expect(h.liveCount(table)).toBe(5);
  expect(table.ledger.sessions()).toBe(5);
  checkInvariants(table);
  table.evictOldest(FOREVER);
  expect(h.register(table, { id: 6 })).toBe(Admission.ADMITTED);
});

test('G6: the victim committed longest ago; requests and calls count, refusals do not', () => {
  const table = h.makeTable({ slots: 4 });
  const sessions = [0, 1, 2, 3, 4].map((id) => (id === 0 ? 0 : h.open(table, id)));
  const evicted = (): number => {
    expect(table.evictOldest(FOREVER)).toBe(Eviction.EVICTED);
    checkInvariants(table);
    return table.ended.id3;
  };
  table.now[0] = 1;
  h.execute(table, { id: 1, session: sessions[1], request: 1 });
  table.beginCall(h.message(table, { id: 2 }));
  h.commitCall(table, table.slot, undefined, false);
  // None of these is a commit: resume, gap, stale, too high, a begin that is aborted.
  h.register(table, { id: 3 });
  h.begin(table, { id: 3, session: sessions[3], request: 2 });
  h.begin(table, { id: 3, session: sessions[3], request: 0 });
  h.begin(table, { id: 3, session: sessions[3] + 9, request: 1 });
  h.begin(table, { id: 3, session: sessions[3], request: 1 });
  table.abort(table.slot);
  h.begin(table, { id: 1, session: sessions[1], request: 1 });
  expect([evicted(), evicted(), evicted(), evicted()]).toEqual([3, 4, 1, 2]);
  expect(table.evictOldest(FOREVER)).toBe(Eviction.NONE);
});

test('G6: commits of one instant are ordered by their commit number', () => {
  const table = h.makeTable({ slots: 8 });
  for (let id = 8; id >= 1; id--) h.open(table, id);
  for (let id = 8; id >= 1; id--) {
    table.evictOldest(FOREVER);
    expect(table.ended.id3).toBe(id);
  }
});

test('G7: after an eviction nothing of the session executes, and each message is told so', () => {
  const table = h.makeTable({ slots: 2 });
  const session = h.open(table, 1);
  h.execute(table, { id: 1, session, request: 1, body: 'a' });
  table.evictOldest(FOREVER);
  expect(table.ended.reason).toBe(Reason.EVICTED);
  for (const request of [0, 1, 2, 3]) {
    const verdict = h.begin(table, { id: 1, session, request, body: 'a' });
    expect(h.named(table, verdict)).toBe('eviction evicted');
  }
  const again = h.open(table, 1);
  const verdict = h.begin(table, { id: 1, session, request: 2, body: 'a' });
  expect(h.named(table, verdict)).toBe('eviction session_too_low');
  expect(again).toBeGreaterThan(session);
});

test('G8: a session is gone for every reader once idle for longer than its TTL', () => {
  const readers: ((table: SessionTable, session: number) => string)[] = [
    (table, session) => h.named(table, h.begin(table, { id: 1, session, request: 1 })),
    (table) => h.named(table, table.beginCall(h.message(table, { id: 1 }))),
    (table) => h.named(table, table.close(h.message(table, { id: 1, kind: Kind.CLOSE }))),
  ];
  for (const read of readers) {
    const table = h.makeTable({ ttlDefaultMs: 50 });
    table.now[0] = 1_000;
    h.register(table, { id: 1 });
    const session = h.sessionOf(table, table.slot);
    table.now[0] = 1_050 + 2 ** -20;
    expect(read(table, session)).toBe('eviction expired');
    checkInvariants(table);
  }
  const table = h.makeTable({ ttlDefaultMs: 50 });
  h.register(table, { id: 1 });
  table.now[0] = 50;
  expect(h.register(table, { id: 1 })).toBe(Admission.RESUMED);
  table.now[0] = 51;
  expect(h.register(table, { id: 1 })).toBe(Admission.ADMITTED);
});

test('G9: a pinned session is neither evicted nor expired, and is both once it is not', () => {
  const table = h.makeTable({ slots: 3 });
  const session = h.open(table, 1, 10);
  const slot = table.slot;
  h.open(table, 2);
  h.begin(table, { id: 1, session, request: 1 });
  table.now[0] = 1_000;
  expect(h.register(table, { id: 1 })).toBe(Admission.RESUMED);
  expect(h.begin(table, { id: 1, session, request: 1 })).toBe(Verdict.JOINED);
  table.evictOldest(FOREVER);
  expect(table.ended.id3).toBe(2);
  expect(table.evictOldest(FOREVER)).toBe(Eviction.NONE);
  expect(table.ledger.oldestShard()).toBe(-1);
  checkInvariants(table);
  h.commit(table, slot, 'late');
  expect(table.ledger.oldestShard()).toBe(0);
  table.now[0] = 1_010;
  expect(h.begin(table, { id: 1, session, request: 1 })).toBe(Verdict.REPLAY);
  table.now[0] = 1_011;
  expect(table.evictOldest(FOREVER)).toBe(Eviction.EVICTED);
  expect(table.ended).toMatchObject({ id3: 1, reason: Reason.EXPIRED });
});

/** All that belongs to a slot, payload regions whole, without its links in order and index. */
function everything(table: SessionTable, slot: number): number[] {
  const { arena } = table;
  const row = table.rowOf(slot);
  const payload = arena.dataAt(slot);
  return [
    ...arena.words.slice(row, row + 32),
    ...arena.words.slice(payload, payload + arena.regions.payloadWords),
    table.order.timeOf(slot),
  ];
}

test('G12: whatever one session does never changes the row or the payload of another', () => {
  const table = h.makeTable({ slots: 3, dataBytesMax: 13, replyBytesMax: 9 });
  const full = (n: number, byte: number): Uint8Array => new Uint8Array(n).fill(byte);
  const sessions = [1, 2, 3].map((id) => h.open(table, id));
  const slots = [1, 2, 3].map((_, i) => i);
  for (const i of slots) {
    h.begin(table, { id: i + 1, session: sessions[i], request: 1 });
    h.commit(table, i, full(9, i + 1), full(13, i + 1));
  }
  const before = slots.map((slot) => everything(table, slot));
  const rest = (): unknown => [everything(table, 0), everything(table, 2)];
  h.begin(table, { id: 2, session: sessions[1], request: 2 });
  expect(rest()).toEqual([before[0], before[2]]);
  h.commit(table, 1, full(9, 0xff), full(13, 0xff), 1);
  expect(rest()).toEqual([before[0], before[2]]);
  table.now[0] = 5_000;
  h.commitCall(table, 1, full(13, 0xee), true);
  table.end(1, Reason.CLOSED);
  expect(rest()).toEqual([before[0], before[2]]);
  h.open(table, 4, 1);
  expect(h.idOf(table, 1)).toBe(4);
  expect(h.dataOf(table, 1).length + h.replyOf(table, 1).length).toBe(0);
  expect(rest()).toEqual([before[0], before[2]]);
});

test('G12: an aborted request leaves data, reply and version of its session as they were', () => {
  const table = h.makeTable();
  const session = h.open(table, 1);
  h.execute(table, { id: 1, session, request: 1 }, 'reply', 'data');
  const payload = (): unknown => [h.dataOf(table, table.slot), h.replyOf(table, table.slot)];
  const before = payload();
  h.begin(table, { id: 1, session, request: 2 });
  h.stage(table.arena, 'half written', 'half changed');
  table.abort(table.slot);
  expect(payload()).toEqual(before);
  checkInvariants(table);
});

test('G13: payloads above their limit are refused before anything is changed', () => {
  const table = h.makeTable({ dataBytesMax: 16, replyBytesMax: 8 });
  const session = h.open(table, 1);
  h.execute(table, { id: 1, session, request: 1 }, '12345678', 'data');
  h.begin(table, { id: 1, session, request: 2 });
  const before = everything(table, table.slot);
  expect(() => table.commit(table.slot, 0, 9, -1)).toThrow(AssertionFailure);
  expect(() => table.commit(table.slot, 0, 0, 17)).toThrow(AssertionFailure);
  expect(everything(table, table.slot)).toEqual(before);
  table.redo();
  expect(everything(table, table.slot)).toEqual(before);
  table.commit(table.slot, 0, 8, 16);
  checkInvariants(table);
});

test('G13: a table never holds more than its slots, nor the shards more than the limit', () => {
  const table = h.makeTable({ slots: 4, sessionsMax: 100 });
  for (let id = 1; id <= 50; id++) h.register(table, { id });
  expect(h.liveCount(table)).toBe(4);
  expect(h.register(table, { id: 60 })).toBe(Admission.SHARD_FULL);
  expect(table.ledger.sessions()).toBe(4);
  checkInvariants(table);
  const shards = h.makeShards(3, 10, 8);
  const next = h.random(5);
  for (let step = 0; step < 500; step++) {
    h.register(shards[next(3)], { id: next(40) + 1 });
    if (next(4) === 0) h.evictOne(shards);
    expect(shards[0].ledger.sessions()).toBeLessThanOrEqual(10);
    h.checkShards(shards);
  }
});
