/**
 * Sessions as an operator sees them, read from the rows. Only by the holder of a shard's owner
 * word. Reading neither touches a session nor ends one that has expired; that is only passed over.
 */
import { Header, Row, RowFlag } from '../core/layout.ts';
import { TTL_NEVER } from '../core/limits.ts';
import { sessionNumber } from '../core/session-number.ts';
import type { SessionTable } from '../core/session-table.ts';

export interface SessionEntry {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly session: number;
  /** The last committed request. */
  readonly request: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdMs: number;
  readonly lastActivityMs: number;
  readonly idleMs: number;
  /** null = never expires. */
  readonly ttlMs: number | null;
  readonly expiresInMs: number | null;
  /** How often its data was written. */
  readonly version: number;
  readonly dataBytes: number;
  readonly executing: boolean;
  readonly connectionScoped: boolean;
}

/** The id of the entry at hand, as words and as bytes. */
const idWords = new Int32Array(4);
const idBytes = Buffer.from(idWords.buffer);

/** What an entry must be to be listed, and how to show it. */
export interface ListFilter {
  /** The id begins with these hexadecimal digits. */
  readonly prefix: string;
  readonly ageMsMin: number;
  readonly idleMsMin: number;
  /** What makes a time of the engine's clock one since the Unix epoch. */
  readonly wallOffsetMs: number;
}

/** One past the last slot that was ever used. */
export function slotsUsed(table: SessionTable): number {
  return table.arena.words[Header.HIGH_WATER];
}

/** The entry of a slot; undefined when it has no live session, or none that passes the filter. */
export function entryOf(
  table: SessionTable,
  slot: number,
  filter: ListFilter,
): SessionEntry | undefined {
  const { words, floats } = table.arena;
  const row = table.rowOf(slot);
  const flags = words[row + Row.FLAGS];
  if ((flags & RowFlag.LIVE) === 0) return undefined;
  const now = table.now[0];
  const ttl = words[row + Row.TTL_MS] >>> 0;
  const never = ttl === TTL_NEVER;
  const deadline = floats[(row + Row.DEADLINE) >> 1];
  const active = never ? deadline : deadline - ttl;
  const created = floats[(row + Row.CREATED) >> 1];
  const executing = (flags & RowFlag.EXECUTING) !== 0;
  if (!never && !executing && now > deadline) return undefined;
  const idleMs = Math.max(0, now - active);
  if (idleMs < filter.idleMsMin || now - created < filter.ageMsMin) return undefined;
  for (let i = 0; i < 4; i++) idWords[i] = words[row + Row.ID0 + i];
  const id = idBytes.toString('hex');
  if (!id.startsWith(filter.prefix)) return undefined;
  const wall = filter.wallOffsetMs;
  return {
    id,
    session: sessionNumber(words[row + Row.SESSION_LOW], words[row + Row.SESSION_HIGH]),
    request: words[row + Row.REQUEST] >>> 0,
    createdMs: Math.floor(created + wall),
    lastActivityMs: Math.floor(active + wall),
    idleMs: Math.floor(idleMs),
    ttlMs: never ? null : ttl,
    expiresInMs: never ? null : Math.max(0, Math.ceil(deadline - now)),
    version: floats[(row + Row.VERSION) >> 1],
    dataBytes: words[row + Row.DATA_LENGTH],
    executing,
    connectionScoped: (flags & RowFlag.CONNECTION) !== 0,
  };
}
