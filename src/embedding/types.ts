/**
 * The plain objects of the embedding interface.
 */
import type { MessagePort } from 'node:worker_threads';
import type { StatusName } from '../core/codes.ts';
import type { ShardMemory } from '../workers/shard-memory.ts';

export interface RegisterOptions {
  /** The session's own TTL in milliseconds; null = never expires. Default: the engine's. */
  readonly ttlMs?: number | null;
  /** The session's own rate limit. Default, also for null: the engine's. */
  readonly rate?: RateLimit | null;
  /** Capabilities asked for; those that the service offers are granted. Default: none. */
  readonly capabilities?: readonly string[];
  /** The session's first data, where the service allows it: an object or a Map. */
  readonly data?: object;
}

export interface RateLimit {
  /** Requests and calls a second, in the long run: 1 to 100 000. */
  readonly perSecond: number;
  /** How many may come at once: 1 to 1 000 000. */
  readonly burst: number;
}

export interface Registered {
  readonly session: number;
  /** The last committed request; the next one is one more. */
  readonly request: number;
  /** The session was live before. */
  readonly resumed: boolean;
  /** Its TTL in milliseconds, or null. */
  readonly ttlMs: number | null;
  /** Its rate limit, or null. */
  readonly rate: RateLimit | null;
  readonly capabilities: readonly string[];
}

export interface Reply {
  readonly status: StatusName;
  /** The decoded body. */
  readonly body: unknown;
  /** Whether this is the stored reply of an earlier execution. */
  readonly replayed: boolean;
}

/** What another thread needs to attach. Posted once, with `port` in the transfer list. */
export interface EngineTicket {
  readonly memory: ShardMemory;
  readonly runner: number;
  readonly port: MessagePort;
}
