/**
 * The options of an engine, checked and completed. Each is refused with an `InvalidOptionError`
 * that names it, its value and what it must be.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { InvalidOptionError, integerOption } from '../core/errors.ts';
import type { EventLog } from '../core/event-log.ts';
import {
  PAYLOAD_BYTES_MAX,
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  SESSIONS_MAX,
  SHARDS_MAX,
  TTL_MS_MAX,
  TTL_NEVER,
} from '../core/limits.ts';
import { serviceUrl } from '../services/load.ts';
import type { Service } from '../services/service.ts';
import type { RunPolicy } from '../workers/router-options.ts';
import type { ShardingConfig } from '../workers/shard-memory.ts';
import type { JournalOptions } from './journaling.ts';
import type { RateLimit } from './types.ts';

export type Durability = 'commit' | 'off' | { readonly intervalMs: number };

export interface EngineOptions {
  /** Worker threads, each with its own table; 0 = one table in this thread. Default: cores − 1. */
  readonly shards?: number;
  /** Live sessions over all shards, never exceeded. Default 100 000. */
  readonly sessionsMax?: number;
  /** What a register does when all are in use. Default `evict`. */
  readonly onFull?: 'evict' | 'reject';
  /** Bytes of a session's data at most. Default 1024. */
  readonly dataBytesMax?: number;
  /** Bytes of a stored reply's body at most. Default 2048. */
  readonly replyBytesMax?: number;
  /** Bytes of a request's body at most. Default 64 KiB less what a frame needs. */
  readonly bodyBytesMax?: number;
  /** How long an idle session lives, in milliseconds; null = for ever. Default one hour. */
  readonly ttlMs?: number | null;
  /** The rate limit of sessions that ask for none of their own. Default: no limit. */
  readonly rate?: RateLimit | null;
  /** After how long an operation that returned a promise counts as failed. Default 30 000. */
  readonly executeTimeoutMs?: number;
  /**
   * Session numbers are above this. Default: from the wall clock, so that a message which still
   * carries the session number of an earlier process is fenced off.
   */
  readonly sessionsAfter?: number;
  /**
   * The service: a module's path or URL, whose default export it is; with `shards: 0` also the
   * object itself. Default: the built-in session data.
   */
  readonly service?: string | URL | Service;
  /**
   * A directory that keeps the sessions over restarts. One engine uses it at a time. Default: none,
   * sessions are kept in memory only.
   */
  readonly dataDir?: string;
  /**
   * When a session's new state must be on disk: `commit`, before its answer is given; every so many
   * milliseconds; or `off`, when the system likes. Default `commit`.
   */
  readonly durability?: Durability;
  /** A segment of the log is followed by another at so many bytes. Default 32 MiB. */
  readonly segmentBytesMax?: number;
  /** Called while sessions are brought back, with the part that has been read, 0 to 1. */
  readonly onRecoveryProgress?: (part: number) => void;
  /** Where events for an operator go. Default: nowhere. */
  readonly log?: EventLog;
  /** Where requests run: on the thread they arrive at, in the worker, or as load asks for. */
  readonly run?: RunPolicy;
}

export const DEFAULTS = {
  sessionsMax: 100_000,
  onFull: 'evict',
  dataBytesMax: 1024,
  replyBytesMax: 2048,
  bodyBytesMax: 65_000,
  ttlMs: 3_600_000,
  executeTimeoutMs: 30_000,
  run: 'auto',
  durability: 'commit',
  segmentBytesMax: 32 * 1024 * 1024,
} as const;

/** Commits that a shard may make in a millisecond, on average, to stay below a later start. */
const COMMITS_PER_MS = 2 ** 10;

/** 2^53 is reached in the year 2242. */
function sessionsBeforeNow(): number {
  return Date.now() * COMMITS_PER_MS;
}

/** Cores that workers may use beside the front end. */
export function defaultShards(): number {
  return Math.min(Math.max(1, availableParallelism() - 1), SHARDS_MAX);
}

/** A reply must hold at least a failure's status, data at least an empty map. */
const PAYLOAD_BYTES_MIN = 16;
const EXECUTE_TIMEOUT_MS_MAX = 3_600_000;
/** What an interval may lose is bounded by it, so more than an hour serves nobody. */
const INTERVAL_MS_MAX = 3_600_000;
/** Some commits, and a quarter of what a tail's note can hold beside one batch. */
const SEGMENT_BYTES_MIN = 4_096;
const SEGMENT_BYTES_MAX = 2 ** 30;
/** Half of what session numbers can reach, so that there is as much left. */
const SESSIONS_AFTER_MAX = 2 ** 52;

