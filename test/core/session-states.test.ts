/** Every row of the session state machine (DESIGN §3), each as one sentence. */
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Admission, Eviction, Reason } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Header, Row } from '../../src/core/layout.ts';
import { REQUEST_NUMBER_MAX } from '../../src/core/limits.ts';
import { Kind } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';

const ID = 7;

/** A request's answer by name; the table's invariants hold after it. */
function ask(table: SessionTable, fields: Omit<h.MessageFields, 'id'>): string {
  const verdict = h.begin(table, { id: ID, ...fields });
  checkInvariants(table);
  return h.named(table, verdict);
}

function close(table: SessionTable, session: number): string {
  const m = h.message(table, { id: ID, session, kind: Kind.CLOSE });
  const verdict = table.close(m);
  checkInvariants(table);
  return h.named(table, verdict);
}

/** A table with one session that has committed request 1 (body `a`, reply `one`). */
function withOneCommit(): { table: SessionTable; session: number; slot: number } {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const slot = table.slot;
  h.execute(table, { id: ID, session, request: 1, body: 'a' }, 'one', 'data');
  checkInvariants(table);
  return { table, session, slot };
}

function setLastRequest(table: SessionTable, slot: number, last: number): void {
  table.arena.words[table.rowOf(slot) + Row.REQUEST] = last | 0;
}

test('registering an unknown id admits a session whose number is that commit', () => {
  const table = h.makeTable();
  expect(h.register(table, { id: ID })).toBe(Admission.ADMITTED);
  checkInvariants(table);
  expect(h.sessionOf(table, table.slot)).toBe(1);
  expect(h.requestOf(table, table.slot)).toBe(0);
  expect(h.liveCount(table)).toBe(1);
});

test('registering a live id again resumes the same session and changes nothing of it', () => {
  const { table, session, slot } = withOneCommit();
  expect(h.register(table, { id: ID, ttlMs: 5 })).toBe(Admission.RESUMED);
  checkInvariants(table);
  expect(table.slot).toBe(slot);
  expect(h.sessionOf(table, slot)).toBe(session);
  expect(h.requestOf(table, slot)).toBe(1);
  expect(h.text(h.dataOf(table, slot))).toBe('data');
  table.now[0] = 1e9;
  expect(ask(table, { session, request: 2 })).toBe('execute');
});

test('registering after the end gives a larger session number and an empty session', () => {
  const { table, session } = withOneCommit();
  close(table, session);
  expect(h.open(table, ID)).toBeGreaterThan(session);
  checkInvariants(table);
  expect(h.requestOf(table, table.slot)).toBe(0);
  expect(h.dataOf(table, table.slot).length).toBe(0);
  expect(h.replyOf(table, table.slot).length).toBe(0);
  expect(h.statusOf(table, table.slot)).toBe(0);
});

test('a request of an id that never registered is answered with an eviction, no_session', () => {
  const table = h.makeTable();
  expect(ask(table, { session: 1, request: 1 })).toBe('eviction no_session');
});

test('a request of an expired session is answered with an eviction, expired', () => {
  const table = h.makeTable();
  const session = h.open(table, ID, 100);
  table.now[0] = 100;
  expect(ask(table, { session, request: 0 })).toBe('error request_stale');
  table.now[0] = 100.001;
  expect(ask(table, { session, request: 1 })).toBe('eviction expired');
  expect(h.liveCount(table)).toBe(0);
  expect(ask(table, { session, request: 1 })).toBe('eviction expired');
  expect(ask(table, { session: session + 1, request: 1 })).toBe('eviction no_session');
});

test('a request of an evicted session is answered with the reason while it is remembered', () => {
  const { table, session } = withOneCommit();
  expect(table.evictOldest(Number.POSITIVE_INFINITY)).toBe(Eviction.EVICTED);
  checkInvariants(table);
  expect(ask(table, { session, request: 2 })).toBe('eviction evicted');
  expect(ask(table, { session, request: 1, body: 'a' })).toBe('eviction evicted');
});

test('the reason of an end is forgotten once another end takes its entry', () => {
  const table = h.makeTable({ slots: 1 });
  const session = h.open(table, ID);
  table.end(table.slot, Reason.REMOVED);
  expect(ask(table, { session, request: 1 })).toBe('eviction removed');
  // Two entries only, so a few other ends take both.
  for (let id = 100; id < 110; id++) {
    h.open(table, id);
    table.end(table.slot, Reason.EVICTED);
  }
  expect(ask(table, { session, request: 1 })).toBe('eviction no_session');
});

