/**
 * All memory that the threads of one engine share: arenas, ledger, rings and doorbells. Plain
 * SharedArrayBuffers in a plain object, so that it can be posted to another thread whole.
 *
 * A *lane* is what one front end has to each shard: a ring for messages, a ring for answers, and
 * the doorbell on which the front end sleeps.
 */
import { createArena } from '../core/arena.ts';
import { InvalidOptionError } from '../core/errors.ts';
import { createLedger, shardSlots } from '../core/ledger.ts';
import { createLogBuffer, LogBuffer } from '../core/log-buffer.ts';
import { entryWordsMax } from '../core/log-entry.ts';
import type { FileLogConfig } from '../journal/file-log.ts';
import { createDoorbell } from './doorbell.ts';
import {
  LOG_BUFFER_ENTRIES_MIN,
  LOG_BUFFER_WORDS_MIN,
  RING_RECORDS_ASYNC,
  RING_RECORDS_MIN,
  RING_WORDS_MAX,
  RING_WORDS_MIN,
} from './limits.ts';
import { answerRecordWords, messageRecordWords } from './records.ts';
import { createRing } from './ring.ts';
import { createShardMeter, ShardMeter } from './shard-meter.ts';

export interface ShardingConfig {
  /** Worker threads; 0 = one shard that the caller's thread runs. */
  readonly shards: number;
  readonly sessionsMax: number;
  /** What a full table does with one more: evict the oldest session, or reject. */
  readonly evicts: boolean;
  readonly dataBytesMax: number;
  readonly replyBytesMax: number;
  readonly bodyBytesMax: number;
  readonly ttlDefaultMs: number;
  /** The rate limit of sessions that ask for none; 0 = none. */
  readonly ratePerSecond: number;
  readonly rateBurst: number;
  readonly commitsBefore: number;
  readonly executeTimeoutMs: number;
  readonly seedA: number;
  readonly seedB: number;
  /** The URL of the service's module, '' for the built-in one. */
  readonly serviceUrl: string;
  /** Undefined: sessions are kept in memory only. */
  readonly journal?: JournalSettings;
}

/** What the threads of an engine need to know of its journal. */
export interface JournalSettings {
  readonly folder: string;
  readonly engine: string;
  readonly generation: number;
  readonly segmentBytesMax: number;
  /** Whether answers wait until what they tell of is on disk. */
  readonly syncs: boolean;
  /** How often to sync otherwise; 0 = when the system likes. */
  readonly intervalMs: number;
  /** What made times of the engine's clock times since the Unix epoch when it started. */
  readonly wallOffsetMs: number;
}

export interface Lane {
  readonly messages: readonly SharedArrayBuffer[];
  readonly answers: readonly SharedArrayBuffer[];
  readonly doorbell: SharedArrayBuffer;
}

export interface ShardMemory {
  readonly config: ShardingConfig;
  readonly ledger: SharedArrayBuffer;
  readonly arenas: readonly SharedArrayBuffer[];
  /** The log buffer of each shard; none without a journal. */
  readonly logs: readonly SharedArrayBuffer[];
  /** What each shard counts for its operator. */
  readonly meters: readonly SharedArrayBuffer[];
  /** One per shard: its worker sleeps on it. */
  readonly doorbells: readonly SharedArrayBuffer[];
  /** One per front end. */
  readonly lanes: readonly Lane[];
  /** One word: 1 once the workers are to stop. */
  readonly stopping: SharedArrayBuffer;
}

/** Tables of the engine: one for each worker, or one in the caller's thread. */
function tableCount(config: ShardingConfig): number {
  return Math.max(1, config.shards);
}

/**
 * Reserves the memory of an engine.
 *
 * @param frontEnds threads that own sockets or callers
 * @param mayPromise whether operations may return promises, each of which is kept room for
 *
 * Throws `InvalidOptionError` where a limit does not allow it.
 */
export function createShardMemory(
  config: ShardingConfig,
  frontEnds: number,
  mayPromise: boolean,
): ShardMemory {
  const count = tableCount(config);
  const slots = shardSlots(config.sessionsMax, count);
  const arenas: SharedArrayBuffer[] = [];
  const logs: SharedArrayBuffer[] = [];
  const doorbells: SharedArrayBuffer[] = [];
  const meters: SharedArrayBuffer[] = [];
  for (let shard = 0; shard < count; shard++) {
    arenas.push(arenaOf(config, shard, slots));
    if (config.journal !== undefined) logs.push(createLogBuffer(logWords(config)));
    doorbells.push(createDoorbell());
    meters.push(createShardMeter());
  }
  // One log keeps an end and the register after it in order. A table that evicts may do so after a
  // crash as well, and has no use for places that are neither taken nor free.
  const defers = count > 1 && config.journal?.syncs === true && !config.evicts;
  const lanes: Lane[] = [];
  for (let i = 0; i < frontEnds; i++) lanes.push(createLane(config, count, mayPromise));
  return {
    config,
    ledger: createLedger(count, config.sessionsMax, defers).memory,
    arenas,
    logs,
    meters,
    doorbells,
    lanes,
    stopping: new SharedArrayBuffer(4),
  };
}

