/**
 * The log buffer of a shard: what its sessions became, as entries on their way to the log. A ring
 * in a SharedArrayBuffer; whoever holds the shard's owner word appends, one writer takes batches.
 *
 *     word 0    tail, published by whoever appends
 *     word 32   head, published by the writer: what lies before it may be overwritten
 *     word 64   appending: tail, cached head, where the buffer's end was left unused;
 *               commits that were logged (f64); the position after the last end of a session
 *     word 96   durable: what lies before it is as safe as the engine promises; state; segment
 *     word 128  the writer's notes, for one that takes over: see `src/journal`
 *     word 160  entries: [words, kind, payload …], 8-byte aligned
 *
 * Positions count words, run freely and wrap at 2^32. An entry never wraps: when it does not fit,
 * the rest of the buffer stays unused, which a batch skips. The writer gives memory back only when
 * it is on disk, so a writer that dies loses nothing: the next one takes the same batch again.
 */
import { assert } from './assert.ts';
import { Header, Intent } from './layout.ts';
import type { Ledger } from './ledger.ts';

const DATA = 160;

const enum Word {
  TAIL = 0,
  HEAD = 32,
  OWN_TAIL = 64,
  OWN_HEAD = 65,
  UNUSED_FROM = 66,
  HAS_UNUSED = 67,
  LOGGED_COMMITS = 68,
  ENDED = 70,
  DURABLE = 96,
  STATE = 97,
  SEGMENT = 98,
  NOTES = 128,
}

/** Whether the log takes entries. */
export const enum LogState {
  OK = 0,
  /** The disk is full: nothing new is executed that would have to be logged, until it is not. */
  NO_ROOM = 1,
  /** It can never be written again by this process. */
  FAILED = 2,
}

/** Reserves a buffer for `words` words of entries, a power of two. */
export function createLogBuffer(words: number): SharedArrayBuffer {
  assert(words >= 64 && (words & (words - 1)) === 0, 'a buffer holds a power of two of words');
  return new SharedArrayBuffer((DATA + words) * 4);
}

export class LogBuffer {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly floats: Float64Array;
  readonly capacity: number;
  readonly #mask: number;

  constructor(readonly memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.floats = new Float64Array(memory);
    this.capacity = this.words.length - DATA;
    this.#mask = this.capacity - 1;
  }