test('a request with a lower session number is answered session_too_low', () => {
  const { table, session } = withOneCommit();
  close(table, session);
  const next = h.open(table, ID);
  expect(ask(table, { session, request: 1, body: 'a' })).toBe('eviction session_too_low');
  expect(ask(table, { session: 0, request: 1 })).toBe('eviction session_too_low');
  expect(ask(table, { session: next, request: 1 })).toBe('execute');
});

test('a request with a higher session number is an error, session_too_high', () => {
  const { table, session } = withOneCommit();
  expect(ask(table, { session: session + 1, request: 2 })).toBe('error session_too_high');
  expect(ask(table, { session: 2 ** 31, request: 2 })).toBe('error session_too_high');
  expect(ask(table, { session: 2 ** 53 - 1, request: 2 })).toBe('error session_too_high');
  expect(ask(table, { session, request: 2 })).toBe('execute');
});

test('session numbers above 32 bits are compared as whole numbers', () => {
  const table = h.makeTable();
  table.arena.floats[Header.COMMITS / 2] = 5 * 2 ** 32 + 3;
  const session = h.open(table, ID);
  expect(session).toBe(5 * 2 ** 32 + 4);
  expect(ask(table, { session: 4 * 2 ** 32 + 9, request: 1 })).toBe('eviction session_too_low');
  expect(ask(table, { session: 6 * 2 ** 32, request: 1 })).toBe('error session_too_high');
  expect(ask(table, { session: 5 * 2 ** 32 + 0xffffffff, request: 1 })).toBe(
    'error session_too_high',
  );
  expect(ask(table, { session, request: 1 })).toBe('execute');
});

test('the last request with the same checksum is answered with the stored reply', () => {
  const { table, session, slot } = withOneCommit();
  expect(ask(table, { session, request: 1, body: 'a' })).toBe('replay');
  expect(table.slot).toBe(slot);
  expect(h.text(h.replyOf(table, slot))).toBe('one');
});

test('the last request with another body or operation is an error, request_mismatch', () => {
  const { table, session, slot } = withOneCommit();
  expect(ask(table, { session, request: 1, body: 'b' })).toBe('error request_mismatch');
  expect(ask(table, { session, request: 1, body: 'a', operation: 2 })).toBe(
    'error request_mismatch',
  );
  expect(h.text(h.replyOf(table, slot))).toBe('one');
  expect(h.requestOf(table, slot)).toBe(1);
});

test('a request before the last one is an error, request_stale', () => {
  const { table, session } = withOneCommit();
  h.execute(table, { id: ID, session, request: 2 });
  expect(ask(table, { session, request: 1, body: 'a' })).toBe('error request_stale');
  expect(ask(table, { session, request: 0 })).toBe('error request_stale');
});

test('request 0 on a fresh session is stale, although 0 is what it has last', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const m = h.message(table, { id: ID, session, request: 0 });
  m.checksumLow = 0;
  m.checksumHigh = 0;
  expect(h.named(table, table.begin(m))).toBe('error request_stale');
  checkInvariants(table);
});

test('a request that skips a number is an error, request_gap', () => {
  const { table, session } = withOneCommit();
  expect(ask(table, { session, request: 3 })).toBe('error request_gap');
  expect(ask(table, { session, request: 2 ** 31 + 1 })).toBe('error request_gap');
  expect(ask(table, { session, request: REQUEST_NUMBER_MAX })).toBe('error request_gap');
});

test('a duplicate of the executing request joins it; the reply goes to the newest asker', () => {
  const { table, session, slot } = withOneCommit();
  const row = table.rowOf(slot);
  expect(ask(table, { session, request: 2, body: 'x', token: 5, frontEnd: 1 })).toBe('execute');
  expect(ask(table, { session, request: 2, body: 'x', token: 6, frontEnd: 2 })).toBe('joined');
  expect(table.slot).toBe(slot);
  expect(table.arena.words[row + Row.TOKEN]).toBe(6);
  expect((table.arena.words[row + Row.FLAGS] >>> 16) & 0xff).toBe(2);
  expect(table.arena.words[row + Row.FLAGS] >>> 24).toBe(h.RUNNER);
});

