/**
 * What the benchmark asks its load generator to do, and what it answers. Both cross a process
 * boundary as JSON.
 */

import type { Latencies } from './latencies.ts';

/** The servers beside ours, in the order in which they take turns. */
export const PEER_NAMES = ['redis', 'memcached', 'tarantool'] as const;
export type PeerName = (typeof PEER_NAMES)[number];
export type TargetName = 'sessile' | PeerName;

export type Operation = 'echo' | 'put';

export interface Shape {
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly inFlight: number;
}

export interface Job extends Shape {
  readonly target: TargetName;
  readonly port: number;
  readonly operation: Operation;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

export interface Outcome {
  readonly replies: number;
  readonly seconds: number;
  /** Share of one core that the generator itself used: near 1 it is what limits the result. */
  readonly generatorCpu: number;
}

/** An open loop: requests at a fixed rate over all connections. */
export interface LatencyJob {
  readonly target: TargetName;
  readonly port: number;
  readonly operation: Operation;
  readonly connections: number;
  /** Requests that a connection can have in flight: what is due beyond them waits, and counts. */
  readonly lanes: number;
  readonly requestsPerSecond: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

export interface LatencyOutcome {
  readonly latencies: Latencies;
  /** Answered requests among those due in the window. */
  readonly requestsPerSecond: number;
  /** Requests that had no answer a second after the last was due. */
  readonly unanswered: number;
  /** 99 % of the batches were sent at most so late: how much of a latency is the generator's. */
  readonly lateMicroseconds: number;
}

/** Bytes that a request carries, as a peer's value or as our body's string. */
export const PAYLOAD_BYTES = 64;
