/** The histogram against all values kept and sorted. */
import { describe, expect, it } from 'vitest';
import {
  bucketOf,
  HISTOGRAM_BUCKETS,
  HISTOGRAM_FLOATS,
  Histogram,
  quantile,
  upperOf,
} from '../../src/core/histogram.ts';

/** Where the last bucket begins. */
const TOP = 2 ** 26;

/** A seeded generator of 32-bit numbers (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

describe('buckets', () => {
  it('follow each other without a gap, each at most a sixteenth wide', () => {
    let from = 0;
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS - 1; bucket++) {
      const upper = upperOf(bucket);
      expect([bucketOf(from), bucketOf(upper)]).toEqual([bucket, bucket]);
      expect(upper - from).toBeLessThanOrEqual(from / 16);
      from = upper + 1;
    }
    expect(from).toBe(TOP);
    expect([bucketOf(TOP), bucketOf(2 ** 32 - 1)]).toEqual(
      Array.from({ length: 2 }, () => HISTOGRAM_BUCKETS - 1),
    );
    expect(upperOf(HISTOGRAM_BUCKETS - 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a histogram', () => {
  it('gives each quantile at most a sixteenth above the exact one', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = generator(seed);
      const histogram = new Histogram();
      const all: number[] = [];
      const count = 1 + (random() % 500);
      for (let i = 0; i < count; i++) {
        // All magnitudes alike, up to the last bucket.
        const us = random() >>> (6 + (random() % 26));
        histogram.add(us);
        all.push(us);
      }
      all.sort((a, b) => a - b);
      const status = histogram.status();
      const exact = (part: number): number => all[Math.max(1, Math.ceil(count * part)) - 1];
      for (const [part, found] of [
        [0.5, status.p50Us],
        [0.9, status.p90Us],
        [0.99, status.p99Us],
        [0.999, status.p999Us],
      ]) {
        expect(found).toBeGreaterThanOrEqual(exact(part));
        expect(found).toBeLessThanOrEqual(exact(part) * (1 + 1 / 16));
      }
      expect(status.count).toBe(count);
      expect(status.maxUs).toBe(all[count - 1]);
      expect(status.sumUs).toBe(all.reduce((sum, us) => sum + us, 0));
      let below = 0;
      for (const [upper, inBucket] of status.buckets) {
        below += inBucket;
        expect(all.filter((us) => us <= upper)).toHaveLength(below);
      }
      expect(below).toBe(count);
    }
  });

  it('counts many at once, and what is longer than its last bucket', () => {
    const floats = new Float64Array(new SharedArrayBuffer(8 * (HISTOGRAM_FLOATS + 3)));
    const histogram = new Histogram(floats, 3);
    histogram.add(100, 2 ** 40);
    histogram.add(2 * TOP);
    const status = new Histogram(floats, 3).status();
    expect(status).toMatchObject({ count: 2 ** 40 + 1, sumUs: 100 * 2 ** 40 + 2 * TOP });
    expect(status).toMatchObject({ p999Us: upperOf(bucketOf(100)), maxUs: 2 * TOP });
    expect(status.buckets).toEqual([
      [upperOf(bucketOf(100)), 2 ** 40],
      [2 * TOP, 1],
    ]);
    expect([...floats.subarray(0, 3)]).toEqual([0, 0, 0]);
  });

  it('is all 0 while empty', () => {
    const empty = { count: 0, sumUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 };
    expect(new Histogram().status()).toEqual({ ...empty, buckets: [] });
    expect(quantile(new Histogram().counts(), 0, 0.5, 7)).toBe(0);
  });
});
