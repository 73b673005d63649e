/** The index on its own, with hashes chosen so that entries collide, cluster and wrap around. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createArena } from '../../src/core/arena.ts';
import { AssertionFailure } from '../../src/core/assert.ts';
import { IndexTable } from '../../src/core/index-table.ts';
import { ROW_WORDS } from '../../src/core/layout.ts';
import { runs } from './helpers.ts';

const SLOTS = 8;
const MASK = 15;

interface Bench {
  index: IndexTable;
  /** Gives a slot the id that stands for a number, as the table does before it inserts. */
  setId(slot: number, id: number): void;
  find(hash: number, id: number): number;
  entries(): [hash: number, slot: number][];
}

function makeIndex(): Bench {
  const config = { shard: 0, slots: SLOTS, dataBytesMax: 8, replyBytesMax: 8 };
  const arena = createArena({ ...config, ttlDefaultMs: 1, seedA: 1, seedB: 2 });
  const { words, regions } = arena;
  const index = new IndexTable(arena);
  return {
    index,
    setId(slot, id) {
      words.set([id, -id, id * 7, 1], regions.rows + slot * ROW_WORDS);
    },
    find: (hash, id) => index.find(hash, id, -id, id * 7, 1),
    entries() {
      const all = words.slice(regions.index, regions.ended);
      return Array.from({ length: all.length / 2 }, (_, i) => [all[2 * i], all[2 * i + 1] - 1]);
    },
  };
}

/** No search may be stopped by an empty entry between an entry's home and where it lies. */
function checkReachable(bench: Bench): void {
  const entries = bench.entries();
  expect(entries.length).toBe(MASK + 1);
  entries.forEach(([hash, slot], at) => {
    if (slot < 0) return;
    for (let bucket = hash & MASK; bucket !== at; bucket = (bucket + 1) & MASK) {
      expect(entries[bucket][1]).toBeGreaterThanOrEqual(0);
    }
  });
}

test('an empty index finds nothing', () => {
  const bench = makeIndex();
  for (let hash = -20; hash < 20; hash++) expect(bench.find(hash, 1)).toBe(-1);
});

test('ids with the same whole hash are told apart by their words', () => {
  const bench = makeIndex();
  for (let slot = 0; slot < SLOTS; slot++) {
    bench.setId(slot, 100 + slot);
    bench.index.insert(0x5eed, slot);
  }
  for (let slot = 0; slot < SLOTS; slot++) expect(bench.find(0x5eed, 100 + slot)).toBe(slot);
  expect(bench.find(0x5eed, 99)).toBe(-1);
  bench.index.remove(0x5eed, 3);
  expect(bench.find(0x5eed, 103)).toBe(-1);
  expect(bench.find(0x5eed, 107)).toBe(7);
  checkReachable(bench);
});

test('each of the four id words takes part in the comparison', () => {
  const { index, setId } = makeIndex();
  setId(0, 5);
  index.insert(9, 0);
  expect(index.find(9, 5, -5, 35, 1)).toBe(0);
  expect(index.find(9, 6, -5, 35, 1)).toBe(-1);
  expect(index.find(9, 5, -6, 35, 1)).toBe(-1);
  expect(index.find(9, 5, -5, 36, 1)).toBe(-1);
  expect(index.find(9, 5, -5, 35, 2)).toBe(-1);
});

test('a cluster that wraps around the end closes its hole in every order of removal', () => {
  // Homes 14, 15, 15, 0, 14, 1: they lie in entries 14, 15, 0, 1, 2, 3.
  const hashes = [14, 15, 31, 16, 30, 1];
  for (let first = 0; first < hashes.length; first++) {
    for (let second = 0; second < hashes.length; second++) {
      if (first === second) continue;
      const bench = makeIndex();
      hashes.forEach((hash, slot) => {
        bench.setId(slot, slot + 1);
        bench.index.insert(hash, slot);
      });
      bench.index.remove(hashes[first], first);
      checkReachable(bench);
      bench.index.remove(hashes[second], second);
      checkReachable(bench);
      hashes.forEach((hash, slot) => {
        const gone = slot === first || slot === second;
        expect(bench.find(hash, slot + 1)).toBe(gone ? -1 : slot);
      });
    }
  }
});

test('removing leaves no tombstone: an emptied index has only empty entries', () => {
  const bench = makeIndex();
  for (let slot = 0; slot < SLOTS; slot++) bench.index.insert(slot * 5 - 9, slot);
  for (let slot = SLOTS - 1; slot >= 0; slot--) bench.index.remove(slot * 5 - 9, slot);
  expect(bench.entries()).toEqual(Array.from({ length: MASK + 1 }, () => [0, -1]));
});

test('removing a slot that is not there is a programming error', () => {
  const bench = makeIndex();
  bench.index.insert(3, 0);
  expect(() => bench.index.remove(3, 1)).toThrow(AssertionFailure);
  expect(() => bench.index.remove(4, 0)).toThrow(AssertionFailure);
});

test('clear empties the index and nothing beside it', () => {
  const bench = makeIndex();
  bench.setId(0, 5);
  bench.index.insert(15, 0);
  bench.index.insert(0, 1);
  bench.index.clear();
  expect(bench.find(15, 5)).toBe(-1);
  expect(bench.entries().every(([, slot]) => slot === -1)).toBe(true);
  bench.index.insert(15, 0);
  expect(bench.find(15, 5)).toBe(0);
});

test('any insertions and removals leave what a map would hold', () => {
  // Few hashes, negative ones too, around the wrap: most entries are away from their homes.
  const hash = fc.constantFrom(13, 14, 15, 31, -1, -2, 0, 16, 1, 0x7fffffff, -0x80000000);
  const step = fc.record({ slot: fc.integer({ min: 0, max: SLOTS - 1 }), hash });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const bench = makeIndex();
      const model = new Map<number, number>();
      for (const { slot, hash } of steps) {
        const held = model.get(slot);
        if (held === undefined) {
          bench.setId(slot, slot + 1);
          bench.index.insert(hash, slot);
          model.set(slot, hash);
        } else {
          bench.index.remove(held, slot);
          model.delete(slot);
          expect(bench.find(held, slot + 1)).toBe(-1);
        }
        for (const [live, at] of model) expect(bench.find(at, live + 1)).toBe(live);
        checkReachable(bench);
      }
      expect(bench.entries().filter(([, slot]) => slot >= 0).length).toBe(model.size);
    }),
    runs(150),
  );
});
