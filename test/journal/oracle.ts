/**
 * What recovery may find: what the sessions of a shard were, as their log tells it, after each
 * operation. A session's state here is that of its last entry, so a call that only touched it and
 * was not logged is missing, as it will be after a crash.
 */
import { Row, RowFlag } from '../../src/core/layout.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { Entry, EntryKind } from '../../src/core/log-entry.ts';
import { touchLogMs } from '../../src/core/session-log.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from '../core/helpers.ts';
import type { Rig, Shard } from './rig.ts';

export interface Session {
  readonly id: number;
  /** Request, reply, data, TTL, rate and whatever else must come back as it was. */
  readonly kept: string;
  readonly commit: number;
  /** On the world's clock. */
  readonly committedAt: number;
  readonly expiresAt: number;
  readonly ttlMs: number;
  readonly isConnectionScoped: boolean;
}

export interface Snapshot {
  readonly position: number;
  readonly sessions: ReadonlyMap<number, Session>;
  /** When each really expires: not before this, after a crash either. */
  readonly expiresAt: ReadonlyMap<number, number>;
}

/** Each recovery moves the times of a log by whole ms: half a one too many or too few. */
const ROUNDED_MS = 2;

const LASTING = RowFlag.LIVE | RowFlag.NEVER | RowFlag.CONNECTION | RowFlag.RATED;

export function sessionAt(rig: Rig, table: SessionTable, slot: number): Session {
  const { words, floats } = table.arena;
  const row = table.rowOf(slot);
  const origin = rig.originMs;
  const ttlMs = words[row + Row.TTL_MS] >>> 0;
  const deadline = floats[(row + Row.DEADLINE) / 2];
  const fixed = [
    `session ${h.sessionOf(table, slot)} request ${h.requestOf(table, slot)}`,
    `asked ${words[row + Row.CHECKSUM_LOW]} ${words[row + Row.CHECKSUM_HIGH]}`,
    `status ${h.statusOf(table, slot)} flags ${words[row + Row.FLAGS] & LASTING}`,
    `ttl ${ttlMs} version ${floats[(row + Row.VERSION) / 2]}`,
    `rate ${words[row + Row.RATE_PER_SECOND]} ${words[row + Row.RATE_BURST]}`,
    `tat ${words[row + Row.RATE_TAT]} ${words[row + Row.RATE_TAT + 1]}`,
    `may ${words[row + Row.CAPABILITIES]}`,
    `reply ${Buffer.from(h.replyOf(table, slot)).toString('hex')}`,
    `data ${Buffer.from(h.dataOf(table, slot)).toString('hex')}`,
  ];
  return {
    id: h.idOf(table, slot),
    kept: fixed.join(', '),
    commit: floats[(row + Row.COMMIT) / 2],
    committedAt: table.order.timeOf(slot) + origin,
    expiresAt: ttlMs === TTL_NEVER ? Number.POSITIVE_INFINITY : deadline + origin,
    ttlMs,
    isConnectionScoped: (words[row + Row.FLAGS] & RowFlag.CONNECTION) !== 0,
  };
}

/** The sessions of a table, in the order in which they would be evicted. */
export function sessionsOf(rig: Rig, table: SessionTable): Session[] {
  return h.orderOf(table).map((slot) => sessionAt(rig, table, slot));
}

export class Oracle {
  readonly snapshots: Snapshot[] = [];
  #sessions = new Map<number, Session>();
  #position: number;

  constructor(
    readonly rig: Rig,
    readonly shard: Shard,
  ) {
    this.#position = shard.buffer.position;
    for (const session of sessionsOf(rig, shard.table)) this.#sessions.set(session.id, session);
    this.#note();
  }

  /** After each operation: what it has appended is now what its sessions are known to be. */
  observe(): void {
    const { buffer, table } = this.shard;
    const live = new Map(h.orderOf(table).map((slot) => [h.idOf(table, slot), slot]));
    const sessions = new Map(this.#sessions);
    for (const { id, kind } of this.#appended()) {
      const slot = live.get(id);
      if (kind === EntryKind.STATE && slot !== undefined) {
        sessions.set(id, sessionAt(this.rig, table, slot));
      } else sessions.delete(id);
    }
    this.#sessions = sessions;
    this.#position = buffer.position;
    this.#note();
  }

  #note(): void {
    const { rig, shard } = this;
    const expiresAt = new Map<number, number>();
    for (const { id, expiresAt: at } of sessionsOf(rig, shard.table)) expiresAt.set(id, at);
    this.snapshots.push({ position: this.#position, sessions: this.#sessions, expiresAt });
  }

  /** The ids and kinds of the entries appended since the last time. */
  #appended(): { id: number; kind: EntryKind }[] {
    const { words, capacity, position } = this.shard.buffer;
    const data = words.length - capacity;
    const found: { id: number; kind: EntryKind }[] = [];
    for (let at = this.#position; at !== position; ) {
      const index = at & (capacity - 1);
      // The header words of the buffer that say where its end was left unused.
      if (words[67] !== 0 && words[66] === at) {
        at = (at + capacity - index) | 0;
        continue;
      }
      const entry = data + index;
      found.push({ id: words[entry + Entry.ROW + Row.ID3], kind: words[entry + 1] & 0xff });
      at = (at + words[entry]) | 0;
    }
    return found;
  }

  /**
   * The states that recovery may find: from what was durable to all that was appended. With a log
   * that does not sync, what is durable is only as safe as the system, so any of them.
   */
  possible(syncs: boolean): Snapshot[] {
    if (!syncs) return this.snapshots;
    // The word of the buffer that says what is durable.
    const durable = this.shard.buffer.words[96];
    return this.snapshots.filter(({ position }) => ((position - durable) | 0) >= 0);
  }
}

/** What is left of a snapshot after a restart, in the order of eviction. */
export function survivorsOf(snapshot: Snapshot): Session[] {
  const left = [...snapshot.sessions.values()].filter((one) => !one.isConnectionScoped);
  return left.sort((a, b) => a.commit - b.commit);
}

/**
 * Why what was found is not what a snapshot says; undefined when it is. When the time of day was
 * set meanwhile, times are only comparable with `ignoresTimes`.
 */
export function difference(
  snapshot: Snapshot,
  found: readonly Session[],
  ignoresTimes = false,
): string | undefined {
  const expected = survivorsOf(snapshot);
  const ids = (sessions: readonly Session[]): string => sessions.map(({ id }) => id).join(' ');
  if (ids(expected) !== ids(found)) return `sessions ${ids(found)} for ${ids(expected)}`;
  for (const [index, was] of expected.entries()) {
    if (was.kept !== found[index].kept) return `${found[index].kept}\nfor ${was.kept}`;
    if (ignoresTimes) continue;
    const why = changed(was, found[index]);
    if (why !== undefined) return `session of ${was.id}: ${why}`;
    const real = snapshot.expiresAt.get(was.id);
    if (real !== undefined && found[index].expiresAt < real - ROUNDED_MS) {
      return `session of ${was.id} expires at ${found[index].expiresAt} before ${real}`;
    }
  }
  return undefined;
}

function changed(was: Session, is: Session): string | undefined {
  if (was.expiresAt === Number.POSITIVE_INFINITY) return undefined;
  const latest = was.expiresAt + touchLogMs(was.ttlMs) + ROUNDED_MS;
  const isRight = is.expiresAt >= was.expiresAt - ROUNDED_MS && is.expiresAt <= latest;
  return isRight ? undefined : `expires at ${is.expiresAt} for ${was.expiresAt}`;
}
