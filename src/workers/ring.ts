/**
 * A single-producer single-consumer ring of variable-length records in a SharedArrayBuffer, after
 * Agrona's OneToOneRingBuffer and rigtorp's SPSCQueue.
 *
 *     word 0    tail, published      (Atomics)
 *     word 32   head, published      (Atomics)
 *     word 64   producer: tail, cached head
 *     word 96   consumer: head, cached tail, record in execution, its commit count (f64)
 *     word 128  records: [words, type, payload …], 8-byte aligned
 *
 * Positions run freely and wrap at 2^32; `position & mask` is the word. A record never wraps: a
 * padding record fills the end of the buffer instead. Payloads are plain stores. The producer's
 * `Atomics.store` of the tail and the consumer's `Atomics.load` of it order them, once per batch.
 *
 * Each side's own position lies in the ring too, so that another thread can take the side over,
 * under the owner word or after a death.
 */
import { assert } from '../core/assert.ts';

const DATA = 128;
const PADDING = -1;
const enum Word {
  TAIL = 0,
  HEAD = 32,
  PRODUCER_TAIL = 64,
  PRODUCER_HEAD = 65,
  CONSUMER_HEAD = 96,
  CONSUMER_TAIL = 97,
  EXECUTING = 98,
  EXECUTING_COMMITS = 100,
}

/** Reserves a ring whose records hold up to `words` words in all; a power of two. */
export function createRing(words: number): SharedArrayBuffer {
  assert(words >= 64 && (words & (words - 1)) === 0, 'a ring holds a power of two of words');
  // cold: once per ring
  return new SharedArrayBuffer((DATA + words) * 4);
}

