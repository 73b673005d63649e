/**
 * What a server did between two looks at its status. Counts are since its start, so that the
 * difference of two of them is what happened in between, whoever else is looking.
 */
import type { HistogramStatus } from '../../core/histogram.ts';
import type { Counts, EngineStatus } from '../../workers/status.ts';

/** Durations of the interval in microseconds; null when there was none. */
export interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface ShardRates {
  readonly requests: number;
  readonly evicted: number;
  readonly expired: number;
  readonly sync: Quantiles;
}

export interface OperationRates {
  readonly name: string;
  readonly perSecond: number;
  readonly failedPerSecond: number;
  readonly meanUs: number;
  readonly maxUs: number;
}

export interface Rates {
  readonly intervalMs: number;
  /** All counts of the engine, each a second. */
  readonly perSecond: Counts;
  readonly duration: Quantiles;
  /** Of all shards together; null without a journal. */
  readonly sync: Quantiles | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly shards: readonly ShardRates[];
  /** The slowest first. */
  readonly operations: readonly OperationRates[];
  /** The part of the fullest ring that is in use, from 0 to 1. */
  readonly ringFill: number;
}

/** Whether both are of one process: otherwise the counts of the second began anew. */
export function isSameProcess(before: EngineStatus, after: EngineStatus): boolean {
  return before.pid === after.pid && before.uptimeMs <= after.uptimeMs;
}

export function ratesOf(before: EngineStatus, after: EngineStatus): Rates {
  const intervalMs = Math.max(1, after.uptimeMs - before.uptimeMs);
  const rate = (now: number, then: number): number => (Math.max(0, now - then) / intervalMs) * 1000;
  const shards = after.shards.map((now, i) => {
    const then = before.shards[i] ?? now;
    return {
      requests: rate(now.requests + now.calls, then.requests + then.calls),
      evicted: rate(now.evicted, then.evicted),
      expired: rate(now.expired, then.expired),
      sync: quantiles([bucketsBetween(then.journal?.sync, now.journal?.sync)]),
    };
  });
  const syncs = after.shards.map((now, i) =>
    bucketsBetween(before.shards[i]?.journal?.sync, now.journal?.sync),
  );
  return {
    intervalMs,
    perSecond: countRates(before.totals, after.totals, rate),
    duration: quantiles([bucketsBetween(before.duration, after.duration)]),
    sync: after.journal === null ? null : quantiles(syncs),
    bytesIn: rate(after.frontEnd.bytesIn, before.frontEnd.bytesIn),
    bytesOut: rate(after.frontEnd.bytesOut, before.frontEnd.bytesOut),
    shards,
    operations: operationRates(before, after, rate),
    ringFill: Math.max(0, ...after.shards.map((one) => fillOf(one))),
  };
}

export function fillOf(ring: { ringUsedBytes: number; ringBytes: number }): number {
  return ring.ringBytes > 0 ? ring.ringUsedBytes / ring.ringBytes : 0;
}

type Rate = (now: number, then: number) => number;

function countRates(before: Counts, after: Counts, rate: Rate): Counts {
  const names = Object.keys(after) as (keyof Counts)[];
  const entries = names.map((name) => [name, rate(after[name], before[name] ?? 0)]);
  return Object.fromEntries(entries) as unknown as Counts;
}

function operationRates(
  before: EngineStatus,
  after: EngineStatus,
  rate: Rate,
): readonly OperationRates[] {
  const earlier = new Map(before.operations.map((one) => [one.number, one]));
  return after.operations
    .map((now) => ({
      name: now.name,
      perSecond: rate(now.count, earlier.get(now.number)?.count ?? 0),
      failedPerSecond: rate(now.failed, earlier.get(now.number)?.failed ?? 0),
      meanUs: now.meanUs,
      maxUs: now.maxUs,
    }))
    .sort((a, b) => b.meanUs - a.meanUs);
}

type Buckets = ReadonlyMap<number, number>;

/** How many more there are in each bucket, by its upper end. */
function bucketsBetween(before?: HistogramStatus, after?: HistogramStatus): Buckets {
  const earlier = new Map(before?.buckets ?? []);
  const more = new Map<number, number>();
  for (const [upper, count] of after?.buckets ?? []) {
    const added = count - (earlier.get(upper) ?? 0);
    if (added > 0) more.set(upper, added);
  }
  return more;
}

function quantiles(parts: readonly Buckets[]): Quantiles {
  const counts = new Map<number, number>();
  for (const part of parts) {
    for (const [upper, count] of part) counts.set(upper, (counts.get(upper) ?? 0) + count);
  }
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  const at = (part: number): number | null => {
    let seen = 0;
    for (const [upper, count] of sorted) {
      seen += count;
      if (seen >= part * total) return upper;
    }
    return null;
  };
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
