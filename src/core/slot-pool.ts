/**
 * The slots of a shard: which are free.
 *
 * Free slots form a stack threaded through the first word of their rows; slots above the high
 * water mark were never used and are not linked at all, so starting touches no page.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { Header, ROW_SHIFT, Row, RowFlag } from './layout.ts';

export class SlotPool {
  readonly #words: Int32Array;
  readonly #rows: number;
  readonly #slots: number;

  constructor(arena: Arena) {
    this.#words = arena.words;
    this.#rows = arena.regions.rows;
    this.#slots = arena.slots;
  }

  /** A free slot, or −1 when all are in use. */
  take(): number {
    const words = this.#words;
    const free = words[Header.FREE_HEAD] - 1;
    if (free >= 0) {
      const row = this.#rows + (free << ROW_SHIFT);
      assert((words[row + Row.FLAGS] & RowFlag.LIVE) === 0, 'a free slot is not live');
      words[Header.FREE_HEAD] = words[row + Row.ID0];
      return free;
    }
    const fresh = words[Header.HIGH_WATER];
    if (fresh === this.#slots) return -1;
    words[Header.HIGH_WATER] = fresh + 1;
    return fresh;
  }

  give(slot: number): void {
    const words = this.#words;
    const row = this.#rows + (slot << ROW_SHIFT);
    words[row + Row.FLAGS] = 0;
    words[row + Row.ID0] = words[Header.FREE_HEAD];
    words[Header.FREE_HEAD] = slot + 1;
  }
}
