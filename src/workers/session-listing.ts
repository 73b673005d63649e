/**
 * Sessions as an operator sees them, read from the rows. Only by the holder of a shard's owner
 * word. Reading neither touches a session nor ends one that has expired; that is only passed over.
 */
import { clientIdText } from '../core/client-id.ts';
import { Header, Row, RowFlag } from '../core/layout.ts';
import { TTL_NEVER } from '../core/limits.ts';
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

/** What an entry must be to be listed. */
export interface ListFilter {
  /** The id begins with these hexadecimal digits. */
  readonly prefix: string;
  readonly ageMsMin: number;
  readonly idleMsMin: number;
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
  const id = clientIdText(
    words[row + Row.ID0],
    words[row + Row.ID1],
    words[row + Row.ID2],
    words[row + Row.ID3],
  );
  if (!id.startsWith(filter.prefix)) return undefined;
  const wall = Date.now() - now;
  return {
    id,
    session:
      (words[row + Row.SESSION_HIGH] >>> 0) * 0x100000000 + (words[row + Row.SESSION_LOW] >>> 0),
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