test('another body under the executing number is an error, request_in_flight', () => {
  const { table, session, slot } = withOneCommit();
  ask(table, { session, request: 2, body: 'x', token: 5 });
  expect(ask(table, { session, request: 2, body: 'y', token: 6 })).toBe('error request_in_flight');
  expect(table.arena.words[table.rowOf(slot) + Row.TOKEN]).toBe(5);
});

test('while a request executes, the one before is replayed without drawing its reply', () => {
  const { table, session, slot } = withOneCommit();
  ask(table, { session, request: 2, token: 5, frontEnd: 3 });
  expect(ask(table, { session, request: 1, body: 'a', token: 6, frontEnd: 4 })).toBe('replay');
  expect(h.register(table, { id: ID, token: 7, frontEnd: 4 })).toBe(Admission.RESUMED);
  checkInvariants(table);
  expect(table.arena.words[table.rowOf(slot) + Row.TOKEN]).toBe(5);
  expect((table.arena.words[table.rowOf(slot) + Row.FLAGS] >>> 16) & 0xff).toBe(3);
  expect(ask(table, { session, request: 3 })).toBe('error request_gap');
});

test('a commit consumes the number and stores reply, status and data', () => {
  const { table, session, slot } = withOneCommit();
  expect(ask(table, { session, request: 2, body: 'x' })).toBe('execute');
  expect(table.isExecuting(slot)).toBe(true);
  h.commit(table, slot, 'two', 'changed', 2);
  checkInvariants(table);
  expect(table.isExecuting(slot)).toBe(false);
  expect(h.requestOf(table, slot)).toBe(2);
  expect(h.statusOf(table, slot)).toBe(2);
  expect(h.text(h.replyOf(table, slot))).toBe('two');
  expect(h.text(h.dataOf(table, slot))).toBe('changed');
  expect(ask(table, { session, request: 2, body: 'x' })).toBe('replay');
});

test('an abort leaves the session as it was and the number free to be used', () => {
  const { table, session, slot } = withOneCommit();
  ask(table, { session, request: 2, body: 'x' });
  table.abort(slot);
  checkInvariants(table);
  expect(h.requestOf(table, slot)).toBe(1);
  expect(h.text(h.dataOf(table, slot))).toBe('data');
  expect(ask(table, { session, request: 1, body: 'a' })).toBe('replay');
  expect(ask(table, { session, request: 2, body: 'another' })).toBe('execute');
});

test('only what executes can be committed or aborted', () => {
  const { table, slot } = withOneCommit();
  expect(() => table.commit(slot, 0, 0, -1)).toThrow(AssertionFailure);
  expect(() => table.abort(slot)).toThrow(AssertionFailure);
  checkInvariants(table);
});

test('request numbers pass 2^31 and end at 2^32 - 1 without starting again', () => {
  const table = h.makeTable();
  const session = h.open(table, ID);
  const slot = table.slot;
  setLastRequest(table, slot, 2 ** 31 - 1);
  h.execute(table, { id: ID, session, request: 2 ** 31 });
  expect(h.requestOf(table, slot)).toBe(2 ** 31);
  expect(ask(table, { session, request: 2 ** 31 - 1 })).toBe('error request_stale');
  setLastRequest(table, slot, REQUEST_NUMBER_MAX - 1);
  h.execute(table, { id: ID, session, request: REQUEST_NUMBER_MAX, body: 'last' }, 'end');
  expect(h.requestOf(table, slot)).toBe(REQUEST_NUMBER_MAX);
  expect(ask(table, { session, request: 0 })).toBe('error request_stale');
  expect(ask(table, { session, request: 1 })).toBe('error request_stale');
  expect(ask(table, { session, request: REQUEST_NUMBER_MAX, body: 'last' })).toBe('replay');
  expect(h.text(h.replyOf(table, slot))).toBe('end');
});

test('an error consumes nothing and does not keep a session from expiring', () => {
  const table = h.makeTable();
  const session = h.open(table, ID, 100);
  table.now[0] = 90;
  expect(ask(table, { session, request: 5 })).toBe('error request_gap');
  expect(h.register(table, { id: ID })).toBe(Admission.RESUMED);
  table.now[0] = 101;
  expect(ask(table, { session, request: 1 })).toBe('eviction expired');
});
