/** What a register gives its session: TTL, rate limit, capabilities, first data and scope. */
import { describe, expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Admission, Reason, Verdict } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Row, RowFlag } from '../../src/core/layout.ts';
import { RATE_BURST_MAX, RATE_PER_SECOND_MAX, TTL_NEVER } from '../../src/core/limits.ts';
import { CloseFlag, Kind, RegisterFlag } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';

/** All that a register sets, of the session in a slot. */
function granted(table: SessionTable, slot = table.slot): Record<string, unknown> {
  const { words, floats } = table.arena;
  const row = table.rowOf(slot);
  return {
    ttlMs: words[row + Row.TTL_MS] >>> 0,
    rate: [words[row + Row.RATE_PER_SECOND], words[row + Row.RATE_BURST]],
    capabilities: words[row + Row.CAPABILITIES],
    data: h.text(h.dataOf(table, slot)),
    version: floats[(row + Row.VERSION) / 2],
    scoped: (words[row + Row.FLAGS] & RowFlag.CONNECTION) !== 0,
  };
}

const PLAIN = { rate: [0, 0], capabilities: 0, data: '', version: 0, scoped: false };
const DATA = RegisterFlag.DATA;
const SCOPED = RegisterFlag.CONNECTION;

test('a register without options gets the defaults of the table', () => {
  const bare = h.makeTable({ ttlDefaultMs: 77 });
  expect(h.register(bare, { id: 1 })).toBe(Admission.ADMITTED);
  expect(granted(bare)).toEqual({ ...PLAIN, ttlMs: 77 });
  const limited = h.makeTable({ ttlDefaultMs: TTL_NEVER, ratePerSecond: 5, rateBurst: 9 });
  expect(h.register(limited, { id: 1 })).toBe(Admission.ADMITTED);
  expect(granted(limited)).toEqual({ ...PLAIN, ttlMs: TTL_NEVER, rate: [5, 9] });
  expect(limited.wheel.isLinked(limited.slot)).toBe(false);
  for (const table of [bare, limited]) checkInvariants(table);
});

test('a rate limit of its own replaces the default, also where there is none', () => {
  for (const ratePerSecond of [0, 5]) {
    const table = h.makeTable({ ratePerSecond, rateBurst: ratePerSecond });
    h.register(table, { id: 1, rate: [RATE_PER_SECOND_MAX, RATE_BURST_MAX] });
    expect(granted(table).rate).toEqual([RATE_PER_SECOND_MAX, RATE_BURST_MAX]);
    h.register(table, { id: 2, rate: [1, 1] });
    expect(granted(table).rate).toEqual([1, 1]);
  }
});

test('a session begins with its whole burst, also in the slot of one that spent its own', () => {
  const table = h.makeTable({ slots: 1 });
  for (let id = 1; id <= 3; id++) {
    table.now[0] += 0.5;
    const session = h.sessionOf(table, registered(table, { id, rate: [1, 2] }));
    for (let request = 1; request <= 3; request++) {
      const m = h.message(table, { id, session, request });
      const verdict = table.begin(m);
      expect(verdict).toBe(request <= 2 ? Verdict.EXECUTE : Verdict.ERROR);
      if (verdict !== Verdict.EXECUTE) continue;
      table.pay(table.slot, m);
      h.commit(table, table.slot, 'ok');
    }
    expect(table.retryAfterMs).toBe(1_000);
    table.end(table.slot, Reason.CLOSED);
  }
});

function registered(table: SessionTable, fields: h.MessageFields): number {
  expect(h.register(table, fields)).toBe(Admission.ADMITTED);
  checkInvariants(table);
  return table.slot;
}

test('capabilities are the bits of the message, up to the last one', () => {
  const table = h.makeTable();
  for (const [id, capabilities] of [0, 1, 6, 1 << 30, 2 ** 31 - 1].entries()) {
    registered(table, { id: id + 1, capabilities });
    expect(granted(table).capabilities).toBe(capabilities);
  }
});

