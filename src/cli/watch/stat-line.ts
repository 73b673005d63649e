/**
 * One look at a server as one line of 80 characters, or as one object.
 */
import { snakeCased } from '../../transport/wire-names.ts';
import { pad } from '../terminal/columns.ts';
import { shortCount, time } from '../terminal/figures.ts';
import type { Rates } from './rates.ts';
import type { Sample } from './sampler.ts';

/** Names of the columns, each at the right end of its width. */
const COLUMNS = [
  ['time', 8],
  ['sess', 6],
  ['conn', 6],
  ['req/s', 7],
  ['call/s', 7],
  ['repl/s', 7],
  ['err/s', 6],
  ['evict/s', 8],
  ['exp/s', 6],
  ['p50', 9],
  ['p99', 9],
] as const;

export const STAT_HEADER = COLUMNS.map(([name, width]) => pad(name, width, 'right')).join('');

export function statLine({ after }: Sample, rates: Rates): string {
  const { perSecond, duration } = rates;
  const cells = [
    new Date(after.timeMs).toTimeString().slice(0, 8),
    shortCount(after.sessions),
    shortCount(after.frontEnd.connections),
    shortCount(perSecond.requests),
    shortCount(perSecond.calls),
    shortCount(perSecond.replays),
    shortCount(perSecond.errors),
    shortCount(perSecond.evicted),
    shortCount(perSecond.expired),
    duration.p50 === null ? '-' : time(duration.p50),
    duration.p99 === null ? '-' : time(duration.p99),
  ];
  return cells.map((cell, i) => pad(cell, COLUMNS[i][1], 'right')).join('');
}

/** The names are those of /history.json and of the status where they have them. */
export function statObject({ after }: Sample, rates: Rates): Record<string, unknown> {
  const { perSecond, duration, sync, intervalMs } = rates;
  return {
    time_ms: after.timeMs,
    interval_ms: intervalMs,
    requests_per_s: tenths(perSecond.requests),
    calls_per_s: tenths(perSecond.calls),
    replays_per_s: tenths(perSecond.replays),
    errors_per_s: tenths(perSecond.errors),
    rate_limited_per_s: tenths(perSecond.rateLimited),
    registers_per_s: tenths(perSecond.registered),
    evictions_per_s: tenths(perSecond.evicted),
    expiries_per_s: tenths(perSecond.expired),
    sessions: after.sessions,
    sessions_max: after.sessionsMax,
    executing: after.executing,
    connections: after.frontEnd.connections,
    p50_us: duration.p50,
    p99_us: duration.p99,
    max_us: duration.max,
    sync_p50_us: sync?.p50 ?? null,
    sync_p99_us: sync?.p99 ?? null,
    ring_fill: Math.round(rates.ringFill * 1000) / 1000,
    bytes_in_per_s: tenths(rates.bytesIn),
    bytes_out_per_s: tenths(rates.bytesOut),
    rss_bytes: after.memory.rssBytes,
    totals: snakeCased(after.totals),
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
