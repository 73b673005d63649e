/**
 * What happened between two statuses of one server: rates, and percentiles of just that time. A
 * status counts from the server's start, so the page learns the present by subtracting.
 */
import type { Histogram, Status, Totals } from './status.ts';

/** Percentiles in microseconds; null when nothing was timed. */
interface Latency {
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly maxUs: number | null;
}

export interface Difference extends Latency {
  readonly durationMs: number;
  /** Per second, by the names of the totals. */
  readonly rates: Readonly<Record<keyof Totals, number>>;
  /** Requests, calls and replays: whatever was answered with a result. */
  readonly servedPerS: number;
  /** Refusals per second by error code, those above 0 only. */
  readonly errorRates: ReadonlyMap<string, number>;
  readonly bytesInPerS: number;
  readonly bytesOutPerS: number;
}

/**
 * Whether the newer status is of another start. A process that started again has a shorter uptime,
 * or, where the page paused for long, at least another number; an engine that was started again in
 * the same process counts from zero.
 */
export function hasRestarted(older: Status, newer: Status): boolean {
  const hasFallen = newer.totals.commits < older.totals.commits;
  return hasFallen || newer.uptime_ms < older.uptime_ms || newer.pid !== older.pid;
}

/** @param older of the same process as `newer` */
export function differenceOf(older: Status, newer: Status): Difference {
  const durationMs = newer.uptime_ms - older.uptime_ms;
  const perSecond = (was: number, is: number): number =>
    durationMs > 0 ? (Math.max(0, is - was) * 1e3) / durationMs : 0;
  const names = Object.keys(newer.totals) as (keyof Totals)[];
  const rates = Object.fromEntries(
    names.map((name) => [name, perSecond(older.totals[name], newer.totals[name])]),
  ) as Record<keyof Totals, number>;
  const errorRates = Object.entries(newer.errors)
    .map(([code, count]) => [code, perSecond(older.errors[code] ?? 0, count)] as const)
    .filter(([, rate]) => rate > 0);
  return {
    durationMs,
    rates,
    servedPerS: rates.requests + rates.calls + rates.replays,
    errorRates: new Map(errorRates),
    bytesInPerS: perSecond(older.front_end.bytes_in, newer.front_end.bytes_in),
    bytesOutPerS: perSecond(older.front_end.bytes_out, newer.front_end.bytes_out),
    ...latencyBetween(older.duration, newer.duration),
  };
}

/** The columns of the history that the page adds to by itself, in the server's order. */
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
export type HistoryColumn = (typeof HISTORY_COLUMNS)[number];
export type HistoryRow = Readonly<Record<HistoryColumn, number | null>>;

/** The row that the server's history will have for the time between two statuses. */
export function historyRow(newer: Status, between: Difference): HistoryRow {
  const { rates } = between;
  return {
    time_ms: newer.time_ms,
    requests_per_s: rates.requests,
    calls_per_s: rates.calls,
    replays_per_s: rates.replays,
    errors_per_s: rates.errors,
    evictions_per_s: rates.evicted,
    expiries_per_s: rates.expired,
    sessions: newer.sessions,
    connections: newer.front_end.connections,
    p50_us: between.p50Us,
    p99_us: between.p99Us,
    max_us: between.maxUs,
  };
}

type Buckets = readonly (readonly [number, number])[];

function latencyBetween(older: Histogram, newer: Histogram): Latency {
  const before = new Map(older.buckets);
  const buckets = newer.buckets
    .map(([upper, count]) => [upper, count - (before.get(upper) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  if (buckets.length === 0) return { p50Us: null, p99Us: null, maxUs: null };
  return {
    p50Us: percentile(buckets, 0.5),
    p99Us: percentile(buckets, 0.99),
    // The true maximum is only known since the start; a bucket's bound is never below it.
    maxUs: Math.min(buckets[buckets.length - 1][0], newer.max_us),
  };
}

/** The upper bound of the bucket in which the given part of all lies; null without any. */
export function percentile(buckets: Buckets, part: number): number | null {
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  let below = 0;
  for (const [upper, count] of buckets) {
    below += count;
    if (below >= all * part) return upper;
  }
  return null;
}

/** Several histograms as one set of buckets, ascending. */
export function merged(histograms: readonly Histogram[]): Buckets {
  const sums = new Map<number, number>();
  for (const { buckets } of histograms) {
    for (const [upper, count] of buckets) sums.set(upper, (sums.get(upper) ?? 0) + count);
  }
  return [...sums].sort(([a], [b]) => a - b);
}
