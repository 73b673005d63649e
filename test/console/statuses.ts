/** Statuses as a server gives them, with just the parts that a test is about changed. */
import type { Histogram, Shard, Status, Totals } from '../../src/console/status.ts';

const TOTALS: Totals = {
  registered: 0,
  resumed: 0,
  requests: 0,
  calls: 0,
  replays: 0,
  commits: 0,
  errors: 0,
  rate_limited: 0,
  evicted: 0,
  expired: 0,
  closed: 0,
  disconnected: 0,
  removed: 0,
};

export function totals(changed: Partial<Totals> = {}): Totals {
  return { ...TOTALS, ...changed };
}

export function histogram(...buckets: [number, number][]): Histogram {
  const count = buckets.reduce((sum, [, each]) => sum + each, 0);
  return { count, p50_us: 0, p99_us: 0, max_us: buckets.at(-1)?.[0] ?? 0, buckets };
}

export function shard(changed: Partial<Shard> = {}): Shard {
  return {
    shard: 0,
    sessions: 0,
    executing: 0,
    ring_used_bytes: 0,
    ring_bytes: 1_048_576,
    sweep_lag_ms: 0,
    journal: null,
    ...changed,
  };
}

export function status(changed: Partial<Status> = {}): Status {
  return {
    engine: '0.1.0',
    node: 'v20.19.0',
    pid: 7,
    time_ms: 1_790_000_000_000,
    uptime_ms: 60_000,
    sessions: 0,
    sessions_max: 100_000,
    executing: 0,
    totals: totals(),
    errors: {},
    duration: histogram(),
    shards: [shard()],
    operations: [],
    front_end: {
      connections: 0,
      connections_max: 10_000,
      accepted: 0,
      refused: 0,
      bytes_in: 0,
      bytes_out: 0,
      event_loop_delay: { p50_us: 0, p99_us: 0, max_us: 0 },
    },
    memory: { rss_bytes: 0, heap_used_bytes: 0, shared_bytes: 0 },
    journal: null,
    ...changed,
  };
}

export function connected(connections: number): Status['front_end'] {
  return { ...status().front_end, connections };
}

/** With ordinary spaces, so that expectations can be read. */
export function plain(text: string): string {
  return text.replace(/[\u00a0\u202f]/g, ' ');
}
