/** The rest of DESIGN §3: closing a session, and calls outside its sequence. */
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Eviction, Reason, Verdict } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Row } from '../../src/core/layout.ts';
import { Kind } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';

const ID = 7;

function close(table: SessionTable, session: number): string {
  const verdict = table.close(h.message(table, { id: ID, session, kind: Kind.CLOSE }));
  checkInvariants(table);
  return h.named(table, verdict);
}

function beginCall(table: SessionTable, id = ID): string {
  const verdict = table.beginCall(h.message(table, { id, kind: Kind.CALL }));
  checkInvariants(table);
  return h.named(table, verdict);
}

function versionOf(table: SessionTable, slot: number): number {
  return table.arena.floats[(table.rowOf(slot) + Row.VERSION) / 2];
}

test('close with the session number ends the session and says whom to tell', () => {
  const table = h.makeTable();
  h.register(table, { id: ID, token: 9, frontEnd: 3 });
  const session = h.sessionOf(table, table.slot);
  expect(close(table, session)).toBe('eviction closed');
  expect(h.liveCount(table)).toBe(0);
  expect(table.ledger.sessions()).toBe(0);
  expect(table.ended).toMatchObject({ id3: ID, token: 9, frontEnd: 3, reason: Reason.CLOSED });
  expect(table.ended.sessionLow).toBe(session);
  expect(close(table, session)).toBe('eviction closed');
});

test('close with session 0 ends whichever session is live', () => {
  const table = h.makeTable();
  h.open(table, ID);
  expect(close(table, 0)).toBe('eviction closed');
  h.open(table, ID);
  expect(close(table, 0)).toBe('eviction closed');
  expect(h.liveCount(table)).toBe(0);
});

test('close with a lower session number leaves the newer session alone', () => {
  const table = h.makeTable();
  const first = h.open(table, ID);
  close(table, first);
  const second = h.open(table, ID);
  expect(close(table, first)).toBe('eviction session_too_low');
  expect(h.liveCount(table)).toBe(1);
  expect(close(table, second)).toBe('eviction closed');
});

test('close with a higher session number is an error and ends nothing', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  expect(close(table, session + 1)).toBe('error session_too_high');
  expect(h.liveCount(table)).toBe(1);
});

test('close while a request executes is an error and ends nothing', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  h.begin(table, { id: ID, session, request: 1 });
  expect(close(table, session)).toBe('error request_in_flight');
  expect(close(table, 0)).toBe('error request_in_flight');
  h.commit(table, table.slot, 'done');
  expect(close(table, session)).toBe('eviction closed');
});

test('close of an unknown or an expired id says so', () => {
  const table = h.makeTable();
  expect(close(table, 0)).toBe('eviction no_session');
  h.open(table, ID, 10);
  table.now[0] = 11;
  expect(close(table, 0)).toBe('eviction expired');
  expect(h.liveCount(table)).toBe(0);
});

test('a pinned session does not end, and an ended one does not end again', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const slot = table.slot;
  h.begin(table, { id: ID, session, request: 1 });
  expect(() => table.end(slot, Reason.REMOVED)).toThrow(AssertionFailure);
  table.abort(slot);
  table.end(slot, Reason.REMOVED);
  expect(() => table.end(slot, Reason.REMOVED)).toThrow(AssertionFailure);
  checkInvariants(table);
});

test('a call finds the live session, and without one learns why there is none', () => {
  const table = h.makeTable();
  expect(beginCall(table)).toBe('eviction no_session');
  h.open(table, ID, 10);
  const slot = table.slot;
  expect(beginCall(table)).toBe('execute');
  expect(table.slot).toBe(slot);
  table.now[0] = 11;
  expect(beginCall(table)).toBe('eviction expired');
});

test('a call that writes is a commit without a number or a reply', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const slot = table.slot;
  h.execute(table, { id: ID, session, request: 1, body: 'a' }, 'one', 'before');
  const version = versionOf(table, slot);
  expect(beginCall(table)).toBe('execute');
  h.commitCall(table, slot, 'after', true);
  checkInvariants(table);
  expect(h.text(h.dataOf(table, slot))).toBe('after');
  expect(versionOf(table, slot)).toBe(version + 1);
  expect(h.requestOf(table, slot)).toBe(1);
  expect(h.text(h.replyOf(table, slot))).toBe('one');
  expect(h.begin(table, { id: ID, session, request: 1, body: 'a' })).toBe(Verdict.REPLAY);
});

test('a call that only reads keeps data and version, also while a request executes', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const slot = table.slot;
  h.execute(table, { id: ID, session, request: 1 }, 'one', 'data');
  h.begin(table, { id: ID, session, request: 2, body: 'x' });
  expect(beginCall(table)).toBe('execute');
  h.commitCall(table, slot, undefined, true);
  checkInvariants(table);
  expect(h.text(h.dataOf(table, slot))).toBe('data');
  expect(versionOf(table, slot)).toBe(1);
  expect(table.isExecuting(slot)).toBe(true);
  expect(() => h.commitCall(table, slot, '', true)).toThrow(AssertionFailure);
  h.commit(table, slot, 'two');
  checkInvariants(table);
  expect(h.begin(table, { id: ID, session, request: 2, body: 'x' })).toBe(Verdict.REPLAY);
});

test('a call touches the session unless told not to', () => {
  const table = h.makeTable();
  h.open(table, ID, 100);
  const slot = table.slot;
  table.now[0] = 60;
  h.commitCall(table, slot, undefined, true);
  table.now[0] = 160;
  expect(beginCall(table)).toBe('execute');
  h.commitCall(table, slot, undefined, false);
  table.now[0] = 161;
  expect(beginCall(table)).toBe('eviction expired');
});

test('a call that executes over time pins the session, and ends with abort and commit', () => {
  const table = h.makeTable();
  const session = h.open(table, ID, 10);
  const slot = table.slot;
  const call = h.message(table, { id: ID, kind: Kind.CALL, request: 900 });
  table.beginCall(call);
  table.pin(slot, call);
  checkInvariants(table);
  expect(() => table.pin(slot, call)).toThrow(AssertionFailure);
  table.now[0] = 11;
  expect(table.evictOldest(Number.POSITIVE_INFINITY)).toBe(Eviction.NONE);
  expect(close(table, session)).toBe('error request_in_flight');
  table.abort(slot);
  h.commitCall(table, slot, 'late', true);
  checkInvariants(table);
  expect(h.text(h.dataOf(table, slot))).toBe('late');
  expect(h.requestOf(table, slot)).toBe(0);
  expect(h.begin(table, { id: ID, session, request: 1 })).toBe(Verdict.EXECUTE);
});

test('a request does not join a call that executes, even with the same operation and body', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const call = h.message(table, { id: ID, kind: Kind.CALL, request: 900, body: 'same' });
  table.beginCall(call);
  table.pin(table.slot, call);
  // A call answers its own correlation only: who joined it would wait for ever.
  const other = h.begin(table, { id: ID, session, request: 1, body: 'other' });
  expect(h.named(table, other)).toBe('error request_in_flight');
  const same = h.begin(table, { id: ID, session, request: 1, body: 'same' });
  expect(h.named(table, same)).toBe('error request_in_flight');
});
