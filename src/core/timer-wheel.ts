/**
 * The timer wheel of a shard: its sessions in buckets by deadline, so that those that have expired
 * are found without looking at the others. Five levels after Caffeine's `TimerWheel`, of 64, 64,
 * 32, 4 and 1 buckets; a bucket of one level spans all buckets of the level below.
 *
 *     level   buckets   span of one    a bucket is due when its span
 *     0       64        2^9  ms        has passed: what it holds has expired
 *     1       64        2^15 ms        begins: what it holds is filed again, in a lower level
 *     2       32        2^21 ms        begins
 *     3       4         2^26 ms        begins
 *     4       1         2^28 ms        begins, for the next span only
 *
 * A touch writes only the deadline in the row. Whoever takes a slot from the work list therefore
 * reads the deadline again, and either ends the session or files it anew.
 *
 * The bound: a slot is due no later than the first `advance` whose time is at or after the filed
 * deadline + 512 ms (the wheel's time + 512 ms, if the deadline had passed when it was filed). It
 * may be due before its deadline, when the bucket of a higher level begins.
 *
 * Links are stored + 1, as 0 means not linked. Lists are rings through a sentinel, so nothing
 * branches on their ends. A rebuild after a death starts with `clear`, so a step may be cut short
 * anywhere.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { Header, ROW_SHIFT, Row, WHEEL_BUCKETS, WHEEL_LISTS } from './layout.ts';

const enum Entry {
  PREVIOUS = 0,
  NEXT = 1,
}

/** By level: how many buckets it has, the first of them, and how many ms one of them spans. */
const LENGTHS = Int32Array.of(64, 64, 32, 4, 1);
const FIRSTS = Int32Array.of(0, 64, 128, 160, 164);
const SPANS_MS = Float64Array.of(2 ** 9, 2 ** 15, 2 ** 21, 2 ** 26, 2 ** 28);
const LEVELS = 5;
const LAST_LEVEL = LEVELS - 1;

export class TimerWheel {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #now: Float64Array;
  readonly #rows: number;
  readonly #base: number;
  readonly #slots: number;
  readonly #workList: number;

  /** @param now one Float64, milliseconds on the engine's clock, kept current by the caller */
  constructor(arena: Arena, now: Float64Array) {
    assert(
      FIRSTS[LAST_LEVEL] + LENGTHS[LAST_LEVEL] === WHEEL_BUCKETS,
      'the layout has room for all buckets',
    );
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#now = now;
    this.#rows = arena.regions.rows;
    this.#base = arena.regions.wheel;
    this.#slots = arena.slots;
    this.#workList = arena.slots + WHEEL_BUCKETS;
  }

