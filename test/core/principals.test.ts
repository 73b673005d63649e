/** Sessions that belong to somebody: what others may not do, and do not learn. */
import { describe, expect, test } from 'vitest';
import { Admission, Reason } from '../../src/core/codes.ts';
import { Row } from '../../src/core/layout.ts';
import { CloseFlag, Kind } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import { Life, MemoryDisk } from '../journal/life.ts';
import * as h from './helpers.ts';

const ID = 1;
const OWNER = 5;
const STRANGER = 6;

function opened(principal: number, options: h.TableOptions = {}): [SessionTable, number] {
  const table = h.makeTable(options);
  expect(h.register(table, { id: ID, principal })).toBe(Admission.ADMITTED);
  return [table, h.sessionOf(table, table.slot)];
}

/** What each kind of message about the session is answered. */
function answers(table: SessionTable, fields: Omit<h.MessageFields, 'id'>): string[] {
  const ask = { id: ID, request: 1, body: 'x', ...fields };
  const begun = h.named(table, table.begin(h.message(table, ask)));
  if (begun === 'execute') table.abort(table.slot);
  const called = h.named(table, table.beginCall(h.message(table, { ...ask, kind: Kind.CALL })));
  return [begun, called];
}

function close(table: SessionTable, fields: Partial<h.MessageFields>): string {
  return h.named(table, table.close(h.message(table, { id: ID, kind: Kind.CLOSE, ...fields })));
}

const FORBIDDEN = 'error forbidden';

describe('a session of somebody', () => {
  test('is served to them, and to the embedding program', () => {
    const [table, session] = opened(OWNER);
    expect(answers(table, { session, principal: OWNER })).toEqual(['execute', 'execute']);
    expect(answers(table, { session })).toEqual(['execute', 'execute']);
    expect(h.register(table, { id: ID, principal: OWNER })).toBe(Admission.RESUMED);
    expect(h.register(table, { id: ID })).toBe(Admission.RESUMED);
    expect(close(table, { session, principal: OWNER })).toBe('eviction closed');
  });

  test('is forbidden to others, who do not become its route either', () => {
    const [table, session] = opened(OWNER);
    h.register(table, { id: ID, principal: OWNER, token: 9, frontEnd: 2 });
    for (const asked of [session, session + 1, session - 1]) {
      const ask = { session: asked, principal: STRANGER, token: 7 };
      expect(answers(table, ask)).toEqual([FORBIDDEN, FORBIDDEN]);
      expect(close(table, ask)).toBe(FORBIDDEN);
    }
    expect(close(table, { session: 0, principal: STRANGER })).toBe(FORBIDDEN);
    expect(h.register(table, { id: ID, principal: STRANGER, token: 7 })).toBe(Admission.FORBIDDEN);
    expect(close(table, { flags: CloseFlag.REMOVED })).toBe('eviction removed');
    expect(table.ended).toMatchObject({ token: 9, frontEnd: 2 });
  });

  test('is told apart from those of others by both words of the principal', () => {
    const [table, session] = opened(OWNER);
    for (const word of ['principalLow', 'principalHigh'] as const) {
      const m = h.message(table, { id: ID, session, request: 1, principal: OWNER });
      m[word] ^= 1;
      expect(h.named(table, table.begin(m))).toBe(FORBIDDEN);
    }
  });

  test('leaves its slot to others, who are not taken for it', () => {
    const [table] = opened(OWNER, { slots: 1 });
    close(table, { principal: OWNER });
    expect(h.register(table, { id: 2 })).toBe(Admission.ADMITTED);
    const m = h.message(table, { id: 2, kind: Kind.CALL, principal: OWNER });
    expect(h.named(table, table.beginCall(m))).toBe(FORBIDDEN);
  });

  test('stays theirs when the thread that runs it dies', () => {
    const [table, session] = opened(OWNER);
    h.begin(table, { id: ID, session, request: 1, principal: OWNER });
    h.recovered(table, h.RUNNER);
    expect(answers(table, { session, principal: STRANGER })).toEqual([FORBIDDEN, FORBIDDEN]);
    expect(answers(table, { session, principal: OWNER })).toEqual(['execute', 'execute']);
  });
});

