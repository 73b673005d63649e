/**
 * Times from when requests were due until they were answered, in an HDR histogram.
 */
import { build, type Histogram } from 'hdr-histogram-js';

/** Histograms take whole numbers: tenths of a microsecond. */
const UNITS_PER_MS = 10_000;

/** Longer times count as this one: far beyond any load that a server keeps up with. */
const UNITS_MAX = 60_000 * UNITS_PER_MS;

export const PERCENTILES = { p50: 50, p90: 90, p99: 99, 'p99.9': 99.9, max: 100 } as const;
export type Percentile = keyof typeof PERCENTILES;

/** Microseconds. */
export type Latencies = Readonly<Record<Percentile, number>>;

export class LatencyRecorder {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: UNITS_MAX,
    numberOfSignificantValueDigits: 3,
  });

  record(ms: number): void {
    this.#histogram.recordValue(Math.min(Math.max(Math.round(ms * UNITS_PER_MS), 0), UNITS_MAX));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  latencies(): Latencies {
    const pairs = Object.entries(PERCENTILES).map(([name, percent]) => {
      const units = this.#histogram.getValueAtPercentile(percent);
      return [name, (units / UNITS_PER_MS) * 1e3];
    });
    return Object.fromEntries(pairs) as Latencies;
  }
}
