/**
 * A worker that dies while it logs the commit of a session for which recovery had allowed time: the
 * commit began the idle time anew, so whoever takes over logs it without that allowance.
 */
import { expect, test } from 'vitest';
import { type Arena, createArena } from '../../src/core/arena.ts';
import { Row } from '../../src/core/layout.ts';
import { createLedger } from '../../src/core/ledger.ts';
import { createLogBuffer, LogBuffer } from '../../src/core/log-buffer.ts';
import { Entry } from '../../src/core/log-entry.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import * as h from '../core/helpers.ts';
import { Death, Life, mortal } from '../core/mortal.ts';

/** The word of a log buffer where its entries begin. */
const ENTRIES = 160;

/** The deadline that the last entry tells, and that of the row. */
function deadlines(arena: Arena, buffer: LogBuffer): number[] {
  const end = ENTRIES + buffer.position;
  let at = ENTRIES;
  while (at + buffer.words[at] < end) at += buffer.words[at];
  const row = arena.regions.rows;
  return [
    buffer.floats[(at + Entry.ROW + Row.DEADLINE) >> 1],
    arena.floats[(row + Row.DEADLINE) >> 1],
  ];
}

/** Dies before one of the writes that follow the first one to the log; false if none was left. */
function dies(writes: number): boolean {
  const sizes = { shard: 0, slots: 1, dataBytesMax: 8, replyBytesMax: 8, ttlDefaultMs: 8_000 };
  const arena = createArena({ ...sizes, seedA: 1, seedB: 2 });
  const ledger = createLedger(1, 1);
  const memory = createLogBuffer(1024);
  const now = Float64Array.of(5);
  const table = new SessionTable(arena, ledger, now, h.RUNNER, new LogBuffer(memory));
  table.start();
  h.open(table, 1);
  table.log?.allowed(0, 1_000);
  now[0] += 10;
  let life = new Life(Number.POSITIVE_INFINITY);
  let isLogging = false;
  const toTable = { spend: () => life.spend() };
  const toLog = {
    spend() {
      if (!isLogging) life = new Life(writes);
      isLogging = true;
      life.spend();
    },
  };
  const buffer = new LogBuffer(memory);
  Object.defineProperty(buffer, 'words', { value: mortal(buffer.words, toLog) });
  const words = mortal(arena.words, toTable);
  const dyingArena: Arena = Object.create(arena, { words: { value: words } });
  const dying = new SessionTable(dyingArena, ledger, now, h.RUNNER, buffer);
  try {
    dying.commitCall(0, 0, 0, 0);
    return false;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  }
  h.recovered(table, h.RUNNER);
  const [logged, kept] = deadlines(arena, new LogBuffer(memory));
  expect(logged, `death before write ${writes}`).toBe(kept);
  return true;
}

test('a death while a commit is logged leaves no allowance in what is logged instead', () => {
  let writes = 0;
  while (dies(writes)) writes += 1;
  expect(writes).toBeGreaterThan(30);
});
