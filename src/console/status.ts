/**
 * What the server tells of itself: the parts of its status, history and session lists that the
 * page shows, in the names of the wire.
 */

export interface Histogram {
  readonly count: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  /** The upper bound of each bucket, in microseconds, and how many it holds; ascending. */
  readonly buckets: readonly (readonly [number, number])[];
}

export interface Totals {
  readonly registered: number;
  readonly resumed: number;
  readonly requests: number;
  readonly calls: number;
  readonly replays: number;
  readonly commits: number;
  readonly errors: number;
  readonly rate_limited: number;
  readonly evicted: number;
  readonly expired: number;
  readonly closed: number;
  readonly disconnected: number;
  readonly removed: number;
}

export interface ShardJournal {
  readonly segments: number;
  readonly disk_bytes: number;
  readonly buffered_bytes: number;
  readonly batches: number;
  readonly synced_bytes: number;
  readonly sync: Histogram;
  readonly state: string;
}

export interface Shard {
  readonly shard: number;
  readonly sessions: number;
  readonly executing: number;
  readonly ring_used_bytes: number;
  readonly ring_bytes: number;
  readonly sweep_lag_ms: number;
  readonly journal: ShardJournal | null;
}

export interface Operation {
  readonly name: string;
  readonly number: number;
  readonly count: number;
  readonly failed: number;
  readonly sampled: number;
  readonly mean_us: number;
  readonly max_us: number;
}

export interface Status {
  readonly engine: string;
  readonly node: string;
  readonly pid: number;
  readonly time_ms: number;
  readonly uptime_ms: number;
  readonly sessions: number;
  readonly sessions_max: number;
  readonly executing: number;
  readonly totals: Totals;
  readonly errors: Readonly<Record<string, number>>;
  readonly duration: Histogram;
  readonly shards: readonly Shard[];
  readonly operations: readonly Operation[];
  readonly front_end: {
    readonly connections: number;
    readonly connections_max: number;
    readonly accepted: number;
    readonly refused: number;
    readonly bytes_in: number;
    readonly bytes_out: number;
    readonly event_loop_delay: {
      readonly p50_us: number;
      readonly p99_us: number;
      readonly max_us: number;
    };
  };
  readonly memory: {
    readonly rss_bytes: number;
    readonly heap_used_bytes: number;
    readonly shared_bytes: number;
  };
  readonly journal: { readonly folder: string; readonly durability: string } | null;
}

export interface History {
  readonly interval_ms: number;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
}

export interface SessionEntry {
  readonly id: string;
  readonly session: number;
  readonly request: number;
  readonly created_ms: number;
  readonly last_activity_ms: number;
  readonly idle_ms: number;
  readonly ttl_ms: number | null;
  readonly expires_in_ms: number | null;
  readonly version: number;
  readonly data_bytes: number;
  readonly executing: boolean;
  readonly connection_scoped: boolean;
}

export interface SessionDetails extends SessionEntry {
  readonly rate: readonly [number, number] | null;
  readonly capabilities: readonly string[];
}

export interface SessionPage {
  readonly sessions: readonly SessionEntry[];
  readonly cursor: string | null;
}

/** Whether an answer is a status that this page can show: something else may have the port now. */
export function isStatus(value: unknown): value is Status {
  if (typeof value !== 'object' || value === null) return false;
  const status = value as Partial<Record<keyof Status, unknown>>;
  const isObject = (part: unknown): boolean => typeof part === 'object' && part !== null;
  return (
    typeof status.uptime_ms === 'number' &&
    typeof status.sessions === 'number' &&
    [status.totals, status.duration, status.front_end, status.memory].every(isObject) &&
    Array.isArray(status.shards) &&
    Array.isArray(status.operations)
  );
}
