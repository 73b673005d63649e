/**
 * How sessions of a shard end: evicted, expired, closed or removed. Whoever ends one finds in
 * `ended` whom to tell.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { Eviction, Reason } from './codes.ts';
import type { CommitOrder } from './commit-order.ts';
import { type EndedMemory, EndedSession } from './ended-memory.ts';
import { hashId } from './hash.ts';
import type { IndexTable } from './index-table.ts';
import { Counter, Header, Intent, ROW_SHIFT, Row, RowFlag } from './layout.ts';
import { type Ledger, NOTHING_TO_EVICT } from './ledger.ts';
import type { SessionLog } from './session-log.ts';
import type { SlotPool } from './slot-pool.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { Victims } from './victims.ts';

/** The parts of a table that a session is taken out of when it ends. */
export interface EndingParts {
  readonly arena: Arena;
  readonly ledger: Ledger;
  readonly now: Float64Array;
  readonly index: IndexTable;
  readonly pool: SlotPool;
  readonly order: CommitOrder;
  readonly wheel: TimerWheel;
  readonly log: SessionLog | undefined;
}

export class Endings {
  readonly #arena: Arena;
  readonly #ledger: Ledger;
  readonly #now: Float64Array;
  readonly #index: IndexTable;
  readonly #pool: SlotPool;
  readonly #order: CommitOrder;
  readonly #wheel: TimerWheel;
  readonly #log: SessionLog | undefined;
  readonly #memory: EndedMemory;
  readonly #victims: Victims;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;

  /** The session that ended last, and how many have: any step of a table may end one. */
  readonly ended = new EndedSession();
  count = 0;

  constructor(parts: EndingParts, memory: EndedMemory, victims: Victims) {
    this.#arena = parts.arena;
    this.#ledger = parts.ledger;
    this.#now = parts.now;
    this.#index = parts.index;
    this.#pool = parts.pool;
    this.#order = parts.order;
    this.#wheel = parts.wheel;
    this.#log = parts.log;
    this.#memory = memory;
    this.#victims = victims;
    this.#words = parts.arena.words;
    this.#floats = parts.arena.floats;
    this.#rows = parts.arena.regions.rows;
  }

  /** Ends a live session that is not executing; `ended` then says whom to tell. */
  end(slot: number, reason: Reason): void {
    const words = this.#words;
    const row = this.#rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.LIVE) !== 0, 'only a live session ends');
    assert((flags & RowFlag.EXECUTING) === 0, 'a pinned session does not end');
    const { ended } = this;
    const { seedA, seedB } = this.#arena;
    ended.read(words, row, reason);
    const hash = hashId(ended.id0, ended.id1, ended.id2, ended.id3, seedA, seedB);
    this.#memory.remember(hash, row, reason);
    words[Header.INTENT_SLOT] = slot;
    words[Header.INTENT_REASON] = reason;
    words[Header.INTENT] = Intent.END;
    this.#logged();
    this.#index.remove(hash, slot);
    this.#order.remove(slot);
    this.#wheel.remove(slot);
    this.#pool.give(slot);
    // Otherwise the entry says so, and whoever writes it gives the place back.
    if (!this.#ledger.defers) {
      this.#ledger.give(1);
      // As in `register`: nothing lies between the two.
      words[Header.LIVE] -= 1;
    }
    this.count += 1;
    this.#floats[Header.COUNTERS / 2 + Counter.ENDED + reason] += 1;
  }

  /** From here the session has ended, whatever happens to this thread. */
  #logged(): void {
    const words = this.#words;
    const slot = words[Header.INTENT_SLOT];
    words[this.#rowOf(slot) + Row.FLAGS] = 0;
    if (this.#log !== undefined) {
      this.#log.ended(slot, words[Header.INTENT_REASON], this.#ledger);
      return;
    }
    assert(!this.#ledger.defers, 'a ledger that defers has logs');
    words[Header.INTENT] = Intent.NONE;
  }

  /** Ends and logs a session that a dead runner had begun to end; a rebuild does the rest. */
  redo(): void {
    if (this.#words[Header.INTENT] === Intent.END) this.#logged();
  }

  /**
   * Evicts the session that committed longest ago, unless its commit is newer than `limitMs` (the
   * lowest bound of the other shards). Pinned sessions are passed over; there are never more of
   * them than `Header.EXECUTING` says, which bounds the walk. On `EVICTED` see `ended`. With
   * `onlyExpired` it must have expired too, which frees its place without evicting anybody.
   */
  evictOldest(limitMs: number, onlyExpired = false): Eviction {
    const oldest = this.#victims.oldest();
    if (oldest < 0) {
      this.#victims.publish(NOTHING_TO_EVICT);
      return Eviction.NONE;
    }
    const time = this.#order.timeOf(oldest);
    const isExpired = this.isExpired(oldest);
    if (time > limitMs || (onlyExpired && !isExpired)) {
      this.#victims.publish(time);
      return time > limitMs ? Eviction.NOT_OLDEST : Eviction.NOT_EXPIRED;
    }
    this.end(oldest, isExpired ? Reason.EXPIRED : Reason.EVICTED);
    const next = this.#victims.oldest();
    this.#victims.publish(next < 0 ? NOTHING_TO_EVICT : this.#order.timeOf(next));
    return Eviction.EVICTED;
  }

  /** Ends a session whose connection went while it executed. True if it did. */
  reap(slot: number): boolean {
    const flags = this.#words[this.#rowOf(slot) + Row.FLAGS];
    if ((flags & (RowFlag.DOOMED | RowFlag.EXECUTING)) !== RowFlag.DOOMED) return false;
    this.end(slot, Reason.DISCONNECTED);
    return true;
  }

  /**
   * Ends one session that has expired, if the wheel has one. `advance` the wheel first. False when
   * there is none; `budget` bounds how many are looked at, because a session that was touched or
   * is pinned is only filed again.
   */
  sweep(budget: number): boolean {
    const wheel = this.#wheel;
    for (let looks = 0; looks < budget; looks++) {
      const slot = wheel.next();
      if (slot < 0) return false;
      if (this.isExpired(slot)) {
        this.end(slot, Reason.EXPIRED);
        return true;
      }
      this.file(slot);
    }
    return false;
  }

  /** Puts a session where the wheel will find it, or nowhere if it never expires. */
  file(slot: number): void {
    const flags = this.#words[this.#rowOf(slot) + Row.FLAGS];
    if ((flags & RowFlag.NEVER) !== 0) this.#wheel.remove(slot);
    else this.#wheel.schedule(slot);
  }

  isExpired(slot: number): boolean {
    const row = this.#rowOf(slot);
    return (
      (this.#words[row + Row.FLAGS] & (RowFlag.NEVER | RowFlag.EXECUTING)) === 0 &&
      this.#now[0] > this.#floats[(row + Row.DEADLINE) >> 1]
    );
  }

  #rowOf(slot: number): number {
    return this.#rows + (slot << ROW_SHIFT);
  }
}
