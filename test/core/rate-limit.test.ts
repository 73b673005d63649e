/** The rate limit against a token bucket in exact integers of any length. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { ROW_WORDS, Row } from '../../src/core/layout.ts';
import { RATE_BURST_MAX, RATE_PER_SECOND_MAX } from '../../src/core/limits.ts';
import { retryAfter, take } from '../../src/core/rate-limit.ts';
import { runs } from './helpers.ts';

const YEAR_MS = 365.25 * 24 * 3_600_000;
const CREATED = 1_234.75;

/** The second row of three, so that a wrong offset shows. */
const ROW = ROW_WORDS;

class Limit {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly now = Float64Array.of(CREATED);

  constructor(ratePerSecond: number, burst: number, created = CREATED) {
    const memory = new SharedArrayBuffer(3 * ROW_WORDS * 4);
    this.words = new Int32Array(memory);
    this.floats = new Float64Array(memory);
    this.words[ROW + Row.RATE_PER_SECOND] = ratePerSecond;
    this.words[ROW + Row.RATE_BURST] = burst;
    this.floats[(ROW + Row.CREATED) >> 1] = created;
    this.now[0] = created;
  }

  retryAfter(cost = 1): number {
    return retryAfter(this.words, this.floats, ROW, this.now, cost);
  }

  take(cost = 1): void {
    take(this.words, this.floats, ROW, this.now, cost);
  }

  /** Spends at once if that is admitted, and answers as `retryAfter` does. */
  spend(cost = 1): number {
    const wait = this.retryAfter(cost);
    if (wait === 0) this.take(cost);
    return wait;
  }

  /** How many of cost 1 are admitted now. */
  spendAll(): number {
    let count = 0;
    while (this.spend() === 0) count += 1;
    return count;
  }
}

/**
 * Thousandths of tokens at the time of the last admission. The dual of GCRA: it counts what is
 * left, not what is owed.
 */
class TokenBucket {
  #tokens: bigint;
  #elapsed = 0n;
  readonly #created: number;
  readonly #rate: bigint;
  readonly #full: bigint;

  constructor(ratePerSecond: number, burst: number, created = CREATED) {
    this.#rate = BigInt(ratePerSecond);
    this.#full = 1_000n * BigInt(burst);
    this.#tokens = this.#full;
    this.#created = created;
  }

