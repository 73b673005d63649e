/**
 * The commit order of a shard: its sessions in a doubly linked list from the one that committed
 * longest ago to the newest, with the time of each one's last commit.
 *
 * Links and time share a 16-byte entry in an array of their own, because moving a session touches
 * its neighbours and rows are wide. The entry after the last slot is the sentinel: next of it is
 * the oldest, previous of it the newest, so no operation branches on the ends. Times never
 * decrease along the list.
 */
import type { Arena } from './arena.ts';
import { Header, ORDER_WORDS } from './layout.ts';

const enum Entry {
  PREVIOUS = 0,
  NEXT = 1,
  // biome-ignore lint/suspicious/noDuplicateEnumValues: an offset in Float64s, not in words
  TIME_FLOAT = 1,
}

export class CommitOrder {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #base: number;
  readonly #baseFloat: number;
  readonly sentinel: number;

  constructor(arena: Arena) {
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#base = arena.regions.order;
    this.#baseFloat = arena.regions.order / 2;
    this.sentinel = arena.slots;
  }

  clear(): void {
    const entry = this.#base + this.sentinel * ORDER_WORDS;
    this.#words[entry + Entry.PREVIOUS] = this.sentinel;
    this.#words[entry + Entry.NEXT] = this.sentinel;
  }

  /** Adds a session as the newest. */
  append(slot: number, timeMs: number): void {
    this.#link(slot);
    this.#floats[this.#baseFloat + (slot << 1) + Entry.TIME_FLOAT] = timeMs;
  }

  /** Adds a session as the newest, at the time of the last commit: see `moveToNewest`. */
  appendCommit(slot: number): void {
    const floats = this.#floats;
    this.#link(slot);
    floats[this.#baseFloat + (slot << 1) + Entry.TIME_FLOAT] = floats[Header.COMMIT_TIME / 2];
  }

  #link(slot: number): void {
    const words = this.#words;
    const base = this.#base;
    const end = base + (this.sentinel << 2);
    const newest = words[end + Entry.PREVIOUS];
    const entry = base + (slot << 2);
    words[entry + Entry.PREVIOUS] = newest;
    words[entry + Entry.NEXT] = this.sentinel;
    words[base + (newest << 2) + Entry.NEXT] = slot;
    words[end + Entry.PREVIOUS] = slot;
  }

  remove(slot: number): void {
    const words = this.#words;
    const entry = this.#base + (slot << 2);
    const previous = words[entry + Entry.PREVIOUS];
    const next = words[entry + Entry.NEXT];
    words[this.#base + (previous << 2) + Entry.NEXT] = next;
    words[this.#base + (next << 2) + Entry.PREVIOUS] = previous;
  }

  /**
   * Makes a session the newest, at the time of the last commit. The time is taken from the header
   * and not passed, because V8 boxes a fraction that is passed to a function it does not inline.
   */
  moveToNewest(slot: number): void {
    const floats = this.#floats;
    floats[this.#baseFloat + (slot << 1) + Entry.TIME_FLOAT] = floats[Header.COMMIT_TIME / 2];
    if (this.#words[this.#base + (this.sentinel << 2) + Entry.PREVIOUS] === slot) return;
    this.remove(slot);
    this.#link(slot);
  }

  /** The session that follows in age; from the sentinel, the oldest; the sentinel at the end. */
  newerThan(slot: number): number {
    return this.#words[this.#base + (slot << 2) + Entry.NEXT];
  }

  timeOf(slot: number): number {
    return this.#floats[this.#baseFloat + (slot << 1) + Entry.TIME_FLOAT];
  }
}
