/**
 * A histogram of durations in whole microseconds: 16 buckets for each power of two, so a quantile
 * read from it is at most a sixteenth too high. It lies in a Float64Array, which may be shared
 * memory: counts stay exact up to 2^53, where an Int32 would overflow within minutes. One thread
 * adds; others may read meanwhile, and find each number as it was before or after an addition.
 *
 *     float 0  the sum │ 1  the greatest │ 2  the counts of the buckets
 */
const SUM = 0;
const MAX = 1;
const COUNTS = 2;

const SUB_BITS = 4;
const SUBS = 1 << SUB_BITS;
/** Below this each value has a bucket of its own. */
const EXACT = 2 * SUBS;
/** What takes 2^26 µs, 67 s, or more shares the last bucket: by then clients have given up. */
const TOP_BITS = 26;
const LAST = (TOP_BITS - SUB_BITS + 1) * SUBS;

/** Buckets of a histogram. */
export const HISTOGRAM_BUCKETS = LAST + 1;

/** Float64 words that a histogram takes. */
export const HISTOGRAM_FLOATS = COUNTS + HISTOGRAM_BUCKETS;

/** The bucket of a duration, below 2^32. */
export function bucketOf(us: number): number {
  if (us < EXACT) return us;
  const exponent = 31 - Math.clz32(us);
  if (exponent >= TOP_BITS) return LAST;
  const shift = exponent - SUB_BITS;
  return (shift << SUB_BITS) + (us >>> shift);
}

/** The longest duration of a bucket; of the last one, which has no end, infinity. */
export function upperOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  if (bucket >= LAST) return Number.POSITIVE_INFINITY;
  const shift = (bucket >>> SUB_BITS) - 1;
  return (((bucket & (SUBS - 1)) + SUBS + 1) << shift) - 1;
}

/** A histogram as it is told: durations in microseconds; all 0 while nothing was counted. */
export interface HistogramStatus {
  readonly count: number;
  readonly sumUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Of each bucket above 0: its longest duration, and how many there were in it. */
  readonly buckets: readonly (readonly [number, number])[];
}

export class Histogram {
  readonly #floats: Float64Array;
  readonly #at: number;

  /** @param at where in the floats it begins */
  constructor(floats: Float64Array = new Float64Array(HISTOGRAM_FLOATS), at = 0) {
    this.#floats = floats;
    this.#at = at;
  }

  /** Counts a duration, a whole number below 2^32, so many times. */
  add(us: number, times = 1): void {
    const floats = this.#floats;
    const at = this.#at;
    floats[at + COUNTS + bucketOf(us)] += times;
    floats[at + SUM] += us * times;
    if (us > floats[at + MAX]) floats[at + MAX] = us;
  }

  get sumUs(): number {
    return this.#floats[this.#at + SUM];
  }

  get maxUs(): number {
    return this.#floats[this.#at + MAX];
  }

  /** A copy of the counts, by bucket. */
  counts(): Float64Array {
    const from = this.#at + COUNTS;
    return Float64Array.from(this.#floats.subarray(from, from + HISTOGRAM_BUCKETS));
  }

  status(): HistogramStatus {
    const counts = this.counts();
    const { sumUs, maxUs } = this;
    const count = totalOf(counts);
    const at = (part: number): number => quantile(counts, count, part, maxUs);
    const buckets: [number, number][] = [];
    for (let bucket = 0; bucket < counts.length; bucket++) {
      if (counts[bucket] === 0) continue;
      buckets.push([bucket === LAST ? maxUs : upperOf(bucket), counts[bucket]]);
    }
    const quantiles = { p50Us: at(0.5), p90Us: at(0.9), p99Us: at(0.99), p999Us: at(0.999) };
    return { count, sumUs, ...quantiles, maxUs, buckets };
  }
}

/** How many were counted, over all buckets. */
export function totalOf(counts: Float64Array): number {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket];
  return total;
}

/**
 * The duration that a part of all does not pass: at least the exact one, and at most a sixteenth
 * above it. 0 when there is none.
 *
 * @param counts by bucket, `count` in all
 * @param maxUs what none of them passes
 */
export function quantile(counts: Float64Array, count: number, part: number, maxUs: number): number {
  const rank = Math.max(1, Math.ceil(count * part));
  let seen = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    seen += counts[bucket];
    if (seen >= rank) return Math.min(upperOf(bucket), maxUs);
  }
  return 0;
}