  /** Empties the wheel, whatever its links held, and sets its time to now. */
  clear(): void {
    const words = this.#words;
    // Slots above the mark were never used, so their links are 0 and their pages cost nothing yet.
    words.fill(0, this.#base, this.#base + (words[Header.HIGH_WATER] << 1));
    for (let list = this.#slots; list < this.#slots + WHEEL_LISTS; list++) this.#empty(list);
    this.#floats[Header.WHEEL_TIME / 2] = this.#now[0];
  }

  /**
   * Files a slot by the deadline in its row, and takes it from the list that it was in. The
   * deadline is not passed, because V8 boxes a fraction that is passed to a function it does not
   * inline. A session without a deadline must not be filed: its row holds something else there.
   */
  schedule(slot: number): void {
    this.remove(slot);
    const words = this.#words;
    const list = this.#bucketFor(slot);
    const end = this.#base + (list << 1);
    const entry = this.#base + (slot << 1);
    const last = words[end + Entry.PREVIOUS];
    words[entry + Entry.PREVIOUS] = last;
    words[entry + Entry.NEXT] = list + 1;
    words[this.#base + ((last - 1) << 1) + Entry.NEXT] = slot + 1;
    words[end + Entry.PREVIOUS] = slot + 1;
  }

  /** Takes a slot from the list that it is in, if it is in one. */
  remove(slot: number): void {
    const words = this.#words;
    const entry = this.#base + (slot << 1);
    const next = words[entry + Entry.NEXT];
    if (next === 0) return;
    const previous = words[entry + Entry.PREVIOUS];
    words[this.#base + ((previous - 1) << 1) + Entry.NEXT] = next;
    words[this.#base + ((next - 1) << 1) + Entry.PREVIOUS] = previous;
    words[entry + Entry.PREVIOUS] = 0;
    words[entry + Entry.NEXT] = 0;
  }

  isLinked(slot: number): boolean {
    return this.#words[this.#base + (slot << 1) + Entry.NEXT] !== 0;
  }

  /**
   * Moves every bucket that came due since the last time onto the work list, whole: at most one
   * splice a bucket, however far the clock jumped. A clock that stands still or went backwards
   * does nothing.
   */
  advance(): void {
    const floats = this.#floats;
    const now = this.#now[0];
    const time = floats[Header.WHEEL_TIME / 2];
    if (!(now > time)) return;
    for (let level = 0; level < LEVELS; level++) {
      const tick = Math.floor(time / SPANS_MS[level]);
      const passed = Math.floor(now / SPANS_MS[level]) - tick;
      // Where a lower level has not moved on, no higher one has.
      if (passed === 0) break;
      const length = LENGTHS[level];
      const count = passed < length ? passed : length;
      // Level 0 fires what has ended, the others what has begun. A mask takes ticks above 2^31 too.
      const from = level === 0 ? tick : tick + 1;
      for (let i = 0; i < count; i++) this.#fire(FIRSTS[level] + ((from + i) & (length - 1)));
    }
    floats[Header.WHEEL_TIME / 2] = now;
  }

  /**
   * As `advance`, and moves the bucket of this very moment too, which may hold sessions that have
   * expired beside others that have not: after it the work list has all that have. It must not be
   * repeated while the list is worked off, or what is filed again comes again.
   */
  advanceToNow(): void {
    this.advance();
    const tick = Math.floor(this.#floats[Header.WHEEL_TIME / 2] / SPANS_MS[0]);
    this.#fire(FIRSTS[0] + (tick & (LENGTHS[0] - 1)));
  }

  /**
   * The slot at the head of the work list, or −1. It stays there until `remove` or `schedule`,
   * neither of which puts anything onto that list: so the work ends, and the caller may stop and
   * resume wherever it likes.
   */
  next(): number {
    const head = this.#words[this.#base + (this.#workList << 1) + Entry.NEXT] - 1;
    return head === this.#workList ? -1 : head;
  }

  /**
   * The list for the deadline of a slot. Its tick in a level is less than the level's length ahead
   * of the wheel's, or in the lowest level the same: so no two ticks share a bucket, and the
   * bucket is due in the future. Levels are chosen by ticks and not by durations for that reason.
   */
  #bucketFor(slot: number): number {
    const time = this.#floats[Header.WHEEL_TIME / 2];
    const filed = this.#floats[(this.#rows + (slot << ROW_SHIFT) + Row.DEADLINE) >> 1];
    const deadline = filed > time ? filed : time;
    for (let level = 0; level < LAST_LEVEL; level++) {
      const length = LENGTHS[level];
      const tick = Math.floor(deadline / SPANS_MS[level]);
      if (tick - Math.floor(time / SPANS_MS[level]) < length) {
        return this.#slots + FIRSTS[level] + (tick & (length - 1));
      }
    }
    return this.#slots + FIRSTS[LAST_LEVEL];
  }

  /** Appends all of a bucket to the work list. */
  #fire(bucket: number): void {
    const words = this.#words;
    const list = this.#slots + bucket;
    const entry = this.#base + (list << 1);
    const first = words[entry + Entry.NEXT];
    if (first === list + 1) return;
    const last = words[entry + Entry.PREVIOUS];
    const work = this.#base + (this.#workList << 1);
    const end = words[work + Entry.PREVIOUS];
    words[this.#base + ((end - 1) << 1) + Entry.NEXT] = first;
    words[this.#base + ((first - 1) << 1) + Entry.PREVIOUS] = end;
    words[this.#base + ((last - 1) << 1) + Entry.NEXT] = this.#workList + 1;
    words[work + Entry.PREVIOUS] = last;
    this.#empty(list);
  }

  #empty(list: number): void {
    const entry = this.#base + (list << 1);
    this.#words[entry + Entry.PREVIOUS] = list + 1;
    this.#words[entry + Entry.NEXT] = list + 1;
  }
}
