/**
 * Reads the status of an engine: see `EngineStatus`.
 */
import { ERROR_NAMES, ErrorCode, Reason } from '../core/codes.ts';
import { Counter, ERROR_COUNTERS, Header } from '../core/layout.ts';
import { LogState } from '../core/log-buffer.ts';
import { VERSION } from '../version.ts';
import type { Router } from './router.ts';
import { meterOf, sharedBytes } from './shard-memory.ts';
import type { OperationCounts, ShardMeter } from './shard-meter.ts';
import type { ShardPort } from './shard-port.ts';
import type {
  Counts,
  EngineStatus,
  FrontEndStatus,
  OperationStatus,
  ShardJournalStatus,
  ShardStatus,
} from './status.ts';

export function readStatus(router: Router): EngineStatus {
  const { ports, ledger, clock, memory, meter } = router;
  clock.read();
  const now = clock.cell[0];
  const meters = ports.map((_, shard) => meterOf(memory, shard));
  const shards = ports.map((port, shard) => shardStatus(port, shard, meters[shard], now));
  const errors = errorsOf(router);
  const { rss, heapUsed } = process.memoryUsage();
  return {
    engine: VERSION,
    node: process.version,
    pid: process.pid,
    timeMs: Date.now(),
    uptimeMs: Math.round(process.uptime() * 1e3),
    sessions: ledger.live,
    sessionsMax: ledger.sessionsMax,
    executing: sum(shards, ({ executing }) => executing),
    totals: totalsOf(shards, errors),
    errors,
    duration: meter.durations.status(),
    shards,
    operations: operationsOf(router, meters),
    frontEnd: frontEndStatus(router),
    memory: { rssBytes: rss, heapUsedBytes: heapUsed, sharedBytes: sharedBytes(memory) },
    journal: journalOf(router),
  };
}

/** How long ago the shard last looked for expired sessions. */
export function sweepLagMs(port: ShardPort, now: number): number {
  return Math.max(0, Math.floor(now - port.table.arena.floats[Header.WHEEL_TIME / 2]));
}

/** Refusals by error code that a shard knows of. */
function shardErrors(port: ShardPort, code: ErrorCode): number {
  const { floats } = port.table.arena;
  return floats[Header.COUNTERS / 2 + Counter.ERRORS + code] + port.refusals[code];
}

export function countsOf(port: ShardPort): Counts {
  const { floats } = port.table.arena;
  const count = (counter: number): number => floats[Header.COUNTERS / 2 + counter];
  const ended = (reason: Reason): number => count(Counter.ENDED + reason);
  let errors = 0;
  for (let code = 0; code < ERROR_COUNTERS; code++) errors += shardErrors(port, code);
  return {
    registered: count(Counter.REGISTERED),
    resumed: count(Counter.RESUMED),
    requests: count(Counter.REQUESTS),
    calls: count(Counter.CALLS),
    replays: count(Counter.REPLAYS),
    commits: floats[Header.COMMITS / 2] - port.commitsBefore,
    errors,
    rateLimited: shardErrors(port, ErrorCode.RATE_LIMITED),
    evicted: ended(Reason.EVICTED),
    expired: ended(Reason.EXPIRED),
    closed: ended(Reason.CLOSED),
    disconnected: ended(Reason.DISCONNECTED),
    removed: ended(Reason.REMOVED),
  };
}

export function sum<T>(all: readonly T[], read: (one: T) => number): number {
  return all.reduce((total, one) => total + read(one), 0);
}

function shardStatus(port: ShardPort, shard: number, meter: ShardMeter, now: number): ShardStatus {
  return {
    shard,
    sessions: port.table.arena.words[Header.LIVE],
    executing: port.pinned,
    ...countsOf(port),
    ringUsedBytes: port.messages.fill() * 4,
    ringBytes: port.messages.capacity * 4,
    sweepLagMs: sweepLagMs(port, now),
    journal: shardJournal(port, meter),
  };
}

const STATES = { [LogState.OK]: 'ok', [LogState.NO_ROOM]: 'full', [LogState.FAILED]: 'failed' };

function shardJournal(port: ShardPort, meter: ShardMeter): ShardJournalStatus | null {
  const { log } = port.table;
  if (log === undefined) return null;
  return {
    segments: meter.segments,
    diskBytes: meter.diskBytes,
    bufferedBytes: log.buffer.bufferedWords * 4,
    batches: meter.batches,
    syncedBytes: meter.bytes,
    sync: meter.syncs.status(),
    state: STATES[log.buffer.state] as ShardJournalStatus['state'],
  };
}

function errorsOf({ ports, meter }: Router): Record<string, number> {
  const errors: Record<string, number> = {};
  for (const [code, name] of ERROR_NAMES.entries()) {
    const count = sum(ports, (port) => shardErrors(port, code)) + meter.errors[code];
    if (count > 0) errors[name] = count;
  }
  return errors;
}

function totalsOf(shards: readonly ShardStatus[], errors: Record<string, number>): Counts {
  const total = (name: keyof Counts): number => sum(shards, (shard) => shard[name]);
  return {
    registered: total('registered'),
    resumed: total('resumed'),
    requests: total('requests'),
    calls: total('calls'),
    replays: total('replays'),
    commits: total('commits'),
    errors: sum(Object.values(errors), (count) => count),
    rateLimited: total('rateLimited'),
    evicted: total('evicted'),
    expired: total('expired'),
    closed: total('closed'),
    disconnected: total('disconnected'),
    removed: total('removed'),
  };
}

function operationsOf(router: Router, meters: readonly ShardMeter[]): OperationStatus[] {
  const operations = Object.entries(router.checked.names).map(([name, number]) => {
    const shards = meters.map((meter) => meter.operation(number));
    const total = (of: keyof OperationCounts): number => sum(shards, (shard) => shard[of]);
    const sampled = total('timed');
    return {
      name,
      number,
      count: total('count'),
      failed: total('failed'),
      sampled,
      meanUs: sampled === 0 ? 0 : total('sumUs') / sampled,
      maxUs: Math.max(...shards.map(({ maxUs }) => maxUs)),
    };
  });
  return operations.filter(({ count }) => count > 0);
}

const NO_SERVER = { connections: 0, connectionsMax: 0, bytesOut: 0 };
const NO_DELAY = { p50Us: 0, p99Us: 0, maxUs: 0 };

function frontEndStatus({ meter }: Router): FrontEndStatus {
  const { accepted, refused, bytesIn } = meter;
  const { connections, connectionsMax, bytesOut } = meter.server ?? NO_SERVER;
  const eventLoopDelay = meter.loopDelay?.() ?? NO_DELAY;
  return { connections, connectionsMax, accepted, refused, bytesIn, bytesOut, eventLoopDelay };
}

function journalOf({ memory }: Router): EngineStatus['journal'] {
  const { journal } = memory.config;
  if (journal === undefined) return null;
  const { folder, syncs, intervalMs } = journal;
  return { folder, durability: syncs ? 'commit' : intervalMs > 0 ? 'interval' : 'off' };
}
