/**
 * The last ten minutes, a row a second, for charts: what changed in that second, and what there
 * was at its end. A fixed table around which rows are written over.
 */
import {
  HISTOGRAM_BUCKETS,
  type Histogram,
  quantile,
  totalOf,
  upperOf,
} from '../core/histogram.ts';
import { HISTORY_ROWS } from './limits.ts';

export const HISTORY_COLUMNS = [
  'time_ms',
  'requests_per_s',
  'calls_per_s',
  'replays_per_s',
  'errors_per_s',
  'evictions_per_s',
  'expiries_per_s',
  'sessions',
  'connections',
  'p50_us',
  'p99_us',
  'max_us',
] as const;

/** What is counted at one moment. */
export interface Sample {
  /** The time of day. */
  readonly timeMs: number;
  /** The same moment on a steady clock. */
  readonly steadyMs: number;
  /** Since the start: requests, calls, replays, errors, evictions, expiries. */
  readonly totals: readonly number[];
  readonly sessions: number;
  readonly connections: number;
  readonly durations: Histogram;
}

type Row = readonly (number | null)[];

export class History {
  readonly #rows: Row[] = [];
  /** Where the next row goes once the table is full: the oldest is there. */
  #next = 0;
  #before: Sample;
  #counts: Float64Array;

  /** @param first what all counts begin with */
  constructor(first: Sample) {
    this.#before = first;
    this.#counts = first.durations.counts();
  }

  add(sample: Sample): void {
    const before = this.#before;
    const seconds = (sample.steadyMs - before.steadyMs) / 1e3;
    // A timer that comes twice at one moment tells of no time.
    if (seconds <= 0) return;
    const rates = sample.totals.map((total, index) => {
      return Math.round(((total - before.totals[index]) / seconds) * 10) / 10;
    });
    const counts = sample.durations.counts();
    const own = counts.map((count, bucket) => count - this.#counts[bucket]);
    const { timeMs, sessions, connections } = sample;
    const times = timesOf(own, sample.durations.maxUs);
    this.#put([timeMs, ...rates, sessions, connections, ...times]);
    this.#before = sample;
    this.#counts = counts;
  }

  #put(row: Row): void {
    this.#rows[this.#next] = row;
    this.#next = (this.#next + 1) % HISTORY_ROWS;
  }

  /** Oldest first. */
  rows(): Row[] {
    const rows = this.#rows;
    if (rows.length < HISTORY_ROWS) return [...rows];
    return [...rows.slice(this.#next), ...rows.slice(0, this.#next)];
  }
}

/** Median, 99th percentile and maximum of what was counted meanwhile; null without any. */
function timesOf(counts: Float64Array, maxUs: number): [...(number | null)[]] {
  let last = HISTOGRAM_BUCKETS - 1;
  while (last >= 0 && counts[last] === 0) last -= 1;
  if (last < 0) return [null, null, null];
  const top = Math.min(upperOf(last), maxUs);
  const count = totalOf(counts);
  return [quantile(counts, count, 0.5, top), quantile(counts, count, 0.99, top), top];
}
