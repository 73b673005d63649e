/** The commit order against an array. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Arena, createArena } from '../../src/core/arena.ts';
import { CommitOrder } from '../../src/core/commit-order.ts';
import { Header } from '../../src/core/layout.ts';
import { runs } from './helpers.ts';

const SLOTS = 6;

/** The arena of each order, whose header says when the last commit was. */
const arenas = new WeakMap<CommitOrder, Arena>();

function makeOrder(): CommitOrder {
  const config = { shard: 0, slots: SLOTS, dataBytesMax: 8, replyBytesMax: 8 };
  const arena = createArena({ ...config, ttlDefaultMs: 1, seedA: 1, seedB: 2 });
  const order = new CommitOrder(arena);
  arenas.set(order, arena);
  order.clear();
  return order;
}

function moveToNewest(order: CommitOrder, slot: number, time: number): void {
  const arena = arenas.get(order) as Arena;
  arena.floats[Header.COMMIT_TIME / 2] = time;
  order.moveToNewest(slot);
}

function listed(order: CommitOrder): number[] {
  const slots: number[] = [];
  let slot = order.newerThan(order.sentinel);
  while (slot !== order.sentinel && slots.length <= SLOTS) {
    slots.push(slot);
    slot = order.newerThan(slot);
  }
  return slots;
}

test('an empty order leads from the sentinel to itself', () => {
  const order = makeOrder();
  expect(order.sentinel).toBe(SLOTS);
  expect(listed(order)).toEqual([]);
});

test('sessions are listed from the one added first to the one added last', () => {
  const order = makeOrder();
  for (const slot of [3, 0, 5]) order.append(slot, slot / 4);
  expect(listed(order)).toEqual([3, 0, 5]);
  expect([3, 0, 5].map((slot) => order.timeOf(slot))).toEqual([0.75, 0, 1.25]);
});

test('the oldest, a middle one, the newest and the only one can be removed', () => {
  const order = makeOrder();
  for (const slot of [0, 1, 2, 3]) order.append(slot, 0);
  order.remove(0);
  expect(listed(order)).toEqual([1, 2, 3]);
  order.remove(2);
  expect(listed(order)).toEqual([1, 3]);
  order.remove(3);
  expect(listed(order)).toEqual([1]);
  order.remove(1);
  expect(listed(order)).toEqual([]);
  order.append(2, 1);
  expect(listed(order)).toEqual([2]);
});

test('moving to the newest end sets the time, also for the one that is newest already', () => {
  const order = makeOrder();
  for (const slot of [0, 1, 2]) order.append(slot, slot);
  moveToNewest(order, 2, 7.5);
  expect(listed(order)).toEqual([0, 1, 2]);
  expect(order.timeOf(2)).toBe(7.5);
  moveToNewest(order, 0, 8);
  expect(listed(order)).toEqual([1, 2, 0]);
  expect(order.timeOf(0)).toBe(8);
  expect(order.timeOf(1)).toBe(1);
});

test('clear forgets every link, whatever the entries held', () => {
  const order = makeOrder();
  for (const slot of [0, 1, 2]) order.append(slot, slot);
  order.clear();
  expect(listed(order)).toEqual([]);
  order.append(1, 3);
  expect(listed(order)).toEqual([1]);
});

test('any additions, moves and removals leave what an array would hold', () => {
  const step = fc.record({ slot: fc.nat(SLOTS - 1), removes: fc.boolean(), time: fc.double() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const order = makeOrder();
      let model: number[] = [];
      const times = new Map<number, number>();
      for (const { slot, removes, time } of steps) {
        const isHeld = model.includes(slot);
        if (isHeld && removes) order.remove(slot);
        else if (isHeld) moveToNewest(order, slot, time);
        else order.append(slot, time);
        model = model.filter((other) => other !== slot);
        if (!isHeld || !removes) {
          model.push(slot);
          times.set(slot, time);
        }
        expect(listed(order)).toEqual(model);
        for (const held of model) expect(order.timeOf(held)).toBe(times.get(held));
      }
    }),
    runs(150),
  );
});
