/**
 * What an operator asks of an engine: counts, lists of sessions, the end of one, a sweep. None of
 * it touches a session. Lists are read under the owner word, a bounded number of rows at a time,
 * so that requests go on in between.
 */
import { CLIENT_ID_BYTES, type ClientId, clientIdBytes } from '../core/client-id.ts';
import { ERROR_MESSAGES, ERROR_NAMES, ErrorCode, Reason } from '../core/codes.ts';
import { InvalidOptionError, integerOption, SessileError } from '../core/errors.ts';
import { Row } from '../core/layout.ts';
import { CloseFlag, Kind, Message, SweepFlag } from '../core/message.ts';
import { namesOf } from '../services/service.ts';
import { AnswerKind } from './answer.ts';
import { ask, type Told } from './inquiry.ts';
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, LIST_ROWS_MAX } from './limits.ts';
import { readStatus } from './read-status.ts';
import type { Router } from './router.ts';
import { entryOf, type ListFilter, type SessionEntry, slotsUsed } from './session-listing.ts';
import type { ShardPort } from './shard-port.ts';
import { type EngineStats, statsOf } from './stats.ts';
import type { EngineStatus } from './status.ts';

export type { SessionEntry } from './session-listing.ts';

export interface ListQuery {
  /** Entries at most: 1 to 10 000. Default 100. */
  readonly limit?: number;
  /** Where an earlier page ended. */
  readonly cursor?: string | null;
  /** The id begins with these hexadecimal digits. */
  readonly prefix?: string;
  /** Registered at least so long ago, in milliseconds. */
  readonly ageMsMin?: number;
  /** Idle for at least so long, in milliseconds. */
  readonly idleMsMin?: number;
}

export interface SessionPage {
  readonly sessions: readonly SessionEntry[];
  /** Where the next page begins; null after the last. */
  readonly cursor: string | null;
}

export interface SessionDetails extends SessionEntry {
  readonly rate: { readonly perSecond: number; readonly burst: number } | null;
  readonly capabilities: readonly string[];
}

export class Operator {
  readonly #router: Router;
  readonly #capabilities: readonly string[];
  /** Fails what is under way, each. */
  readonly #asking = new Set<() => void>();
  #isStopped = false;

  constructor(router: Router, capabilities: readonly string[]) {
    this.#router = router;
    this.#capabilities = capabilities;
  }