export interface CheckedOptions {
  readonly sharding: ShardingConfig;
  readonly run: RunPolicy;
  /** The service, when it was given as an object. */
  readonly service: Service | undefined;
  /** Undefined: sessions are kept in memory only. */
  readonly journal: JournalOptions | undefined;
}

export function checkOptions(options: EngineOptions): CheckedOptions {
  const own = { shards: defaultShards(), sessionsAfter: sessionsBeforeNow() };
  const o = { ...DEFAULTS, ...own, ...defined(options) };
  const shards = integerOption('shards', o.shards, 0, SHARDS_MAX);
  const service = o.service;
  const isObject = typeof service === 'object' && service !== null && !(service instanceof URL);
  const isPath = service === undefined || typeof service === 'string' || service instanceof URL;
  if (!isObject && !isPath) {
    throw new InvalidOptionError('service', service, "a module's path or URL, or a service");
  }
  if (isObject && shards > 0) {
    throw new InvalidOptionError('service', service, 'a module path or URL when shards is above 0');
  }
  const { onRecoveryProgress } = o;
  if (onRecoveryProgress !== undefined && typeof onRecoveryProgress !== 'function') {
    throw new InvalidOptionError('onRecoveryProgress', onRecoveryProgress, 'a function');
  }
  if (o.log !== undefined) checkLog(o.log);
  const payload = (name: 'dataBytesMax' | 'replyBytesMax' | 'bodyBytesMax'): number =>
    integerOption(name, o[name], PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX);
  const ttl = o.ttlMs === null ? TTL_NEVER : integerOption('ttlMs', o.ttlMs, 1, TTL_MS_MAX);
  return {
    sharding: {
      shards,
      sessionsMax: integerOption('sessionsMax', o.sessionsMax, 1, SESSIONS_MAX),
      evicts: oneOf('onFull', o.onFull, ['evict', 'reject']) === 'evict',
      dataBytesMax: payload('dataBytesMax'),
      replyBytesMax: payload('replyBytesMax'),
      bodyBytesMax: payload('bodyBytesMax'),
      ttlDefaultMs: ttl,
      ...rateOf(o.rate ?? null),
      commitsBefore: integerOption('sessionsAfter', o.sessionsAfter, 0, SESSIONS_AFTER_MAX),
      executeTimeoutMs: integerOption(
        'executeTimeoutMs',
        o.executeTimeoutMs,
        1,
        EXECUTE_TIMEOUT_MS_MAX,
      ),
      seedA: randomInt(2 ** 32),
      seedB: randomInt(2 ** 32),
      serviceUrl: service === undefined || isObject ? '' : serviceUrl(service),
    },
    run: oneOf('run', o.run, ['auto', 'worker', 'direct']),
    service: isObject ? service : undefined,
    journal: journalOf(options),
  };
}

function checkLog(log: unknown): void {
  const { info, warn, error } = (log ?? {}) as Partial<EventLog>;
  if ([info, warn, error].every((method) => typeof method === 'function')) return;
  throw new InvalidOptionError('log', log, 'an object with info, warn and error');
}

function journalOf(options: EngineOptions): JournalOptions | undefined {
  const { dataDir } = options;
  const { durability, segmentBytesMax } = { ...DEFAULTS, ...defined(options) };
  if (dataDir === undefined) {
    if (options.durability === undefined) return undefined;
    throw new InvalidOptionError('durability', durability, 'left out without dataDir', ['dataDir']);
  }
  if (typeof dataDir !== 'string' || dataDir === '') {
    throw new InvalidOptionError('dataDir', dataDir, 'the path of a directory');
  }
  const isInterval = typeof durability === 'object' && durability !== null;
  if (!isInterval) oneOf('durability', durability, ['commit', 'off']);
  return {
    folder: resolve(dataDir),
    syncs: durability === 'commit',
    intervalMs: isInterval
      ? integerOption('durability.intervalMs', durability.intervalMs, 1, INTERVAL_MS_MAX)
      : 0,
    segmentBytesMax: integerOption(
      'segmentBytesMax',
      segmentBytesMax,
      SEGMENT_BYTES_MIN,
      SEGMENT_BYTES_MAX,
    ),
  };
}

function rateOf(rate: RateLimit | null): { ratePerSecond: number; rateBurst: number } {
  if (rate === null) return { ratePerSecond: 0, rateBurst: 0 };
  return {
    ratePerSecond: integerOption('rate.perSecond', rate.perSecond, 1, RATE_PER_SECOND_MAX),
    rateBurst: integerOption('rate.burst', rate.burst, 1, RATE_BURST_MAX),
  };
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new InvalidOptionError(name, value, `one of ${allowed.join(', ')}`);
}

/** Options that were passed as undefined count as not given. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}