/** All that was reserved, of which pages that nobody has touched cost nothing. */
export function sharedBytes(memory: ShardMemory): number {
  const { ledger, arenas, logs, meters, doorbells, lanes, stopping } = memory;
  const rings = lanes.flatMap((lane) => [...lane.messages, ...lane.answers, lane.doorbell]);
  const all = [ledger, ...arenas, ...logs, ...meters, ...doorbells, ...rings, stopping];
  return all.reduce((total, { byteLength }) => total + byteLength, 0);
}

/** This thread's view of what a shard counts. */
export function meterOf(memory: ShardMemory, shard: number): ShardMeter {
  return new ShardMeter(memory.meters[shard]);
}

/** This thread's view of a shard's log buffer; undefined without a journal. */
export function logBufferOf(memory: ShardMemory, shard: number): LogBuffer | undefined {
  return memory.logs.length === 0 ? undefined : new LogBuffer(memory.logs[shard]);
}

/** What a shard's thread opens its log with. `blocks`: it may wait for the disk. */
export function journalConfigOf(
  memory: ShardMemory,
  shard: number,
  blocks: boolean,
): { config: FileLogConfig; intervalMs: number; wallOffsetMs: number } | undefined {
  const { journal } = memory.config;
  if (journal === undefined) return undefined;
  const { intervalMs, wallOffsetMs, ...settings } = journal;
  const shards = tableCount(memory.config);
  return { config: { ...settings, shard, shards, blocks }, intervalMs, wallOffsetMs };
}

function logWords({ dataBytesMax, replyBytesMax }: ShardingConfig): number {
  const option = dataBytesMax > replyBytesMax ? 'dataBytesMax' : 'replyBytesMax';
  const longest = entryWordsMax(dataBytesMax, replyBytesMax);
  const wanted = Math.max(LOG_BUFFER_WORDS_MIN, longest * LOG_BUFFER_ENTRIES_MIN);
  const words = 2 ** Math.ceil(Math.log2(wanted));
  if (words <= RING_WORDS_MAX) return words;
  const value = Math.max(dataBytesMax, replyBytesMax);
  throw new InvalidOptionError(option, value, 'smaller, or the log buffer is too long');
}

/** A shard's arena. The number that a user chose is that of all sessions, so errors name it. */
function arenaOf(config: ShardingConfig, shard: number, slots: number): SharedArrayBuffer {
  try {
    return createArena({ ...config, shard, slots }).memory;
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error;
    const { option, expected, others } = error;
    throw new InvalidOptionError(option, config.sessionsMax, expected, others);
  }
}

function createLane(config: ShardingConfig, shards: number, mayPromise: boolean): Lane {
  const answersMin = mayPromise ? RING_RECORDS_ASYNC : RING_RECORDS_MIN;
  const messages: SharedArrayBuffer[] = [];
  const answers: SharedArrayBuffer[] = [];
  const { bodyBytesMax, dataBytesMax, replyBytesMax } = config;
  const longest = bodyBytesMax >= dataBytesMax ? 'bodyBytesMax' : 'dataBytesMax';
  for (let shard = 0; shard < shards; shard++) {
    const messageWords = messageRecordWords(config[longest]);
    const messageRing = ringWords(longest, config[longest], messageWords, RING_RECORDS_MIN);
    const answerWords = answerRecordWords(replyBytesMax);
    const answerRing = ringWords('replyBytesMax', replyBytesMax, answerWords, answersMin);
    messages.push(createRing(messageRing));
    answers.push(createRing(answerRing));
  }
  return { messages, answers, doorbell: createDoorbell() };
}

function ringWords(option: string, value: number, recordWords: number, records: number): number {
  const wanted = Math.max(RING_WORDS_MIN, recordWords * records);
  const words = 2 ** Math.ceil(Math.log2(wanted));
  if (words <= RING_WORDS_MAX) return words;
  const most = Math.floor(RING_WORDS_MAX / records) * 4 - (recordWords * 4 - value);
  throw new InvalidOptionError(option, value, `at most ${most}, or a ring is too long`);
}
