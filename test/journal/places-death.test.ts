/**
 * A worker that dies while it ends a session whose place waits for the disk, or while it gives one
 * back: whoever takes over finds each place taken or given back, and never lost or given twice.
 *
 * As in `recovery-every-write.test.ts`, the death is tried before each single write but those that
 * lie side by side.
 */
import { expect, test } from 'vitest';
import { type Arena, createArena } from '../../src/core/arena.ts';
import { Reason } from '../../src/core/codes.ts';
import { Header, Intent } from '../../src/core/layout.ts';
import { createLedger, type Ledger } from '../../src/core/ledger.ts';
import { createLogBuffer, LogBuffer } from '../../src/core/log-buffer.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import { NoLog } from '../../src/journal/log.ts';
import { LogWriter } from '../../src/journal/log-writer.ts';
import * as h from '../core/helpers.ts';
import { Death, Life, MortalLedger, mortal } from '../core/mortal.ts';

/** Of the log buffer: `pushEnd` writes these together with what the ledger counts. */
const TAIL = 64;
const ENDED = 70;

/** A shard with two sessions, of two that share a limit of three. */
class World {
  readonly arena = createArena({
    shard: 0,
    slots: 3,
    dataBytesMax: 8,
    replyBytesMax: 8,
    ttlDefaultMs: 1_000,
    seedA: 0x1234567,
    seedB: 0x7654321,
  });
  readonly ledger = createLedger(2, 3, true);
  readonly log = createLogBuffer(1024);
  readonly now = Float64Array.of(5);
  readonly #file = new NoLog();

  constructor() {
    const table = this.table();
    table.start();
    h.open(table, 1);
    h.open(table, 2);
    this.write();
  }

  table(): SessionTable {
    const buffer = new LogBuffer(this.log);
    return new SessionTable(this.arena, this.ledger, this.now, h.RUNNER, buffer);
  }

  /** A view whose thread dies. Fields that are written side by side are not told apart. */
  mortal(life: Life): SessionTable {
    const { words, floats } = this.arena;
    const arena: Arena = Object.create(this.arena, {
      words: {
        value: mortal(words, life, (at, value) => {
          return at === Header.LIVE || (at === Header.INTENT && value === Intent.NONE);
        }),
      },
      floats: { value: mortal(floats, life) },
    });
    const buffer = new LogBuffer(this.log);
    const entries = mortal(buffer.words, life, (at) => at === TAIL || at === ENDED);
    // Looked at with Atomics, which take no proxy.
    const { state } = buffer;
    Object.defineProperties(buffer, { words: { value: entries }, state: { value: state } });
    const ledger = new MortalLedger(this.ledger.memory, life);
    return new SessionTable(arena, ledger, this.now, h.RUNNER, buffer);
  }

  /** A new writer takes what there is. */
  write(ledger: Ledger = this.ledger): void {
    const buffer = new LogBuffer(this.log);
    buffer.publish();
    const failed = (error: Error): never => {
      throw error;
    };
    const hooks = { wallOffsetMs: () => 0, progressed: () => {}, failed };
    new LogWriter(buffer, this.#file, hooks, ledger).pump(0);
  }
}

/** Runs a step with a death before each of its writes; how many sessions were left each time. */
function dieEverywhere(step: (table: SessionTable) => void): number[] {
  const left: number[] = [];
  for (let writes = 0; ; writes++) {
    const world = new World();
    const life = new Life(writes);
    const dying = world.mortal(life);
    try {
      step(dying);
      return left;
    } catch (error) {
      if (!(error instanceof Death)) throw error;
    }
    const next = world.table();
    h.recovered(next, h.RUNNER);
    h.checkShards([next]);
    world.write();
    const live = h.liveCount(next);
    expect(world.ledger.sessions(), `death before write ${writes}`).toBe(live);
    world.write();
    expect(world.ledger.sessions()).toBe(live);
    left.push(live);
  }
}

test.each([
  ['closed', (table: SessionTable) => table.end(0, Reason.CLOSED)],
  ['made to give way', (table: SessionTable) => void table.evictOldest(Number.POSITIVE_INFINITY)],
])('a death while a session is %s leaves its place taken or free', (_, step) => {
  const left = dieEverywhere(step);
  expect(left.length).toBeGreaterThan(20);
  expect(new Set(left)).toEqual(new Set([1, 2]));
});

test('a death between two ends takes over both places', () => {
  const left = dieEverywhere((table) => {
    table.end(0, Reason.CLOSED);
    table.end(1, Reason.CLOSED);
  });
  expect(new Set(left)).toEqual(new Set([0, 1, 2]));
});

test('a death between an end and a register loses neither place', () => {
  const left = dieEverywhere((table) => {
    table.end(0, Reason.CLOSED);
    h.register(table, { id: 3 });
  });
  expect(new Set(left)).toEqual(new Set([1, 2]));
});

test('a writer that dies before it gives a place back leaves that to the next', () => {
  const world = new World();
  world.table().end(0, Reason.CLOSED);
  const life = new Life(0);
  const dying = new MortalLedger(world.ledger.memory, life);
  expect(() => world.write(dying)).toThrow(Death);
  expect(world.ledger.sessions()).toBe(2);
  world.write();
  expect(world.ledger.sessions()).toBe(1);
});
