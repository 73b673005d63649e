/** The capacity ledger: the global count, and the bounds of the shards. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { createLedger, Ledger, NOTHING_TO_EVICT } from '../../src/core/ledger.ts';
import { runs } from './helpers.ts';

const LOWEST = Number.NEGATIVE_INFINITY;
/** The word that holds the version of a shard's bound. */
const versionAt = (shard: number): number => 8 + 4 * shard;

test('sessions are taken up to the limit and not beyond', () => {
  const ledger = createLedger(2, 3);
  expect([1, 2, 3, 4, 5].map(() => ledger.take())).toEqual([true, true, true, false, false]);
  expect(ledger.sessions()).toBe(3);
  ledger.give(2);
  expect(ledger.sessions()).toBe(1);
  expect(ledger.take()).toBe(true);
});

test('giving back more than was taken is a programming error and changes nothing', () => {
  const ledger = createLedger(1, 3);
  ledger.take();
  expect(() => ledger.give(2)).toThrow(AssertionFailure);
  expect(ledger.sessions()).toBe(1);
});

test('a new ledger knows no shard with anything to evict', () => {
  const ledger = createLedger(3, 10);
  expect(ledger.oldestShard()).toBe(-1);
  for (let shard = 0; shard < 3; shard++) expect(ledger.boundOf(shard)).toBe(NOTHING_TO_EVICT);
  expect(ledger.lowestBoundBeside(0)).toBe(NOTHING_TO_EVICT);
});

test('the oldest shard is the one with the lowest bound, the first among equals', () => {
  const ledger = createLedger(4, 10);
  ledger.publish(1, 30);
  expect(ledger.oldestShard()).toBe(1);
  ledger.publish(3, 20.5);
  expect(ledger.oldestShard()).toBe(3);
  ledger.publish(0, 20.5);
  expect(ledger.oldestShard()).toBe(0);
  ledger.publish(2, LOWEST);
  expect(ledger.oldestShard()).toBe(2);
  expect(ledger.lowestBoundBeside(2)).toBe(20.5);
  expect(ledger.lowestBoundBeside(1)).toBe(LOWEST);
  ledger.publish(2, NOTHING_TO_EVICT);
  expect(ledger.oldestShard()).toBe(0);
});

test('a deferred place stays taken, and on its way, until it is given back', () => {
  const ledger = createLedger(2, 2, true);
  expect([ledger.defers, createLedger(2, 2).defers]).toEqual([true, false]);
  ledger.take();
  ledger.take();
  ledger.defer();
  expect([ledger.sessions(), ledger.coming, ledger.take()]).toEqual([2, 1, false]);
  ledger.giveDeferred(1);
  expect([ledger.sessions(), ledger.coming, ledger.take()]).toEqual([1, 0, true]);
  expect(() => ledger.giveDeferred(1)).toThrow('no more places are given back than were deferred');
});

test('a single shard has no bound beside it', () => {
  const ledger = createLedger(1, 10);
  ledger.publish(0, 5);
  expect(ledger.lowestBoundBeside(0)).toBe(NOTHING_TO_EVICT);
});

test('a second view of the memory sees limit, shards, count and bounds', () => {
  const ledger = createLedger(2, 7);
  ledger.take();
  ledger.publish(1, 0.1);
  const other = new Ledger(ledger.memory);
  expect([other.sessionsMax, other.shards, other.sessions()]).toEqual([7, 2, 1]);
  expect(other.boundOf(1)).toBe(0.1);
  other.give(1);
  expect(ledger.sessions()).toBe(0);
});

test('every bound is read back exactly as it was published, and no other one changes', () => {
  const bound = fc.oneof(fc.double({ noNaN: true }), fc.nat(), fc.constant(LOWEST));
  const step = fc.tuple(fc.nat(4), bound);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const ledger = createLedger(5, 10);
      const model = Array.from({ length: 5 }, () => NOTHING_TO_EVICT);
      for (const [shard, boundMs] of steps) {
        ledger.publish(shard, boundMs);
        model[shard] = boundMs;
        expect(model.map((_, i) => ledger.boundOf(i))).toEqual(model);
        const lowest = Math.min(...model);
        const oldest = lowest === NOTHING_TO_EVICT ? -1 : model.indexOf(lowest);
        expect(ledger.oldestShard()).toBe(oldest);
        const beside = Math.min(...model.filter((_, i) => i !== shard));
        expect(ledger.lowestBoundBeside(shard)).toBe(beside);
      }
    }),
    runs(100),
  );
});

test('the bound of a writer that died half-way is unknown, hence lowest', () => {
  const ledger = createLedger(2, 10);
  ledger.publish(0, 5);
  ledger.publish(1, 6);
  Atomics.add(new Int32Array(ledger.memory), versionAt(0), 1);
  expect(ledger.boundOf(0)).toBe(LOWEST);
  expect(ledger.boundOf(1)).toBe(6);
  expect(ledger.oldestShard()).toBe(0);
});

test('after a writer died half-way its replacement can publish a bound again', () => {
  const ledger = createLedger(2, 10);
  ledger.publish(0, 5);
  Atomics.add(new Int32Array(ledger.memory), versionAt(0), 1);
  ledger.publish(0, LOWEST);
  expect(ledger.boundOf(0)).toBe(LOWEST);
  ledger.publish(0, 7);
  expect(ledger.boundOf(0)).toBe(7);
});
