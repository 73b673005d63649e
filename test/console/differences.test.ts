import { describe, expect, it } from 'vitest';
import {
  differenceOf,
  hasRestarted,
  historyRow,
  merged,
  percentile,
} from '../../src/console/differences.ts';
import { connected, histogram, status, totals } from './statuses.ts';

describe('the difference of two statuses', () => {
  const older = status({
    uptime_ms: 60_000,
    totals: totals({ requests: 1_000, replays: 10, evicted: 5 }),
    errors: { rate_limited: 4, forbidden: 1 },
    duration: histogram([64, 900], [128, 100]),
  });
  const newer = status({
    uptime_ms: 62_000,
    totals: totals({ requests: 3_000, calls: 100, replays: 30, evicted: 5 }),
    errors: { rate_limited: 24, forbidden: 1, no_session: 2 },
    duration: histogram([64, 910], [128, 100], [256, 89], [4_096, 1]),
  });
  const between = differenceOf(older, newer);

  it('has rates by the time that the server, not the page, counted', () => {
    expect(between.durationMs).toBe(2_000);
    expect(between.rates).toMatchObject({ requests: 1_000, calls: 50, replays: 10, evicted: 0 });
    expect(between.servedPerS).toBe(1_060);
  });

  it('has the refusals of this time only, by code', () => {
    expect([...between.errorRates]).toEqual([
      ['rate_limited', 10],
      ['no_session', 1],
    ]);
  });

  it('has percentiles of this time only', () => {
    expect(between).toMatchObject({ p50Us: 256, p99Us: 256, maxUs: 4_096 });
    expect(differenceOf(newer, newer)).toMatchObject({ p50Us: null, p99Us: null, maxUs: null });
  });

  it('has no rate over no time, and none below zero', () => {
    expect(differenceOf(newer, newer).rates.requests).toBe(0);
    const odd = status({ uptime_ms: 63_000, totals: totals({ requests: 1 }) });
    expect(differenceOf(newer, odd).rates.requests).toBe(0);
  });

  it('makes the row that the history has for it', () => {
    const row = historyRow({ ...newer, sessions: 9, front_end: connected(3) }, between);
    expect(row).toEqual({
      time_ms: newer.time_ms,
      requests_per_s: 1_000,
      calls_per_s: 50,
      replays_per_s: 10,
      errors_per_s: 0,
      evictions_per_s: 0,
      expiries_per_s: 0,
      sessions: 9,
      connections: 3,
      p50_us: 256,
      p99_us: 256,
      max_us: 4_096,
    });
  });
});

describe('a restart', () => {
  it('shows in an uptime or counts that fell, or in another process', () => {
    const seen = status({ uptime_ms: 5_000, pid: 7 });
    expect(hasRestarted(seen, status({ uptime_ms: 6_000, pid: 7 }))).toBe(false);
    expect(hasRestarted(seen, status({ uptime_ms: 400, pid: 7 }))).toBe(true);
    expect(hasRestarted(seen, status({ uptime_ms: 6_000, pid: 8 }))).toBe(true);
    const busy = status({ uptime_ms: 5_000, totals: totals({ commits: 2 }) });
    const anew = status({ uptime_ms: 6_000, totals: totals({ commits: 1 }) });
    expect(hasRestarted(busy, anew)).toBe(true);
    expect(hasRestarted(anew, { ...busy, uptime_ms: 7_000 })).toBe(false);
  });
});

describe('percentiles', () => {
  it('are the bound of the bucket in which they lie', () => {
    const buckets: [number, number][] = [
      [10, 50],
      [20, 49],
      [40, 1],
    ];
    expect(percentile(buckets, 0.5)).toBe(10);
    expect(percentile(buckets, 0.51)).toBe(20);
    expect(percentile(buckets, 0.99)).toBe(20);
    expect(percentile(buckets, 1)).toBe(40);
    expect(percentile([], 0.5)).toBeNull();
  });

  it('are those of all shards together', () => {
    expect(merged([histogram([20, 1], [40, 2]), histogram([10, 3], [40, 4])])).toEqual([
      [10, 3],
      [20, 1],
      [40, 6],
    ]);
  });
});