describe('a session of nobody in particular', () => {
  test('is forbidden to everybody who is somebody', () => {
    const [table, session] = opened(0);
    expect(answers(table, { session, principal: OWNER })).toEqual([FORBIDDEN, FORBIDDEN]);
    expect(h.register(table, { id: ID, principal: OWNER })).toBe(Admission.FORBIDDEN);
    expect(answers(table, { session })).toEqual(['execute', 'execute']);
  });
});

describe('a session that is over', () => {
  test('is remembered for its owner; others hear what they hear of none at all', () => {
    const [table, session] = opened(OWNER);
    const never = answers(table, { session, principal: STRANGER });
    table.end(table.slot, Reason.EVICTED);
    expect(answers(table, { session, principal: STRANGER })).toEqual(never);
    expect(close(table, { principal: STRANGER })).toBe(FORBIDDEN);
    expect(answers(table, { session, principal: OWNER })).toEqual([
      'eviction evicted',
      'eviction evicted',
    ]);
    expect(close(table, { session, principal: OWNER })).toBe('eviction evicted');
    expect(answers(table, { session })).toEqual(['eviction evicted', 'eviction evicted']);
    const other = { session: session + 7, principal: OWNER };
    expect(answers(table, other)[0]).toBe('eviction no_session');
  });

  test('is forbidden to somebody who never had one of that id', () => {
    const table = h.makeTable();
    expect(answers(table, { session: 1, principal: OWNER })).toEqual([FORBIDDEN, FORBIDDEN]);
    expect(close(table, { principal: OWNER })).toBe(FORBIDDEN);
    expect(answers(table, { session: 1 })).toEqual(['eviction no_session', 'eviction no_session']);
  });

  test('ends as expired when a stranger comes upon it, who hears nothing of that', () => {
    const [table, session] = opened(OWNER, { ttlDefaultMs: 10 });
    table.now[0] = 11;
    expect(answers(table, { session, principal: STRANGER })).toEqual([FORBIDDEN, FORBIDDEN]);
    expect([table.endings, table.ended.reason]).toEqual([1, Reason.EXPIRED]);
    expect(answers(table, { session, principal: OWNER })[0]).toBe('eviction expired');
  });

  test('may be followed by one of somebody else under the same id', () => {
    const [table, session] = opened(OWNER);
    close(table, { principal: OWNER });
    expect(h.register(table, { id: ID, principal: STRANGER })).toBe(Admission.ADMITTED);
    expect(answers(table, { session, principal: OWNER })[0]).toBe('eviction closed');
    expect(answers(table, { session: session + 1, principal: OWNER })[0]).toBe(
      'eviction no_session',
    );
  });
});

describe('the journal', () => {
  const wordsOf = (table: SessionTable, slot: number): number[] => {
    const { words } = table.arena;
    const row = table.rowOf(slot);
    return [words[row + Row.PRINCIPAL_LOW], words[row + Row.PRINCIPAL_HIGH]];
  };

  test('brings sessions back as whose they were, over as many shards as there are now', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk);
    const [table] = life.tables;
    for (const [id, principal] of [
      [1, OWNER],
      [2, 0],
      [3, -1],
    ]) {
      h.register(table, { id, principal, token: 44 });
      h.execute(table, { id, session: h.sessionOf(table, table.slot), request: 1, principal });
    }
    life.flush(0);
    for (const shards of [1, 2, 1]) {
      const next = new Life(disk, { shards });
      for (const [id, principal] of [
        [1, OWNER],
        [2, 0],
        [3, -1],
      ]) {
        const m = h.message(next.tables[0], { id, principal, kind: Kind.REGISTER });
        const found = next.tables.filter(
          ({ index }) => index.find(m.hash, m.id0, m.id1, m.id2, m.id3) >= 0,
        );
        expect(found).toHaveLength(1);
        const slot = found[0].index.find(m.hash, m.id0, m.id1, m.id2, m.id3);
        expect(wordsOf(found[0], slot)).toEqual([m.principalLow, m.principalHigh]);
      }
    }
  });

  test('does not take what stood in those words before for a principal', () => {
    const disk = new MemoryDisk();
    const life = new Life(disk, { sessionsMax: 1 });
    const [table] = life.tables;
    h.register(table, { id: 1, token: 44 });
    table.end(table.slot, Reason.CLOSED);
    h.register(table, { id: 2, token: 45 });
    life.flush(0);
    const next = new Life(disk, { sessionsMax: 1 });
    expect(wordsOf(next.tables[0], 0)).toEqual([0, 0]);
  });
});
