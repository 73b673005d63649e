/**
 * The index of a shard: client id → slot, as an open-addressing hash table over the arena.
 *
 * Linear probing over entries [hash, slot + 1]; at least twice as many entries as slots, so a
 * search always meets an empty entry. Deletion shifts the entries behind it back (Knuth, The Art
 * of Computer Programming 6.4, Algorithm R), so there are no tombstones and searches never slow
 * down. Ids are compared in the rows, and only after the stored hash matched.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { ROW_SHIFT, Row } from './layout.ts';

export class IndexTable {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #rows: number;
  readonly #mask: number;

  constructor(arena: Arena) {
    this.#words = arena.words;
    this.#base = arena.regions.index;
    this.#rows = arena.regions.rows;
    this.#mask = arena.indexMask;
  }

  /** The slot of an id, or −1. */
  find(hash: number, id0: number, id1: number, id2: number, id3: number): number {
    const words = this.#words;
    const mask = this.#mask;
    const base = this.#base;
    let bucket = hash & mask;
    for (let probes = 0; probes <= mask; probes++) {
      const entry = base + (bucket << 1);
      const slot = words[entry + 1] - 1;
      if (slot < 0) return -1;
      if (words[entry] === hash) {
        const row = this.#rows + (slot << ROW_SHIFT);
        if (
          words[row + Row.ID0] === id0 &&
          words[row + Row.ID1] === id1 &&
          words[row + Row.ID2] === id2 &&
          words[row + Row.ID3] === id3
        ) {
          return slot;
        }
      }
      bucket = (bucket + 1) & mask;
    }
    assert(false, 'the index keeps an empty entry');
  }

  /** Adds a slot whose id is not in the index yet. */
  insert(hash: number, slot: number): void {
    const words = this.#words;
    const mask = this.#mask;
    let bucket = hash & mask;
    for (let probes = 0; probes < mask; probes++) {
      const entry = this.#base + (bucket << 1);
      if (words[entry + 1] === 0) {
        words[entry] = hash;
        words[entry + 1] = slot + 1;
        return;
      }
      bucket = (bucket + 1) & mask;
    }
    assert(false, 'the index has room for every slot');
  }

  /** Removes a slot that is in the index. */
  remove(hash: number, slot: number): void {
    const words = this.#words;
    const mask = this.#mask;
    const base = this.#base;
    let hole = hash & mask;
    for (let probes = 0; words[base + (hole << 1) + 1] !== slot + 1; probes++) {
      assert(probes <= mask && words[base + (hole << 1) + 1] !== 0, 'the slot is in the index');
      hole = (hole + 1) & mask;
    }
    let next = hole;
    for (let probes = 0; probes <= mask; probes++) {
      next = (next + 1) & mask;
      const entry = base + (next << 1);
      if (words[entry + 1] === 0) break;
      const home = words[entry] & mask;
      // An entry may move back into the hole unless its home lies behind the hole.
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        words[base + (hole << 1)] = words[entry];
        words[base + (hole << 1) + 1] = words[entry + 1];
        hole = next;
      }
    }
    words[base + (hole << 1)] = 0;
    words[base + (hole << 1) + 1] = 0;
  }

  /** Empties the index, for a rebuild. */
  clear(): void {
    this.#words.fill(0, this.#base, this.#base + ((this.#mask + 1) << 1));
  }
}