  spend(now: number, cost: number): number {
    const price = 1_000n * BigInt(cost);
    if (price > this.#full) return -1;
    const since = BigInt(Math.floor(now)) - BigInt(Math.floor(this.#created));
    const elapsed = since > 0n ? since : 0n;
    const filled = this.#tokens + (elapsed - this.#elapsed) * this.#rate;
    const tokens = filled < this.#full ? filled : this.#full;
    // Division of BigInts rounds down, so this rounds up.
    if (tokens < price) return Number((price - tokens + this.#rate - 1n) / this.#rate);
    this.#tokens = tokens - price;
    this.#elapsed = elapsed;
    return 0;
  }
}

describe('a rate and a burst', () => {
  test('admit the burst at once, and then one for every 1000 / rate ms', () => {
    const limit = new Limit(10, 5);
    expect(limit.spendAll()).toBe(5);
    expect(limit.retryAfter()).toBe(100);
    for (let i = 1; i <= 20; i++) {
      limit.now[0] = CREATED + i * 100 - 1;
      expect(limit.spend()).toBe(1);
      limit.now[0] = CREATED + i * 100;
      expect(limit.spendAll()).toBe(1);
    }
  });

  test('fill up again to the burst and no further', () => {
    const limit = new Limit(10, 5);
    limit.now[0] += 3_600_000;
    expect(limit.spendAll()).toBe(5);
    limit.now[0] += 250;
    expect(limit.spendAll()).toBe(2);
    limit.now[0] += 3_600_000;
    expect(limit.spendAll()).toBe(5);
  });

  test('admit exactly the rate over a second that the ms do not divide', () => {
    for (const rate of [1, 3, 7, 999, 1_001, 99_999]) {
      const limit = new Limit(rate, rate);
      limit.spendAll();
      let admitted = 0;
      for (let ms = 1; ms <= 1_000; ms++) {
        limit.now[0] = CREATED + ms;
        admitted += limit.spendAll();
        expect(admitted).toBe(Math.floor((rate * ms) / 1_000));
      }
    }
  });

  test('a wait is rounded up to whole ms', () => {
    const limit = new Limit(3, 2);
    expect(limit.spendAll()).toBe(2);
    expect(limit.retryAfter()).toBe(334);
    limit.now[0] += 333;
    expect(limit.retryAfter()).toBe(1);
    limit.now[0] += 1;
    expect(limit.spend()).toBe(0);
    // What was waited too long is not lost: the next is due 666 ⅔ ms after the first.
    expect(limit.retryAfter()).toBe(333);
  });

  test('a cost of several spends as much as that many of one', () => {
    const limit = new Limit(1_000, 10);
    expect(limit.spend(7)).toBe(0);
    expect(limit.retryAfter(4)).toBe(1);
    expect(limit.retryAfter(10)).toBe(7);
    expect(limit.spend(3)).toBe(0);
    expect(limit.retryAfter(1)).toBe(1);
  });

  test('a cost of nothing is always admitted', () => {
    const limit = new Limit(1, 2);
    limit.spendAll();
    expect(limit.spend(0)).toBe(0);
    expect(limit.retryAfter()).toBe(1_000);
  });
});

describe('answers', () => {
  test('a rate of 0 limits nothing and stores nothing', () => {
    const limit = new Limit(0, 0);
    for (let i = 0; i < 100; i++) expect(limit.spend(RATE_BURST_MAX)).toBe(0);
    expect(limit.floats[(ROW + Row.RATE_TAT) >> 1]).toBe(0);
  });

  test('a cost above the burst is never admitted, one of exactly the burst is', () => {
    const limit = new Limit(100, 5);
    expect(limit.retryAfter(6)).toBe(-1);
    expect(limit.retryAfter(5)).toBe(0);
    limit.now[0] += YEAR_MS;
    expect(limit.retryAfter(6)).toBe(-1);
    expect(new Limit(100, 0).retryAfter(1)).toBe(-1);
  });

  test('asking and being refused store nothing', () => {
    const limit = new Limit(7, 3);
    limit.spendAll();
    const before = limit.words.slice();
    for (let ms = 0; ms < 142; ms++) {
      limit.now[0] = CREATED + ms;
      expect(limit.retryAfter(1)).toBe(143 - ms);
      expect(limit.retryAfter(4)).toBe(-1);
    }
    limit.now[0] = CREATED + 143;
    expect(limit.retryAfter(1)).toBe(0);
    expect(limit.words).toEqual(before);
  });

  test('spending what was not admitted is a programming error', () => {
    const limit = new Limit(7, 3);
    limit.spendAll();
    expect(() => limit.take()).toThrow(AssertionFailure);
  });

  test('spending writes the two words of the arrival time and no others', () => {
    const limit = new Limit(99_999, RATE_BURST_MAX);
    limit.now[0] = CREATED + 2 ** 33;
    const before = limit.words.slice();
    limit.take(12_345);
    const changed = [...before.keys()].filter((word) => limit.words[word] !== before[word]);
    expect(changed).toEqual([ROW + Row.RATE_TAT, ROW + Row.RATE_TAT + 1]);
  });
});

describe('clocks', () => {
  test('one from before the creation counts as the creation', () => {
    const limit = new Limit(10, 2);
    limit.now[0] = CREATED - 5_000;
    expect(limit.spendAll()).toBe(2);
    expect(limit.retryAfter()).toBe(100);
    limit.now[0] = CREATED + 100;
    expect(limit.retryAfter()).toBe(0);
  });

  test('one that goes backwards gives nothing back, and its wait is to the same time', () => {
    const limit = new Limit(10, 2);
    limit.now[0] = CREATED + 10_000;
    limit.spendAll();
    limit.now[0] = CREATED + 9_000;
    expect(limit.retryAfter()).toBe(1_100);
    limit.now[0] = CREATED;
    expect(limit.retryAfter()).toBe(10_100);
  });

  test('a wait that passes an Int32, which only such a clock can cause, is cut off', () => {
    const limit = new Limit(10, 2);
    limit.now[0] = CREATED + YEAR_MS;
    limit.spendAll();
    limit.now[0] = CREATED;
    expect(limit.retryAfter()).toBe(2 ** 31 - 1);
  });

  test('the longest wait of one that goes forwards is 10^9 ms', () => {
    const limit = new Limit(1, RATE_BURST_MAX);
    expect(limit.spend(RATE_BURST_MAX)).toBe(0);
    expect(limit.retryAfter(RATE_BURST_MAX)).toBe(1e9);
  });

  test('fractions of ms never make a wait one longer than was answered', () => {
    // 0.3 + 0.6 and the like: differences of such times are rounded, some up and some down.
    for (let i = 0; i < 2_000; i++) {
      const created = (i * 7_919 + 13) / 1e6;
      const limit = new Limit(3, 1, created);
      limit.now[0] = created + (i % 50);
      expect(limit.spend()).toBe(0);
      const wait = limit.retryAfter();
      limit.now[0] += wait;
      expect(limit.retryAfter()).toBe(0);
    }
  });
});

describe('against the token bucket', () => {
  const rate = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: RATE_PER_SECOND_MAX }),
    fc.constantFrom(999, 1_000, 1_001, RATE_PER_SECOND_MAX - 1, RATE_PER_SECOND_MAX),
  );
  const burst = fc.oneof(
    fc.integer({ min: 1, max: 10 }),
    fc.integer({ min: 1, max: RATE_BURST_MAX }),
    fc.constantFrom(RATE_BURST_MAX),
  );
  // In 1024ths of a ms, which sums of any order keep exactly.
  const ms = fc.oneof(
    fc.integer({ min: 0, max: 3 * 1_024 }),
    fc.integer({ min: 0, max: 2_000 * 1_024 }),
    fc.integer({ min: -500 * 1_024, max: 0 }),
    fc.integer({ min: 0, max: 2 ** 40 }),
  );
  const step = fc.record({ ms, share: fc.double({ min: 0, max: 1.05, noNaN: true }) });
  const steps = fc.array(step, { minLength: 1, maxLength: 60, size: 'max' });
  // Ten years, and a lifetime of more than 2^53 units at the highest rate.
  const age = fc.constantFrom(0, 2 ** 32 - 500, 2 ** 33, 3 * YEAR_MS, 10 * YEAR_MS, 100 * YEAR_MS);

  test('every answer is the same, at any age of the session', () => {
    fc.assert(
      fc.property(rate, burst, age, steps, (r, b, start, taken) => {
        const limit = new Limit(r, b);
        const model = new TokenBucket(r, b);
        limit.now[0] = CREATED + Math.floor(start);
        for (const { ms, share } of taken) {
          limit.now[0] += ms / 1_024;
          const cost = Math.ceil(share * b);
          expect(limit.spend(cost)).toBe(model.spend(limit.now[0], cost));
        }
      }),
      runs(400),
    );
  });

  test('what must wait is admitted after exactly that long, and not a ms before', () => {
    fc.assert(
      fc.property(rate, burst, age, steps, (r, b, start, taken) => {
        const limit = new Limit(r, b);
        limit.now[0] = CREATED + Math.floor(start);
        for (const { ms, share } of taken) {
          limit.now[0] += Math.max(0, ms) / 1_024;
          const cost = Math.ceil(Math.min(share, 1) * b);
          const wait = limit.spend(cost);
          if (wait === 0) continue;
          const now = limit.now[0];
          limit.now[0] = now + wait - 1;
          expect(limit.retryAfter(cost)).toBe(1);
          limit.now[0] = now + wait;
          expect(limit.retryAfter(cost)).toBe(0);
          limit.now[0] = now;
        }
      }),
      runs(400),
    );
  });

  test('a session of ten years at the highest rate is still exact to one request', () => {
    const limit = new Limit(RATE_PER_SECOND_MAX, 100);
    const model = new TokenBucket(RATE_PER_SECOND_MAX, 100);
    limit.now[0] = CREATED + 10 * YEAR_MS;
    for (let ms = 0; ms < 50; ms++) {
      let admitted = 0;
      while (limit.spend() === 0) {
        expect(model.spend(limit.now[0], 1)).toBe(0);
        admitted += 1;
      }
      expect(model.spend(limit.now[0], 1)).toBe(1);
      expect(admitted).toBe(100);
      limit.now[0] += 1;
    }
  });

  test('the stored time survives a copy as one Float64', () => {
    fc.assert(
      fc.property(rate, burst, fc.integer({ min: 0, max: 1_000 * YEAR_MS }), (r, b, start) => {
        const limit = new Limit(r, b);
        limit.now[0] = CREATED + start;
        limit.take(b);
        const at = (ROW + Row.RATE_TAT) >> 1;
        expect(limit.floats[at]).not.toBeNaN();
        const copy = new Limit(r, b);
        copy.floats[at] = limit.floats[at];
        copy.now[0] = limit.now[0];
        expect(copy.retryAfter(b)).toBe(Math.ceil((1_000 * b) / r));
      }),
      runs(300),
    );
  });
});