export class Ring {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly floats: Float64Array;
  readonly capacity: number;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.floats = new Float64Array(memory);
    this.capacity = this.words.length - DATA;
    this.#mask = this.capacity - 1;
  }

  /** The longest record that always finds room in an empty ring, wherever its end lies. */
  get recordWordsMax(): number {
    return this.capacity >>> 1;
  }

  /**
   * Producer: room for a record, its header filled in. Returns its first word, or −1 if there is
   * no room now. The record becomes part of the ring with `push`.
   */
  claim(recordWords: number, type: number): number {
    const words = this.words;
    const needed = (recordWords + 1) & ~1;
    assert(needed <= this.recordWordsMax, 'a record is at most half the ring');
    let tail = words[Word.PRODUCER_TAIL];
    const index = tail & this.#mask;
    const contiguous = this.capacity - index;
    const total = contiguous < needed ? contiguous + needed : needed;
    if (total > this.#free(total)) return -1;
    if (contiguous < needed) {
      words[DATA + index] = contiguous;
      words[DATA + index + 1] = PADDING;
      tail = (tail + contiguous) | 0;
      words[Word.PRODUCER_TAIL] = tail;
    }
    const at = DATA + (tail & this.#mask);
    words[at] = needed;
    words[at + 1] = type;
    return at;
  }

  /** Producer: completes the record that `claim` returned. */
  push(at: number): void {
    this.words[Word.PRODUCER_TAIL] = (this.words[Word.PRODUCER_TAIL] + this.words[at]) | 0;
  }

  /** Producer: makes all completed records visible. True if there were any. */
  publish(): boolean {
    const tail = this.words[Word.PRODUCER_TAIL];
    if (Atomics.load(this.words, Word.TAIL) === tail) return false;
    Atomics.store(this.words, Word.TAIL, tail);
    return true;
  }

  /** Producer: words free for records, at least; `enough` saves a look at the other side. */
  #free(enough: number): number {
    const words = this.words;
    const tail = words[Word.PRODUCER_TAIL];
    const free = this.capacity - ((tail - words[Word.PRODUCER_HEAD]) | 0);
    if (free >= enough) return free;
    words[Word.PRODUCER_HEAD] = Atomics.load(words, Word.HEAD);
    return this.capacity - ((tail - words[Word.PRODUCER_HEAD]) | 0);
  }

  /** Producer: whether `count` records of at most `recordWords` each fit, padding included. */
  hasRoom(recordWords: number, count: number): boolean {
    const needed = ((recordWords + 1) & ~1) * (count + 1);
    return this.#free(needed) >= needed;
  }

  /** Consumer: the first word of the next record, or −1. Passes over padding. */
  peek(): number {
    const words = this.words;
    // Each turn passes over a record, so there are never more than fit the ring.
    for (let turns = 0; turns < this.capacity; turns++) {
      const head = words[Word.CONSUMER_HEAD];
      if (head === words[Word.CONSUMER_TAIL]) {
        words[Word.CONSUMER_TAIL] = Atomics.load(words, Word.TAIL);
        if (head === words[Word.CONSUMER_TAIL]) return -1;
      }
      const at = DATA + (head & this.#mask);
      if (words[at + 1] !== PADDING) return at;
      words[Word.CONSUMER_HEAD] = (head + words[at]) | 0;
    }
    assert(false, 'padding is followed by a record');
  }

  /** Consumer: the first word of the record behind one that was not taken yet, or −1. */
  peekAfter(at: number): number {
    const words = this.words;
    const head = words[Word.CONSUMER_HEAD];
    words[Word.CONSUMER_TAIL] = Atomics.load(words, Word.TAIL);
    let index = at - DATA;
    for (let turns = 0; turns < this.capacity; turns++) {
      const past = (index - (head & this.#mask) + this.capacity) & this.#mask;
      const next = (head + past + words[DATA + index]) | 0;
      if (next === words[Word.CONSUMER_TAIL]) return -1;
      index = next & this.#mask;
      if (words[DATA + index + 1] !== PADDING) return DATA + index;
    }
    assert(false, 'a ring has fewer records than words');
  }

  /** Consumer: the record at `at` is taken; its memory stays until `release`. */
  take(at: number): void {
    if (at !== DATA + (this.words[Word.CONSUMER_HEAD] & this.#mask)) {
      // Taken before its turn: what is left of it is passed over.
      this.words[at + 1] = PADDING;
      return;
    }
    this.words[Word.CONSUMER_HEAD] = (this.words[Word.CONSUMER_HEAD] + this.words[at]) | 0;
  }

  /** Consumer: gives the memory of all taken records back. */
  release(): void {
    const head = this.words[Word.CONSUMER_HEAD];
    if (Atomics.load(this.words, Word.HEAD) !== head) Atomics.store(this.words, Word.HEAD, head);
  }

  /** Either side: whether every published record was taken and given back. */
  isEmpty(): boolean {
    return Atomics.load(this.words, Word.TAIL) === Atomics.load(this.words, Word.HEAD);
  }

  /** Consumer: whether there is nothing to take. */
  isDrained(): boolean {
    return Atomics.load(this.words, Word.TAIL) === this.words[Word.CONSUMER_HEAD];
  }

  /** On a thread that is both sides: whether nothing lies in it, published or not. */
  isUnused(): boolean {
    return this.words[Word.PRODUCER_TAIL] === this.words[Word.CONSUMER_HEAD];
  }

  /** Producer: whether everything it pushed was consumed. */
  isIdle(): boolean {
    return this.words[Word.PRODUCER_TAIL] === Atomics.load(this.words, Word.HEAD);
  }

  /** Published words that were not given back yet, of `capacity`. */
  fill(): number {
    return (Atomics.load(this.words, Word.TAIL) - Atomics.load(this.words, Word.HEAD)) | 0;
  }

  /**
   * Consumer: notes the record in execution, so that a successor can tell what became of it.
   *
   * @param counts where the shard counts its commits, at `index`: a number of that size that is
   *     passed by itself may be boxed
   */
  startRecord(at: number, counts: Float64Array, index: number): void {
    this.floats[Word.EXECUTING_COMMITS / 2] = counts[index];
    this.words[Word.EXECUTING] = at;
    this.take(at);
  }

  finishRecord(): void {
    this.words[Word.EXECUTING] = 0;
  }

  /** The record that a dead consumer had taken and not finished, or 0. */
  interruptedRecord(): number {
    const words = this.words;
    const at = words[Word.EXECUTING];
    // Noted but not taken: it is still the next record, and nothing was done about it.
    return at === DATA + (words[Word.CONSUMER_HEAD] & this.#mask) ? 0 : at;
  }

  /** How many commits the shard had made before that record. */
  interruptedCommits(): number {
    return this.floats[Word.EXECUTING_COMMITS / 2];
  }
}
