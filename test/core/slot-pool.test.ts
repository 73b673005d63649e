/** The slot pool: free slots, the high water mark and generations. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Arena, createArena } from '../../src/core/arena.ts';
import { AssertionFailure } from '../../src/core/assert.ts';
import { Header, ROW_WORDS, Row, RowFlag } from '../../src/core/layout.ts';
import { SlotPool } from '../../src/core/slot-pool.ts';
import { runs } from './helpers.ts';

const SLOTS = 5;

function makePool(): { pool: SlotPool; arena: Arena } {
  const config = { shard: 0, slots: SLOTS, dataBytesMax: 8, replyBytesMax: 8 };
  const arena = createArena({ ...config, ttlDefaultMs: 1, seedA: 1, seedB: 2 });
  return { pool: new SlotPool(arena), arena };
}

test('a new pool gives each slot once, lowest first, then none', () => {
  const { pool } = makePool();
  const taken = Array.from({ length: SLOTS + 2 }, () => pool.take());
  expect(taken).toEqual([0, 1, 2, 3, 4, -1, -1]);
});

test('starting touches no row: the high water mark rises only as slots are used', () => {
  const { pool, arena } = makePool();
  expect(arena.words[Header.HIGH_WATER]).toBe(0);
  pool.take();
  pool.take();
  expect(arena.words[Header.HIGH_WATER]).toBe(2);
  pool.give(1);
  pool.take();
  expect(arena.words[Header.HIGH_WATER]).toBe(2);
});

test('the slot freed last is taken first, and fresh slots only when none is free', () => {
  const { pool } = makePool();
  for (let i = 0; i < 3; i++) pool.take();
  pool.give(0);
  pool.give(2);
  expect([pool.take(), pool.take(), pool.take()]).toEqual([2, 0, 3]);
});

test('freeing clears the flags, so no part of the next session is set already', () => {
  const { pool, arena } = makePool();
  const slot = pool.take();
  const flags = arena.regions.rows + slot * ROW_WORDS + Row.FLAGS;
  arena.words[flags] = -1;
  pool.give(slot);
  expect(arena.words[flags]).toBe(0);
});

test('a live slot on the free list is a programming error', () => {
  const { pool, arena } = makePool();
  const slot = pool.take();
  pool.give(slot);
  arena.words[arena.regions.rows + slot * ROW_WORDS + Row.FLAGS] = RowFlag.LIVE;
  expect(() => pool.take()).toThrow(AssertionFailure);
});

test('any takes and gives leave what an array of free slots would hold', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 80, size: 'max' }), (choices) => {
      const { pool } = makePool();
      const free: number[] = [];
      const held: number[] = [];
      let fresh = 0;
      for (const choice of choices) {
        if (choice < 5 || held.length === 0) {
          const expected = free.pop() ?? (fresh < SLOTS ? fresh++ : -1);
          expect(pool.take()).toBe(expected);
          if (expected >= 0) held.push(expected);
        } else {
          const [slot] = held.splice(choice % held.length, 1);
          pool.give(slot);
          free.push(slot);
        }
      }
    }),
    runs(100),
  );
});
