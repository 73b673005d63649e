/**
 * The death of a runner before each single write that a step makes to the shard's memory. The step
 * runs on a copy whose views throw at the chosen write; `rebuild` must then show the state before
 * the step or the state after it, never anything between.
 *
 * A thread can only be stopped at a call or a loop, so the table relies on some writes that lie
 * side by side; no death is tried between those (see `isPaired`).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Arena } from '../../src/core/arena.ts';
import { Eviction } from '../../src/core/codes.ts';
import { Header, Intent, ROW_WORDS, Row, RowFlag } from '../../src/core/layout.ts';
import type { Ledger } from '../../src/core/ledger.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';
import {
  arbitraryStep,
  type Lockstep,
  makeLockstep,
  modelState,
  type Step,
  tableState,
} from './lockstep.ts';
import { Death, Life, MortalLedger, mortal } from './mortal.ts';

/**
 * The ledger's count and the live count; without an intent the commit's time and its number, and
 * the same two and the deadline in the row of a live session (a call that stores nothing).
 */
function isPaired({ words, regions }: Arena, isFloat: boolean, at: number): boolean {
  if (!isFloat) return at === Header.LIVE;
  if (words[Header.INTENT] !== Intent.NONE) return false;
  if (at === Header.COMMITS / 2 || at === Header.COMMIT_TIME / 2) return true;
  const word = at * 2 - regions.rows;
  const field = word & (ROW_WORDS - 1);
  const isRow = word >= 0 && at * 2 < regions.order;
  const flags = words[regions.rows + word - field + Row.FLAGS];
  const isLive = isRow && (flags & RowFlag.LIVE) !== 0;
  // The last of them, the number, is where a death before all of them is tried.
  return isLive && field === Row.COMMIT;
}

function mortalArena(arena: Arena, life: Life): Arena {
  const { words, floats } = arena;
  return Object.create(arena, {
    words: { value: mortal(words, life, (at) => isPaired(arena, false, at)) },
    floats: { value: mortal(floats, life, (at) => isPaired(arena, true, at)) },
  });
}

/** A state without what a death may change: routes, and the pins of the dead runner. */
function settled(state: string[], dead: number): string[] {
  return state.map((line) => line.replace(/ token \d+/, '').replace(`runs on ${dead}`, 'idle'));
}

function pinnedBy(state: string[], runner: number): number {
  return state.filter((line) => line.includes(`runs on ${runner}`)).length;
}

/** Runs the step on a copy that dies at the given write; null when it outlives the step. */
function dieAt(pair: Lockstep, step: Step, writes: number): SessionTable | null {
  let arena!: Arena;
  let ledger!: Ledger;
  const twin = pair.fork((copied, counted, runner) => {
    arena = copied;
    ledger = counted;
    const life = new Life(writes);
    const dying = mortalArena(copied, life);
    return new SessionTable(
      dying,
      new MortalLedger(counted.memory, life),
      new Float64Array(1),
      runner,
    );
  });
  try {
    twin.run(step);
    return null;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  }
  return new SessionTable(arena, ledger, Float64Array.of(pair.model.now), 3);
}

/** The victims that the table names one after another are its sessions in commit order. */
function checkVictims(table: SessionTable): void {
  const expected = h
    .orderOf(table)
    .filter((slot) => !table.isExecuting(slot))
    .map((slot) => h.idOf(table, slot));
  const victims: number[] = [];
  while (table.evictOldest(Number.POSITIVE_INFINITY) === Eviction.EVICTED) {
    victims.push(table.ended.id3);
    h.checkShards([table]);
  }
  expect(victims).toEqual(expected);
}

/** Takes the step on the pair, and lets a runner die at each write of it on copies. */
function dieEverywhere(pair: Lockstep, step: Step): number {
  const dead = step.view + 1;
  const start = pair.fork((arena, ledger, runner) => {
    return new SessionTable(arena, ledger, new Float64Array(1), runner);
  });
  const before = modelState(pair.model);
  const expired = pair.model.counted.expired;
  pair.run(step);
  const after = modelState(pair.model);
  const allowed = [settled(before, dead), settled(after, dead)];
  if (pair.model.counted.expired !== expired) {
    // A step on an expired session ends it first: that alone is a whole step, too.
    const without = before.filter((line) => !line.startsWith(`id ${step.id} `));
    allowed.push(settled(without, dead));
  }
  for (let writes = 0; writes < 1_000; writes++) {
    const table = dieAt(start, step, writes);
    if (table === null) return writes;
    const abandoned = h.recovered(table, dead);
    h.checkShards([table]);
    const state = tableState(table);
    expect(allowed).toContainEqual(settled(state, dead));
    expect(pinnedBy(state, dead)).toBe(0);
    expect(Math.abs(abandoned.length - pinnedBy(before, dead))).toBeLessThanOrEqual(1);
    if (writes % 5 === 0) checkVictims(table);
  }
  throw new Error('a step has fewer writes than that');
}

test('a death before any write of any step leaves the state before it or after it', () => {
  let deaths = 0;
  fc.assert(
    fc.property(fc.array(arbitraryStep, { minLength: 1, maxLength: 40, size: 'max' }), (steps) => {
      const pair = makeLockstep(3, 3);
      for (const step of steps) deaths += dieEverywhere(pair, step);
    }),
    h.runs(120),
  );
  expect(deaths).toBeGreaterThan(4_000);
});