describe('first data', () => {
  test('is the first write: version 1, its very bytes, at any length up to the limit', () => {
    const table = h.makeTable({ slots: 65, dataBytesMax: 61 });
    for (let length = 0; length <= 61; length++) {
      const body = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
      const slot = registered(table, { id: length + 1, flags: DATA, body });
      expect(h.dataOf(table, slot)).toEqual(body);
      expect(granted(table).version).toBe(1);
    }
    const over = new Uint8Array(62);
    expect(() => h.register(table, { id: 99, flags: DATA, body: over })).toThrow(AssertionFailure);
  });

  test('stays away without its flag, and does not reach the next session of the slot', () => {
    const table = h.makeTable({ slots: 1 });
    registered(table, { id: 1, flags: DATA, body: 'of the first' });
    table.end(table.slot, Reason.CLOSED);
    registered(table, { id: 2, body: 'no flag' });
    expect(granted(table)).toEqual({ ...PLAIN, ttlMs: 1_000 });
  });

  test('is read from where it lies in a longer memory, and written over by the next', () => {
    const table = h.makeTable();
    const m = h.message(table, { id: 1, flags: DATA, kind: Kind.REGISTER });
    const bytes = h.toBytes('....the data, ....');
    h.setBody(m, bytes);
    m.bodyWord = 1;
    m.bodyLength = 9;
    expect(table.register(m)).toBe(Admission.ADMITTED);
    expect(granted(table)).toMatchObject({ data: 'the data,', version: 1 });
    const session = h.sessionOf(table, table.slot);
    h.execute(table, { id: 1, session, request: 1 }, 'ok', 'more');
    expect(granted(table)).toMatchObject({ data: 'more', version: 2 });
  });
});

test('a session of a connection ends with it; any other does not know the difference', () => {
  const table = h.makeTable();
  registered(table, { id: 1, flags: SCOPED });
  expect(granted(table).scoped).toBe(true);
  registered(table, { id: 2 });
  expect(granted(table).scoped).toBe(false);
  const gone = { id: 1, session: 1, kind: Kind.CLOSE, flags: CloseFlag.DISCONNECTED };
  expect(h.named(table, table.close(h.message(table, gone)))).toBe('eviction disconnected');
  expect(h.named(table, table.close(h.message(table, gone)))).toBe('eviction disconnected');
  expect(table.endings).toBe(1);
  // The id's next session is not the connection's.
  registered(table, { id: 1 });
  expect(h.named(table, table.close(h.message(table, gone)))).toBe('eviction session_too_low');
  expect(h.liveCount(table)).toBe(2);
});

test('a session whose connection goes while it executes ends once that is over', () => {
  for (const settles of ['commit', 'abort']) {
    const table = h.makeTable();
    const slot = registered(table, { id: 1, flags: SCOPED });
    const session = h.sessionOf(table, slot);
    h.begin(table, { id: 1, session, request: 1, body: 'a', token: 5 });
    const gone = { id: 1, session, kind: Kind.CLOSE, flags: CloseFlag.DISCONNECTED };
    expect(h.named(table, table.close(h.message(table, gone)))).toBe('joined');
    expect(h.named(table, table.close(h.message(table, gone)))).toBe('joined');
    expect(table.reap(slot)).toBe(false);
    expect(h.register(table, { id: 1 })).toBe(Admission.RESUMED);
    if (settles === 'commit') h.commit(table, slot, 'done');
    else table.abort(slot);
    checkInvariants(table);
    expect(table.reap(slot)).toBe(true);
    expect(table.ended).toMatchObject({ token: 5, reason: Reason.DISCONNECTED });
    expect(table.reap(slot)).toBe(false);
    checkInvariants(table);
    // The next session in the slot has no part in it.
    registered(table, { id: 2 });
    expect(table.reap(table.slot)).toBe(false);
  }
});

test('a register that finds the session live changes none of what it has', () => {
  const table = h.makeTable({ slots: 4 });
  const first = { id: 1, ttlMs: 50, rate: [3, 4] as const, capabilities: 5, flags: DATA | SCOPED };
  const slot = registered(table, { ...first, body: 'first' });
  const plain = registered(table, { id: 2 });
  const before = [granted(table, slot), granted(table, plain)];
  const other = { ttlMs: TTL_NEVER, rate: [9, 9] as const, capabilities: 2, body: 'other' };
  for (const flags of [0, DATA, SCOPED, DATA | SCOPED]) {
    for (const id of [1, 2]) {
      expect(h.register(table, { id, ...other, flags })).toBe(Admission.RESUMED);
      checkInvariants(table);
    }
  }
  expect([granted(table, slot), granted(table, plain)]).toEqual(before);
  expect(before[0]).toEqual({
    ...{ ttlMs: 50, rate: [3, 4], capabilities: 5 },
    ...{ data: 'first', version: 1, scoped: true },
  });
});

test('a register that finds no room leaves nothing behind', () => {
  const table = h.makeTable({ slots: 1 });
  registered(table, { id: 1 });
  const options = { rate: [9, 9] as const, capabilities: 2, body: 'other', flags: DATA | SCOPED };
  expect(h.register(table, { id: 2, ...options })).toBe(Admission.NO_ROOM);
  table.end(table.slot, Reason.CLOSED);
  registered(table, { id: 3 });
  expect(granted(table)).toEqual({ ...PLAIN, ttlMs: 1_000 });
});
