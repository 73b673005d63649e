/**
 * Latencies as HDR histograms, which threads send as text and which add up over threads and rounds.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

/** A request that takes longer than ten seconds counts as ten. */
const NANOSECONDS_MAX = 1e10;

export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export function emptyHistogram(): Histogram {
  return build({ highestTrackableValue: NANOSECONDS_MAX, numberOfSignificantValueDigits: 3 });
}

/** Counts times in milliseconds, as `performance.now()` tells them. */
export function recordAll(histogram: Histogram, milliseconds: Float64Array): void {
  for (const ms of milliseconds) {
    histogram.recordValue(Math.min(Math.max(1, Math.round(ms * 1e6)), NANOSECONDS_MAX));
  }
}

export function encodeHistogram(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram as Parameters<typeof encodeIntoCompressedBase64>[0]);
}

/** The percentiles of all histograms together, in nanoseconds. */
export function latenciesOf(encoded: readonly string[]): Latencies {
  const all = emptyHistogram();
  for (const one of encoded) all.add(decodeFromCompressedBase64(one));
  const at = (percentile: number): number => all.getValueAtPercentile(percentile);
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: all.maxValue };
}
