/**
 * What became of the requests: how many succeeded and how long they took, and how many were
 * answered otherwise, by the code of the answer.
 */
import { build, type Histogram } from 'hdr-histogram-js';

/** Latencies are kept in tenths of a microsecond: what two readings of the clock can tell apart. */
const UNITS_PER_MS = 10_000;
/** Above an hour all are alike. */
const HIGHEST = 3_600_000 * UNITS_PER_MS;

/** Latencies in microseconds; all zero when nothing was measured. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** A part of it is in tenths of a microsecond here and in microseconds outside. */
const UNITS_PER_US = 10;

/**
 * 64 bits a bucket: 32 would overflow, unseen, within an hour of a fast server. The pure JavaScript
 * build is fast enough, as equal latencies of one batch are recorded at once.
 */
function histogram(): Histogram {
  return build({
    bitBucketSize: 64,
    highestTrackableValue: HIGHEST,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

export class Tally {
  ok = 0;
  /** Requests that were sent again after their connection was lost. */
  retries = 0;
  reconnects = 0;
  /** Sessions registered, those before the load included. */
  registered = 0;
  /** Sessions that ended before we did, asked or not. */
  ended = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** When something was received last. */
  heardMs = 0;
  readonly errors = new Map<string, number>();
  /** Registers before the load that were refused; a warm-up does not make them good. */
  readonly registerErrors = new Map<string, number>();
  readonly #histogram = histogram();
  /** Open loop: how late requests were sent although there was room for them. */
  readonly #late = histogram();
  #max = 0;
  #sum = 0;
  #sinceMs = 0;
  #nowMs = 0;
  #run = 0;

  /** A request succeeded that was sent, or due, at one time and answered at another. */
  succeeded(sinceMs: number, nowMs: number): void {
    this.ok += 1;
    if (sinceMs === this.#sinceMs && nowMs === this.#nowMs) {
      this.#run += 1;
      return;
    }
    this.#record();
    this.#sinceMs = sinceMs;
    this.#nowMs = nowMs;
    this.#run = 1;
  }

  failed(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  notRegistered(code: string): void {
    this.registerErrors.set(code, (this.registerErrors.get(code) ?? 0) + 1);
  }

  get failures(): number {
    let sum = 0;
    for (const count of this.errors.values()) sum += count;
    return sum;
  }

  /** Requests that were answered, however. */
  get answered(): number {
    return this.ok + this.failures;
  }

  latency(): Latency {
    this.#record();
    const of = (percentile: number): number =>
      // A bucket's upper end may lie above the largest value in it.
      Math.min(this.#histogram.getValueAtPercentile(percentile), this.#max) / UNITS_PER_US;
    const mean = this.ok === 0 ? 0 : this.#sum / this.ok / UNITS_PER_US;
    const max = this.#max / UNITS_PER_US;
    return { p50: of(50), p90: of(90), p99: of(99), p999: of(99.9), max, mean };
  }

  /** Requests were sent so much later than they were due, and the load itself is to blame. */
  late(ms: number): void {
    this.#late.recordValue(Math.min(Math.round(ms * UNITS_PER_MS), HIGHEST));
  }

  /** What 99 of a hundred turns were not later than, in microseconds. */
  get lateness(): number {
    return this.#late.getValueAtPercentile(99) / UNITS_PER_US;
  }

  /** Forgets what was counted so far: it was only to warm up. */
  reset(): void {
    this.#record();
    this.#histogram.reset();
    this.#late.reset();
    this.ok = 0;
    this.retries = 0;
    this.reconnects = 0;
    this.ended = 0;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.errors.clear();
    this.#max = 0;
    this.#sum = 0;
  }

  #record(): void {
    if (this.#run === 0) return;
    const passed = Math.round((this.#nowMs - this.#sinceMs) * UNITS_PER_MS);
    const value = Math.min(Math.max(passed, 0), HIGHEST);
    this.#histogram.recordValueWithCount(value, this.#run);
    if (value > this.#max) this.#max = value;
    this.#sum += value * this.#run;
    this.#run = 0;
  }
}

/** Counts by code in one line: `sessions_exhausted=3 server_busy=1`. */
export function countsText(counts: Iterable<readonly [string, number]>): string {
  return [...counts].map(([code, count]) => `${code}=${count}`).join(' ');
}