  /** Room for an entry, its header filled in: its first word. There must be room. */
  claim(entryWords: number, kind: number): number {
    const words = this.words;
    let tail = words[Word.OWN_TAIL];
    const index = tail & this.#mask;
    const contiguous = this.capacity - index;
    const needed = contiguous < entryWords ? contiguous + entryWords : entryWords;
    assert(this.#free(needed) >= needed, 'room in the log buffer was made sure of before');
    if (contiguous <= entryWords) words[Word.HAS_UNUSED] = 0;
    if (contiguous < entryWords) {
      words[Word.UNUSED_FROM] = tail;
      words[Word.HAS_UNUSED] = 1;
      tail = (tail + contiguous) | 0;
      words[Word.OWN_TAIL] = tail;
    }
    const at = DATA + (tail & this.#mask);
    words[at] = entryWords;
    words[at + 1] = kind;
    return at;
  }

  /** Completes the entry that `claim` returned. */
  push(at: number): void {
    this.words[Word.OWN_TAIL] = (this.words[Word.OWN_TAIL] + this.words[at]) | 0;
  }

  /**
   * Completes the entry that ends a session, and with it what the table's header notes of that. No
   * call lies between the addition of `defer` and the stores, so a thread cannot be stopped with
   * some of them done.
   *
   * @param header the arena's words
   * @param ledger if it defers, it gets the place back when this is on disk; otherwise from
   *     whoever ends the session
   */
  pushEnd(at: number, header: Int32Array, ledger: Ledger): void {
    const { words } = this;
    const tail = (words[Word.OWN_TAIL] + words[at]) | 0;
    const live = header[Header.LIVE] - (ledger.defers ? 1 : 0);
    if (ledger.defers) ledger.defer();
    words[Word.OWN_TAIL] = tail;
    words[Word.ENDED] = tail;
    header[Header.LIVE] = live;
    header[Header.INTENT] = Intent.NONE;
  }

  /** Makes the entries visible to the writer. True if there were any. */
  publish(): boolean {
    const tail = this.words[Word.OWN_TAIL];
    if (Atomics.load(this.words, Word.TAIL) === tail) return false;
    Atomics.store(this.words, Word.TAIL, tail);
    return true;
  }

  /**
   * Makes the entries before a position visible, which whoever asks has appended, unless they are
   * already. Not only by the holder of the owner word.
   */
  publishTo(position: number): void {
    const { words } = this;
    let tail = Atomics.load(words, Word.TAIL);
    // Each failed exchange means that another thread published more, so this ends.
    while (((position - tail) | 0) > 0) {
      const found = Atomics.compareExchange(words, Word.TAIL, tail, position);
      if (found === tail) return;
      tail = found;
    }
  }

  /** Whether entries before a position have not been published. */
  isBehind(position: number): boolean {
    return ((position - Atomics.load(this.words, Word.TAIL)) | 0) > 0;
  }

  /** Whether so many words of entries fit, wherever the buffer's end lies. */
  hasRoom(entryWords: number): boolean {
    return this.#free(2 * entryWords) >= 2 * entryWords;
  }

  #free(enough: number): number {
    const words = this.words;
    const tail = words[Word.OWN_TAIL];
    const free = this.capacity - ((tail - words[Word.OWN_HEAD]) | 0);
    if (free >= enough) return free;
    words[Word.OWN_HEAD] = Atomics.load(words, Word.HEAD);
    return this.capacity - ((tail - words[Word.OWN_HEAD]) | 0);
  }

  /** The position after the last entry: what an answer given now must wait for. */
  get position(): number {
    return this.words[Word.OWN_TAIL];
  }

  /** The position after the last entry that ended a session. */
  get endPosition(): number {
    return this.words[Word.ENDED];
  }

  set endPosition(position: number) {
    this.words[Word.ENDED] = position;
  }

  /** The position up to which all is durable: for an answer that need not wait. */
  get durablePosition(): number {
    return Atomics.load(this.words, Word.DURABLE);
  }

  /**
   * Whether all before a position is durable. One that is not lies between the durable position and
   * the tail; any other is older than the positions' wrap-around, so long ago.
   */
  isDurable(position: number): boolean {
    const durable = Atomics.load(this.words, Word.DURABLE);
    const ahead = (position - durable) | 0;
    return ahead <= 0 || ahead > ((this.words[Word.OWN_TAIL] - durable) | 0);
  }

  /** Waits on this thread until the durable position moves, or the time is over. */
  waitDurable(position: number, timeoutMs: number): void {
    const durable = Atomics.load(this.words, Word.DURABLE);
    if (this.isDurable(position)) return;
    Atomics.wait(this.words, Word.DURABLE, durable, timeoutMs);
  }

  get state(): LogState {
    return Atomics.load(this.words, Word.STATE) as LogState;
  }

  set state(state: LogState) {
    Atomics.store(this.words, Word.STATE, state);
  }

  /** The segment that the writer is in: entries appended now land there or later. */
  get segment(): number {
    return this.words[Word.SEGMENT];
  }

  set segment(segment: number) {
    Atomics.store(this.words, Word.SEGMENT, segment);
  }

  /** The number of the last commit whose entry was appended, or that needs none. */
  get loggedCommits(): number {
    return this.floats[Word.LOGGED_COMMITS / 2];
  }

  set loggedCommits(commits: number) {
    this.floats[Word.LOGGED_COMMITS / 2] = commits;
  }

  /** Writer: whether there are entries to take. */
  hasEntries(): boolean {
    return Atomics.load(this.words, Word.TAIL) !== Atomics.load(this.words, Word.HEAD);
  }

  /** Published words that were not given back yet: what waits to be written. */
  get bufferedWords(): number {
    return (Atomics.load(this.words, Word.TAIL) - Atomics.load(this.words, Word.HEAD)) | 0;
  }

  /** Writer: the published tail, up to which a batch may go. */
  get tail(): number {
    return Atomics.load(this.words, Word.TAIL);
  }

  /**
   * Writer: how many of the entries from the head to a tail carry a mark in their second word.
   */
  countMarked(tail: number, mark: number): number {
    const { words } = this;
    let count = 0;
    for (let at = Atomics.load(words, Word.HEAD); at !== tail; ) {
      const index = at & this.#mask;
      // The end of the buffer that was left unused, see `copyBatch`.
      if (words[Word.HAS_UNUSED] !== 0 && words[Word.UNUSED_FROM] === at) {
        at = (at + this.capacity - index) | 0;
        continue;
      }
      const length = words[DATA + index];
      assert(length > 0 && length <= ((tail - at) | 0), 'entries end where a batch ends');
      if ((words[DATA + index + 1] & mark) !== 0) count += 1;
      at = (at + length) | 0;
    }
    return count;
  }

  /** Writer: copies all entries from the head to a tail; returns how many bytes they are. */
  copyBatch(tail: number, to: Uint8Array, at: number): number {
    const words = this.words;
    const head = Atomics.load(words, Word.HEAD);
    const from = head & this.#mask;
    const count = (tail - head) | 0;
    const contiguous = this.capacity - from;
    let first = Math.min(count, contiguous);
    const unused = (words[Word.UNUSED_FROM] - head) | 0;
    // Where the end of the buffer was left unused by an entry of this batch, or by one that a
    // thread has not lived to complete: then the batch may end there.
    if (words[Word.HAS_UNUSED] !== 0 && unused >= 0 && unused < first) first = unused;
    const copied = this.#copy(from, first, to, at);
    if (count <= contiguous) return copied;
    return copied + this.#copy(0, count - contiguous, to, at + copied);
  }

  #copy(fromWord: number, count: number, to: Uint8Array, at: number): number {
    const start = (DATA + fromWord) * 4;
    // cold: twice a batch
    to.set(this.bytes.subarray(start, start + count * 4), at);
    return count * 4;
  }

  /**
   * Writer: the entries before a position are written, and their memory may be used again. No call
   * lies between the subtractions of `giveDeferred` and the two stores, so one that takes over
   * finds all done or nothing.
   *
   * @param note what `noted(0)` gives from now on
   * @param places how many places of ended sessions go back to the ledger
   */
  release(position: number, note: number, ledger?: Ledger, places = 0): void {
    const { words, floats } = this;
    if (ledger !== undefined && places > 0) ledger.giveDeferred(places);
    floats[Word.NOTES / 2] = note;
    Atomics.store(words, Word.HEAD, position);
  }

  /** Writer: answers that wait for a position may go. */
  setDurable(position: number): void {
    Atomics.store(this.words, Word.DURABLE, position);
    Atomics.notify(this.words, Word.DURABLE);
  }

  /** Writer that takes over: what the one before gave back is durable, if it told so or not. */
  resume(): void {
    this.setDurable(Atomics.load(this.words, Word.HEAD));
  }

  /** Writer: numbers to be found by one that takes over. */
  note(index: number, value: number): void {
    this.floats[Word.NOTES / 2 + index] = value;
  }

  noted(index: number): number {
    return this.floats[Word.NOTES / 2 + index];
  }
}
