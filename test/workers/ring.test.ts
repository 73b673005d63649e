/**
 * The ring against a queue, from every position at which its int32 positions may stand, and its
 * rules one by one. Positions are put near a wrap by writing the words that hold them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRing, Ring } from '../../src/workers/ring.ts';
import { runs } from '../core/helpers.ts';

const WORDS = 64;
const RECORD_MAX = WORDS / 2;
/** First word of the records: a record's words are all at or above it. */
const DATA = 128;
/** Words of the header that hold positions: both published ones, and each side's two. */
const POSITION_WORDS = [0, 32, 64, 65, 96, 97];
/** Positions are words of records, so they are even. These lie before, at and after each wrap. */
const STARTS = [0, 2 ** 31, 2 ** 32].flatMap((wrap) =>
  Array.from({ length: WORDS + 1 }, (_, i) => (wrap + 2 * i - WORDS) | 0),
);

function ringAt(position: number): Ring {
  const ring = new Ring(createRing(WORDS));
  for (const word of POSITION_WORDS) ring.words[word] = position;
  return ring;
}

const even = (words: number): number => (words + 1) & ~1;

function put(ring: Ring, size: number, serial: number): boolean {
  const at = ring.claim(size, serial & 0x7f);
  if (at < 0) return false;
  for (let i = 2; i < size; i++) ring.words[at + i] = Math.imul(serial, 31) + i;
  ring.push(at);
  return true;
}

/** Throws unless the record at `at` is, word for word, the one that `put` wrote. */
function check(ring: Ring, at: number, size: number, serial: number): void {
  const found = [...ring.words.subarray(at, at + size)];
  const payload = Array.from({ length: size - 2 }, (_, i) => (Math.imul(serial, 31) + i + 2) | 0);
  expect(found).toEqual([even(size), serial & 0x7f, ...payload]);
  expect(at + size).toBeLessThanOrEqual(DATA + WORDS);
}

interface Entry {
  readonly size: number;
  readonly serial: number;
  readonly at?: number;
}

/** The naive model: three lists of records and the free-running positions as plain numbers. */
class Model {
  pushed: Entry[] = [];
  published: Entry[] = [];
  taken: Entry[] = [];
  serial = 0;
  tail: number;
  tailPublished: number;
  head: number;

  constructor(start: number) {
    this.tail = this.tailPublished = this.head = start;
  }

  push(ring: Ring, size: number): void {
    const rest = WORDS - (this.tail & (WORDS - 1));
    const total = rest < even(size) ? rest + even(size) : even(size);
    const fits = total <= WORDS - (this.tail - this.head);
    expect(put(ring, size, this.serial)).toBe(fits);
    if (!fits) return;
    this.pushed.push({ size, serial: this.serial++ });
    this.tail += total;
  }

  publish(ring: Ring): void {
    expect(ring.publish()).toBe(this.pushed.length > 0);
    this.published.push(...this.pushed.splice(0));
    this.tailPublished = this.tail;
  }

  take(ring: Ring): void {
    const at = ring.peek();
    const next = this.published.shift();
    if (next === undefined) return expect(at).toBe(-1);
    expect(ring.peek()).toBe(at);
    check(ring, at, next.size, next.serial);
    ring.take(at);
    this.taken.push({ ...next, at });
  }

  release(ring: Ring): void {
    for (const { at, size, serial } of this.taken) check(ring, at as number, size, serial);
    ring.release();
    if (this.taken.length === 0) return;
    const last = this.taken[this.taken.length - 1];
    this.head = this.tailPublished - this.behind(ring, last);
    this.taken = [];
  }

  /** Published words behind a record. */
  behind(ring: Ring, { at, size }: Entry): number {
    const end = ((at as number) - DATA + even(size)) & (WORDS - 1);
    const rest = (this.tailPublished - end) & (WORDS - 1);
    return this.published.length > 0 && rest === 0 ? ring.capacity : rest;
  }

  compare(ring: Ring): void {
    expect(ring.isEmpty()).toBe(this.published.length + this.taken.length === 0);
    expect(ring.isDrained()).toBe(this.published.length === 0);
    expect(ring.isIdle()).toBe(
      this.pushed.length + this.published.length + this.taken.length === 0,
    );
    expect(ring.fill()).toBe(this.tailPublished - this.head);
  }
}

