/**
 * Brings the memory of sessions into the processor's cache before their messages execute.
 *
 * In a table that is larger than the cache every message waits for main memory several times, one
 * wait after the other: for its index entry, its row, and its neighbours in the commit order. The
 * messages of a batch are known beforehand, and looking at all of their entries, then at all of
 * their rows, lets the processor wait for many at once. Nothing depends on what is read here.
 */
import type { Arena } from './arena.ts';
import { Header, ROW_SHIFT, Row } from './layout.ts';

/** Messages looked at together: the processor has fewer reads under way than this. */
export const WARM_MESSAGES_MAX = 64;

/** Below so many sessions, some 3 MiB of rows and entries, the caches hold the table anyway. */
const WARM_SLOTS_MIN = 16_384;

/** Entries of the index looked at for one id: nearly all are found by then. */
const PROBES_MAX = 4;

export class Warmer {
  readonly #words: Int32Array;
  readonly #rows: number;
  readonly #order: number;
  readonly #index: number;
  readonly #mask: number;
  /** The hashes of ids, then the slots found for them. */
  readonly #slots = new Int32Array(WARM_MESSAGES_MAX);
  #count = 0;

  constructor(arena: Arena) {
    const { rows, order, index } = arena.regions;
    this.#words = arena.words;
    this.#rows = rows;
    this.#order = order;
    this.#index = index;
    this.#mask = arena.indexMask;
  }

  /** Whether the table is so large that it is worth its cost, a few ns a message. */
  get pays(): boolean {
    return this.#words[Header.HIGH_WATER] >= WARM_SLOTS_MIN;
  }

  /** Adds a message by the hash of its id; at most `WARM_MESSAGES_MAX` before `run`. */
  add(hash: number): void {
    this.#slots[this.#count++] = hash;
  }

  /** Reads what the messages that were added will need. For the holder of the owner word. */
  run(): void {
    const words = this.#words;
    const slots = this.#slots;
    const count = this.#count;
    let sum = 0;
    for (let i = 0; i < count; i++) slots[i] = this.#find(slots[i]);
    for (let i = 0; i < count; i++) {
      const row = this.#rows + (slots[i] << ROW_SHIFT);
      sum ^= words[row] ^ words[row + Row.DATA_LENGTH] ^ words[this.#order + (slots[i] << 2)];
    }
    for (let i = 0; i < count; i++) {
      const entry = this.#order + (slots[i] << 2);
      sum ^= words[this.#order + (words[entry] << 2)];
      sum ^= words[this.#order + (words[entry + 1] << 2)];
    }
    // Kept, because the compiler leaves out reads whose values nobody uses.
    slots[0] = sum;
    this.#count = 0;
  }

  /** The slot of the first entry with a hash; slot 0 if none is near, which does no harm. */
  #find(hash: number): number {
    const words = this.#words;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const entry = this.#index + (((hash + probe) & this.#mask) << 1);
      const slot = words[entry + 1] - 1;
      if (slot < 0) return 0;
      if (words[entry] === hash) return slot;
    }
    return 0;
  }
}