  stats(): EngineStats {
    return statsOf(this.#router);
  }

  status(): EngineStatus {
    return readStatus(this.#router);
  }

  /**
   * One page of sessions. A session that lives from the first page to the last is listed exactly
   * once, whatever comes and goes meanwhile, because it keeps its slot. Rejects with
   * `InvalidOptionError`.
   */
  async list(query: ListQuery = {}): Promise<SessionPage> {
    const { ports } = this.#router;
    const limit = integerOption('limit', query.limit ?? LIST_LIMIT_DEFAULT, 1, LIST_LIMIT_MAX);
    const filter = this.#filter(query);
    const at = cursorOf(query.cursor ?? null, ports.length);
    const sessions: SessionEntry[] = [];
    let { shard, slot } = at;
    let looks = 0;
    while (shard < ports.length) {
      // Getting hold of a shard usually takes no turn of the event loop, so one is given here.
      if (looks >= LIST_ROWS_MAX) {
        await new Promise(setImmediate);
        looks = 0;
      }
      const from = slot;
      slot = await this.#read(ports[shard], (port) =>
        collect(port, slot, limit - sessions.length, filter, sessions),
      );
      looks += slot - from;
      if (slot >= slotsUsed(ports[shard].table)) {
        shard += 1;
        slot = 0;
      }
      const isDone = sessions.length === limit && shard < ports.length;
      if (isDone) return { sessions, cursor: `${shard}.${slot}` };
    }
    return { sessions, cursor: null };
  }

  /** A session, or null when there is no live one. */
  inspect(id: ClientId): Promise<SessionDetails | null> {
    const m = messageFor(id);
    const port = this.#router.portOf(m);
    return this.#read(port, ({ table }) => {
      const slot = table.index.find(m.hash, m.id0, m.id1, m.id2, m.id3);
      const entry = slot < 0 ? undefined : entryOf(table, slot, this.#filter({}));
      if (entry === undefined) return null;
      const { words } = table.arena;
      const row = table.rowOf(slot);
      const perSecond = words[row + Row.RATE_PER_SECOND];
      const bits = words[row + Row.CAPABILITIES];
      return {
        ...entry,
        rate: perSecond === 0 ? null : { perSecond, burst: words[row + Row.RATE_BURST] },
        capabilities: namesOf(bits, this.#capabilities),
      };
    });
  }

  /**
   * Ends a session, whose client is told. False when there is no live one. Rejects with
   * `request_in_flight` while it executes, `storage_failed` while its log has no room.
   */
  async remove(id: ClientId): Promise<boolean> {
    const m = messageFor(id);
    m.kind = Kind.CLOSE;
    m.flags = CloseFlag.REMOVED;
    const told = await this.#ask(m, { id });
    // One that is remembered as removed earlier was not there to be removed now.
    return told.code === Reason.REMOVED && told.value !== 0;
  }

  /**
   * Ends all sessions that have expired by now. Resolves with how many expired ones ended
   * meanwhile, by it or by the engine's own sweep, which may come first. Rejects with
   * `storage_failed` while a shard's log has no room.
   */
  async sweep(): Promise<number> {
    const before = this.stats().expired;
    for (let shard = 0; shard < this.#router.ports.length; shard++) {
      // Each step ends a bounded number, and expired sessions are never more than sessions.
      let isFirst = true;
      for (let hasMore = true; hasMore; ) {
        const m = new Message();
        m.kind = Kind.SWEEP;
        m.flags = isFirst ? SweepFlag.FIRST : 0;
        const told = await this.#ask(m, { shard }, shard);
        isFirst = false;
        hasMore = told.again;
      }
    }
    return this.stats().expired - before;
  }

  /** The engine has stopped: nobody answers any more. */
  stop(): void {
    this.#isStopped = true;
    for (const fail of this.#asking) fail();
    this.#asking.clear();
  }

  /** Rejects when the answer is an error. */
  async #ask(m: Message, details: Details, shard?: number): Promise<Told> {
    const told = await new Promise<Told | undefined>((resolve, reject) => {
      const fail = (): void => reject(stopped());
      if (this.#isStopped) return fail();
      this.#asking.add(fail);
      const forget = (): boolean => this.#asking.delete(fail);
      ask(this.#router, m, shard).finally(forget).then(resolve, reject);
    });
    if (told?.kind === AnswerKind.ERROR) throw refused(told.code, details);
    if (told !== undefined) return told;
    const text = 'too many messages are under way; try again';
    throw new SessileError('server_busy', text);
  }

  #filter(query: ListQuery): ListFilter {
    const { clock } = this.#router;
    clock.read();
    return { ...filterOf(query), wallOffsetMs: Date.now() - clock.cell[0] };
  }

  /** Runs a short look at a shard's memory as its owner, as soon as nobody else owns it. */
  async #read<T>(port: ShardPort, look: (port: ShardPort) => T): Promise<T> {
    for (;;) {
      if (this.#router.stopped) throw stopped();
      if (!this.#router.inBatch && port.tryOwn()) break;
      await new Promise(setImmediate);
    }
    try {
      this.#router.clock.read();
      return look(port);
    } finally {
      port.disown();
    }
  }
}

type Details = Readonly<Record<string, unknown>>;

function refused(code: ErrorCode, details: Details): SessileError {
  const isExecuting = code === ErrorCode.REQUEST_IN_FLIGHT;
  const text = isExecuting ? 'the session executes a request; try again' : ERROR_MESSAGES[code];
  return new SessileError(ERROR_NAMES[code], text, details);
}

function stopped(): SessileError {
  return new SessileError('shutting_down', 'the engine has stopped');
}

/** Adds entries from a slot on; returns the slot after the last that was looked at. */
function collect(
  port: ShardPort,
  from: number,
  room: number,
  filter: ListFilter,
  into: SessionEntry[],
): number {
  const { table } = port;
  const end = Math.min(slotsUsed(table), from + LIST_ROWS_MAX);
  const full = into.length + room;
  let slot = from;
  for (; slot < end && into.length < full; slot++) {
    const entry = entryOf(table, slot, filter);
    if (entry !== undefined) into.push(entry);
  }
  return slot;
}

function filterOf(query: ListQuery): Omit<ListFilter, 'wallOffsetMs'> {
  const { prefix = '', ageMsMin = 0, idleMsMin = 0 } = query;
  if (
    typeof prefix !== 'string' ||
    !/^[0-9a-fA-F]*$/.test(prefix) ||
    prefix.length > 2 * CLIENT_ID_BYTES
  ) {
    throw new InvalidOptionError('prefix', prefix, 'up to 32 hexadecimal digits');
  }
  return {
    prefix: prefix.toLowerCase(),
    ageMsMin: integerOption('ageMsMin', ageMsMin, 0, Number.MAX_SAFE_INTEGER),
    idleMsMin: integerOption('idleMsMin', idleMsMin, 0, Number.MAX_SAFE_INTEGER),
  };
}

function cursorOf(cursor: string | null, shards: number): { shard: number; slot: number } {
  if (cursor === null) return { shard: 0, slot: 0 };
  const match = typeof cursor === 'string' ? /^(\d{1,3})\.(\d{1,10})$/.exec(cursor) : null;
  if (match !== null && Number(match[1]) < shards) {
    return { shard: Number(match[1]), slot: Number(match[2]) };
  }
  throw new InvalidOptionError('cursor', cursor, 'null, or the cursor of an earlier page');
}

function messageFor(id: ClientId): Message {
  const bytes = new Uint8Array(clientIdBytes(id));
  const words = new Int32Array(bytes.buffer);
  const m = new Message();
  m.id0 = words[0];
  m.id1 = words[1];
  m.id2 = words[2];
  m.id3 = words[3];
  return m;
}