describe('a ring', () => {
  it('behaves like a queue of records from any position, whichever view is used', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 2, max: RECORD_MAX }) },
      { weight: 3, arbitrary: fc.constant('take') },
      { weight: 2, arbitrary: fc.constantFrom('publish', 'release') },
    );
    const steps = fc.array(fc.tuple(step, fc.boolean()), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom(...STARTS), steps, (start, list) => {
        const first = ringAt(start);
        // Either side may be taken over by another thread: a second view of the same memory.
        const views = [first, new Ring(first.words.buffer as SharedArrayBuffer)];
        const model = new Model(start);
        for (const [what, second] of list) {
          const ring = views[second ? 1 : 0];
          if (typeof what === 'number') model.push(ring, what);
          else if (what === 'publish') model.publish(ring);
          else if (what === 'take') model.take(ring);
          else model.release(ring);
          model.compare(ring);
        }
      }),
      runs(400),
    );
  });

  it('carries a record of every size from every offset before a wrap', () => {
    for (const start of STARTS) {
      for (let size = 2; size <= RECORD_MAX; size++) {
        const ring = ringAt(start);
        expect(put(ring, size, size)).toBe(true);
        expect(ring.peek()).toBe(-1);
        ring.publish();
        const at = ring.peek();
        check(ring, at, size, size);
        ring.take(at);
        ring.release();
        expect(ring.isEmpty() && ring.isIdle() && ring.isDrained()).toBe(true);
      }
    }
  });

  it('is full exactly when no word is left, and has room again after a release', () => {
    for (const start of STARTS) {
      const ring = ringAt(start);
      let count = 0;
      while (put(ring, 2, count)) count += 1;
      expect(count).toBe(WORDS / 2);
      ring.publish();
      expect(ring.fill()).toBe(WORDS);
      ring.take(ring.peek());
      expect(put(ring, 2, count), 'what is taken keeps its memory').toBe(false);
      ring.release();
      expect(put(ring, 2, count)).toBe(true);
      expect(put(ring, 2, count)).toBe(false);
    }
  });

  it('holds one longest record at least, wherever its end lies', () => {
    for (const start of STARTS) {
      expect(put(ringAt(start), ringAt(0).recordWordsMax, 1)).toBe(true);
    }
  });

  it('refuses a record longer than half of it, for which there might never be room', () => {
    expect(() => ringAt(0).claim(RECORD_MAX + 1, 1)).toThrow('at most half the ring');
  });

  it('forgets a claim that was not pushed', () => {
    const ring = ringAt(-2);
    const at = ring.claim(8, 1);
    expect(ring.claim(8, 1)).toBe(at);
    ring.publish();
    expect(ring.peek()).toBe(-1);
    expect(put(ring, 6, 3)).toBe(true);
    ring.publish();
    check(ring, ring.peek(), 6, 3);
  });

  it('is made of a power of two of words', () => {
    for (const words of [0, 32, 63, 65, 96])
      expect(() => createRing(words)).toThrow('power of two');
  });

  it('has room for as many records as hasRoom says, padding included', () => {
    for (let start = 0; start < WORDS; start += 2) {
      for (let used = 0; used <= WORDS; used += 2) {
        for (let size = 2; size <= 8; size++) {
          for (let count = 1; count * size <= WORDS; count++) {
            const ring = ringAt(start);
            for (let i = 0; i < used; i += 2) put(ring, 2, i);
            if (!ring.hasRoom(size, count)) continue;
            let fitted = 0;
            while (fitted < count && put(ring, size, fitted)) fitted += 1;
            expect(fitted, `${count} × ${size} words from ${start}, ${used} used`).toBe(count);
          }
        }
      }
    }
  });
});

describe('a consumer that dies', () => {
  it('leaves no trace of a record that it only looked at', () => {
    const ring = ringAt(-4);
    put(ring, 8, 5);
    ring.publish();
    const at = ring.peek();
    // The first half of startRecord: the record is noted and not taken yet.
    ring.words[98] = at;
    expect(new Ring(ring.words.buffer as SharedArrayBuffer).interruptedRecord()).toBe(0);
    expect(ring.peek()).toBe(at);
  });

  it('leaves the record that it had started, until that is finished', () => {
    for (const start of STARTS) {
      const ring = ringAt(start);
      put(ring, 8, 5);
      put(ring, 20, 6);
      ring.publish();
      const at = ring.peek();
      ring.startRecord(at, Float64Array.of(7, 2 ** 40 + 1), 1);
      const successor = new Ring(ring.words.buffer as SharedArrayBuffer);
      expect(successor.interruptedRecord()).toBe(at);
      expect(successor.interruptedCommits()).toBe(2 ** 40 + 1);
      check(successor, at, 8, 5);
      successor.finishRecord();
      expect(ring.interruptedRecord()).toBe(0);
      const next = successor.peek();
      expect(next).not.toBe(at);
      check(successor, next, 20, 6);
    }
  });

  it('that finished all it took leaves nothing interrupted', () => {
    const ring = ringAt(2);
    for (let serial = 0; serial < 100; serial++) {
      put(ring, 2 + (serial % 20), serial);
      ring.publish();
      const at = ring.peek();
      ring.startRecord(at, Float64Array.of(serial), 0);
      check(ring, at, 2 + (serial % 20), serial);
      ring.finishRecord();
      expect(ring.interruptedRecord()).toBe(0);
      ring.release();
    }
  });
});

describe('taking a record before its turn', () => {
  it('leaves those before it where they are, from every position', () => {
    for (const start of STARTS) {
      const ring = ringAt(start);
      for (const serial of [1, 2, 3]) put(ring, 6, serial);
      ring.publish();
      const first = ring.peek();
      const second = ring.peekAfter(first);
      const third = ring.peekAfter(second);
      expect([first, second, third].map((at) => ring.words[at + 1])).toEqual([1, 2, 3]);
      expect(ring.peekAfter(third)).toBe(-1);
      ring.take(third);
      put(ring, 6, 4);
      ring.publish();
      const fourth = ring.peekAfter(second);
      expect(ring.words[fourth + 1]).toBe(4);
      ring.take(second);
      expect(ring.peek()).toBe(first);
      ring.take(first);
      expect(ring.peek()).toBe(fourth);
      ring.take(fourth);
      expect(ring.peek()).toBe(-1);
      ring.release();
      expect(ring.isEmpty()).toBe(true);
    }
  });
});
