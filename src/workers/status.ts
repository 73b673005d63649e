/**
 * The status of an engine and of what stands in front of it: all counts, durations and fills, read
 * from shared memory without holding anything. Counts are since the start of the process. One
 * shape for everybody: the operator call, the operator's HTTP and the engine's own method.
 */
import type { HistogramStatus } from '../core/histogram.ts';

/** Counts of one shard, or over all of them. */
export interface Counts {
  readonly registered: number;
  readonly resumed: number;
  readonly requests: number;
  readonly calls: number;
  readonly replays: number;
  readonly commits: number;
  /** Refusals; in the totals those that no shard knows of too. */
  readonly errors: number;
  /** Of these, those by a rate limit. */
  readonly rateLimited: number;
  readonly evicted: number;
  readonly expired: number;
  readonly closed: number;
  readonly disconnected: number;
  readonly removed: number;
}

export interface ShardJournalStatus {
  /** Files of the log. */
  readonly segments: number;
  readonly diskBytes: number;
  /** What waits to be written. */
  readonly bufferedBytes: number;
  readonly batches: number;
  /** Bytes of these batches. */
  readonly syncedBytes: number;
  /** How long the disk took to sync. */
  readonly sync: HistogramStatus;
  /** Full: nothing that must be logged executes until there is room. Failed: never again. */
  readonly state: 'ok' | 'full' | 'failed';
}

export interface ShardStatus extends Counts {
  readonly shard: number;
  readonly sessions: number;
  readonly executing: number;
  /** Messages that wait in the rings to this shard. */
  readonly ringUsedBytes: number;
  readonly ringBytes: number;
  /** How long ago it last looked for expired sessions. */
  readonly sweepLagMs: number;
  /** Null without a data directory. */
  readonly journal: ShardJournalStatus | null;
}

/** An operation of the service that has been executed. */
export interface OperationStatus {
  readonly name: string;
  readonly number: number;
  readonly count: number;
  /** Of these, those that threw, or whose promise was rejected or took too long. */
  readonly failed: number;
  /** How many were timed; mean and maximum are of these. */
  readonly sampled: number;
  readonly meanUs: number;
  readonly maxUs: number;
}

/** All 0 for an engine without a server. */
export interface FrontEndStatus {
  readonly connections: number;
  readonly connectionsMax: number;
  readonly accepted: number;
  /** Connections that were turned away. */
  readonly refused: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** How much later than asked for the event loop came round. */
  readonly eventLoopDelay: {
    readonly p50Us: number;
    readonly p99Us: number;
    readonly maxUs: number;
  };
}

export interface EngineStatus {
  /** The version of this package. */
  readonly engine: string;
  /** The version of Node. */
  readonly node: string;
  readonly pid: number;
  /** The time of day, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly uptimeMs: number;
  readonly sessions: number;
  readonly sessionsMax: number;
  readonly executing: number;
  readonly totals: Counts;
  /** Refusals by error code, those above 0. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of requests and calls of connections, from the frame read to the answer written out. */
  readonly duration: HistogramStatus;
  readonly shards: readonly ShardStatus[];
  readonly operations: readonly OperationStatus[];
  readonly frontEnd: FrontEndStatus;
  readonly memory: {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly sharedBytes: number;
  };
  /** Null without a data directory. */
  readonly journal: {
    readonly folder: string;
    readonly durability: 'commit' | 'interval' | 'off';
  } | null;
}
