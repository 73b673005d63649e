/**
 * Who may be evicted: the session of a shard that committed longest ago and is not executing, and
 * the bound of its commit time that the ledger holds for the other shards.
 *
 * The bound may lag behind but is never above the oldest candidate's time. So it is lowered at
 * once, whenever an older candidate appears, and raised only when somebody looks for a victim.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { CommitOrder } from './commit-order.ts';
import { Header, ROW_SHIFT, Row, RowFlag } from './layout.ts';
import type { Ledger } from './ledger.ts';

export class Victims {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;
  readonly #shard: number;
  readonly #order: CommitOrder;
  readonly #ledger: Ledger;

  constructor(arena: Arena, order: CommitOrder, ledger: Ledger) {
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#rows = arena.regions.rows;
    this.#shard = arena.shard;
    this.#order = order;
    this.#ledger = ledger;
  }

  /**
   * The slot of the oldest session that is not executing, or −1. There are never more pinned ones
   * than the header counts, which bounds the walk.
   */
  oldest(): number {
    const words = this.#words;
    const pinnedMax = words[Header.EXECUTING];
    let slot = this.#order.newerThan(this.#order.sentinel);
    for (let passed = 0; passed <= pinnedMax; passed++) {
      if (slot === this.#order.sentinel) return -1;
      const flags = words[this.#rows + (slot << ROW_SHIFT) + Row.FLAGS];
      if ((flags & RowFlag.EXECUTING) === 0) return slot;
      slot = this.#order.newerThan(slot);
    }
    assert(false, 'no more sessions are pinned than are counted');
  }

  /** A session with this commit time can be evicted now. */
  lower(timeMs: number): void {
    if (timeMs < this.#floats[Header.BOUND / 2]) this.publish(timeMs);
  }

  /** A session that has just committed can be evicted now. */
  lowerToCommit(): void {
    const time = this.#floats[Header.COMMIT_TIME / 2];
    if (time < this.#floats[Header.BOUND / 2]) this.publish(time);
  }

  publish(timeMs: number): void {
    if (this.#floats[Header.BOUND / 2] === timeMs) return;
    this.#floats[Header.BOUND / 2] = timeMs;
    this.#ledger.publish(this.#shard, timeMs);
  }
}
