/**
 * The session table: the state machine of one shard over its arena.
 *
 * Every method is one atomic step for whoever holds the shard's owner word. A request is two
 * steps, `begin` and then `commit` or `abort`; between them the session is pinned. Nothing here
 * reads a clock: `now` is a cell that the caller sets, in milliseconds, before each message.
 *
 * Results that need more than a code are left in the fields `slot`, `reason`, `errorCode` and
 * `ended`, so that nothing is allocated.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { Admission, ErrorCode, Eviction, Reason, Verdict } from './codes.ts';
import { CommitOrder } from './commit-order.ts';
import { EndedMemory, EndedSession } from './ended-memory.ts';
import { hashId } from './hash.ts';
import { IndexTable } from './index-table.ts';
import { Counter, Header, ROW_SHIFT, Row, RowByte, RowFlag } from './layout.ts';
import { type Ledger, NOTHING_TO_EVICT } from './ledger.ts';
import { TTL_NEVER } from './limits.ts';
import { Kind, type Message, RegisterFlag } from './message.ts';
import { compareSession } from './session-number.ts';
import { SlotCommit } from './slot-commit.ts';
import { SlotPool } from './slot-pool.ts';
import { Victims } from './victims.ts';

/** The flags that pinning sets. */
const EXECUTION = RowFlag.EXECUTING | RowFlag.CALL;

export class SessionTable {
  readonly index: IndexTable;
  readonly pool: SlotPool;
  readonly order: CommitOrder;
  readonly #memory: EndedMemory;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;
  readonly #commits: SlotCommit;
  readonly #victims: Victims;

  /** The slot that the last successful step was about. */
  slot = -1;
  /** Why the last step answered `EVICTION`. */
  reason: Reason = Reason.NO_SESSION;
  /** Why the last step answered `ERROR`. */
  errorCode: ErrorCode = ErrorCode.SERVER_BUSY;
  /** The session that ended last, and how many this view has ended: any step may end one. */
  readonly ended = new EndedSession();
  endings = 0;

  /**
   * @param now one Float64, milliseconds on the engine's clock, kept current by the caller
   * @param runner the number of the thread that executes through this view
   */
  constructor(
    readonly arena: Arena,
    readonly ledger: Ledger,
    readonly now: Float64Array,
    readonly runner: number,
  ) {
    this.index = new IndexTable(arena);
    this.pool = new SlotPool(arena);
    this.order = new CommitOrder(arena);
    this.#memory = new EndedMemory(arena);
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#rows = arena.regions.rows;
    this.#commits = new SlotCommit(arena, now);
    this.#victims = new Victims(arena, this.order, ledger);
  }

  /** Makes a new arena an empty table. Once, before any other step. */
  start(): void {
    assert(this.#words[Header.STARTED] === 0, 'an arena is started once');
    this.order.clear();
    this.#floats[Header.BOUND / 2] = NOTHING_TO_EVICT;
    this.#words[Header.STARTED] = 1;
  }

  /** Row offset of a slot, in words. */
  rowOf(slot: number): number {
    return this.#rows + (slot << ROW_SHIFT);
  }

  hash(id0: number, id1: number, id2: number, id3: number): number {
    return hashId(id0, id1, id2, id3, this.arena.seedA, this.arena.seedB);
  }

  /** Admits a session, or finds the live one; `slot` is set for `ADMITTED` and `RESUMED`. */
  register(m: Message): Admission {
    const live = this.#findLive(m);
    if (live >= 0) {
      const row = this.rowOf(live);
      if ((this.#words[row + Row.FLAGS] & RowFlag.EXECUTING) === 0) this.#setRoute(row, m);
      this.#count(Counter.RESUMED);
      this.slot = live;
      return Admission.RESUMED;
    }
    const words = this.#words;
    const full = words[Header.FREE_HEAD] === 0 && words[Header.HIGH_WATER] === this.arena.slots;
    const hasRoom = this.ledger.sessions() < this.ledger.sessionsMax;
    if (full) return hasRoom ? Admission.SHARD_FULL : Admission.NO_ROOM;
    if (!this.ledger.take()) return Admission.NO_ROOM;
    // No call or loop lies between the two, so a thread cannot be stopped with one of them done.
    words[Header.LIVE] += 1;
    this.#admit(m);
    return Admission.ADMITTED;
  }

  #admit(m: Message): void {
    const words = this.#words;
    const floats = this.#floats;
    const slot = this.pool.take();
    assert(slot >= 0, 'a slot is free when the pool said so');
    const row = this.rowOf(slot);
    const time = this.#commits.next();
    const commit = floats[Header.COMMITS / 2];
    const ttl = (m.flags & RegisterFlag.TTL) !== 0 ? m.ttlMs : this.arena.ttlDefaultMs;
    const never = ttl >>> 0 === TTL_NEVER;
    for (let at = row + Row.REQUEST; at < row + Row.GENERATION; at++) words[at] = 0;
    words[row + Row.ID0] = m.id0;
    words[row + Row.ID1] = m.id1;
    words[row + Row.ID2] = m.id2;
    words[row + Row.ID3] = m.id3;
    words[row + Row.SESSION_LOW] = commit | 0;
    words[row + Row.SESSION_HIGH] = (commit / 0x100000000) | 0;
    floats[(row + Row.DEADLINE) >> 1] = never ? time : time + (ttl >>> 0);
    floats[(row + Row.COMMIT) >> 1] = commit;
    words[row + Row.TTL_MS] = ttl;
    floats[(row + Row.CREATED) >> 1] = time;
    words[row + Row.TOKEN] = m.token;
    words[row + Row.FLAGS] =
      RowFlag.LIVE | (never ? RowFlag.NEVER : 0) | (m.frontEnd << RowByte.FRONT_END);
    this.index.insert(m.hash, slot);
    this.order.append(slot, time);
    this.#victims.lower(time);
    this.#count(Counter.REGISTERED);
    this.slot = slot;
  }

  /**
   * The first half of a sequenced request. On `EXECUTE` the session is pinned until `commit` or
   * `abort` of `slot`; on `REPLAY` the stored reply of `slot` answers it.
   */
  begin(m: Message): Verdict {
    const words = this.#words;
    const slot = this.#findLive(m);
    if (slot < 0) return this.#absent(m);
    const row = this.rowOf(slot);
    this.slot = slot;
    const apart = compareSession(words, row, m);
    if (apart !== 0) return this.#wrongSession(apart);
    const last = words[row + Row.REQUEST];
    const number = m.request;
    const flags = words[row + Row.FLAGS];
    if (number === ((last + 1) | 0) && last !== -1) {
      if ((flags & RowFlag.EXECUTING) !== 0) return this.#join(row, m);
      this.pin(slot, m);
      return Verdict.EXECUTE;
    }
    if (number === last && last !== 0) return this.#replay(row, flags, m);
    return this.#error(
      number >>> 0 <= last >>> 0 ? ErrorCode.REQUEST_STALE : ErrorCode.REQUEST_GAP,
    );
  }

  /**
   * Pins a live session for a request that executes. `begin` does it; a call does it itself once
   * its operation returned a promise.
   */
  pin(slot: number, m: Message): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.EXECUTING) === 0, 'one request executes at a time');
    const isCall = m.kind === Kind.CALL;
    words[row + Row.EXECUTING_LOW] = isCall ? m.request : m.checksumLow;
    words[row + Row.EXECUTING_HIGH] = m.checksumHigh;
    words[row + Row.TOKEN] = m.token;
    words[row + Row.FLAGS] =
      (flags & 0xffff) |
      (isCall ? RowFlag.EXECUTING | RowFlag.CALL : RowFlag.EXECUTING) |
      (m.frontEnd << RowByte.FRONT_END) |
      (this.runner << RowByte.RUNNER);
    words[Header.PINS] = (words[Header.PINS] + 1) | 0;
    words[row + Row.PIN] = words[Header.PINS];
    words[Header.EXECUTING] += 1;
  }

  #join(row: number, m: Message): Verdict {
    const words = this.#words;
    if (
      (words[row + Row.FLAGS] & RowFlag.CALL) !== 0 ||
      words[row + Row.EXECUTING_LOW] !== m.checksumLow ||
      words[row + Row.EXECUTING_HIGH] !== m.checksumHigh
    ) {
      return this.#error(ErrorCode.REQUEST_IN_FLIGHT);
    }
    // A caller that has no address cannot be answered later, and takes nobody's answer away.
    if (m.token !== 0) this.#setRoute(row, m);
    return Verdict.JOINED;
  }

  #replay(row: number, flags: number, m: Message): Verdict {
    const words = this.#words;
    if (
      words[row + Row.CHECKSUM_LOW] !== m.checksumLow ||
      words[row + Row.CHECKSUM_HIGH] !== m.checksumHigh
    ) {
      return this.#error(ErrorCode.REQUEST_MISMATCH);
    }
    // A late duplicate must not draw the reply of the request now in execution to itself.
    if ((flags & RowFlag.EXECUTING) === 0) this.#setRoute(row, m);
    this.#count(Counter.REPLAYS);
    return Verdict.REPLAY;
  }

  /**
   * The second half: stores the staged reply (and the staged data, when `dataLength` ≥ 0) and
   * consumes the request number. Both become visible in one step, also across the death of the
   * thread that takes it (see `redo`).
   */
  commit(slot: number, status: number, replyLength: number, dataLength: number): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    assert((words[row + Row.FLAGS] & RowFlag.EXECUTING) !== 0, 'only what executes is committed');
    assert(replyLength <= this.arena.replyBytesMax, 'the reply is within its limit');
    this.#commits.request(slot, status, replyLength, dataLength);
    words[Header.EXECUTING] -= 1;
    this.#placed(slot);
    this.#count(Counter.REQUESTS);
  }

  /**
   * Commits an unsequenced call on a live session: its staged data when `dataLength` ≥ 0. Touches
   * the session unless told not to.
   */
  commitCall(
    slot: number,
    status: number,
    replyLength: number,
    dataLength: number,
    touches: boolean,
  ): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.LIVE) !== 0, 'a call commits on a live session');
    assert(
      dataLength < 0 || (flags & RowFlag.EXECUTING) === 0,
      'a call writes nothing while a request executes',
    );
    this.#commits.call(slot, status, replyLength, dataLength, touches);
    this.#placed(slot);
    this.#count(Counter.CALLS);
  }

  /** Undoes `begin`: the number is not consumed and the session is as it was. */
  abort(slot: number): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    assert((words[row + Row.FLAGS] & RowFlag.EXECUTING) !== 0, 'only what executes is aborted');
    words[row + Row.FLAGS] &= ~(EXECUTION | (RowByte.MASK << RowByte.RUNNER));
    words[Header.EXECUTING] -= 1;
    this.#victims.lower(this.order.timeOf(slot));
  }

  /** Finds the live session of a call: `EXECUTE` with `slot`, or `EVICTION` with `reason`. */
  beginCall(m: Message): Verdict {
    const slot = this.#findLive(m);
    if (slot < 0) return this.#absent(m);
    this.slot = slot;
    return Verdict.EXECUTE;
  }

  /** Ends the session that a message names (session 0: whichever is live). */
  close(m: Message): Verdict {
    const slot = this.#findLive(m);
    if (slot < 0) return this.#absent(m);
    const row = this.rowOf(slot);
    if (m.sessionLow !== 0 || m.sessionHigh !== 0) {
      const apart = compareSession(this.#words, row, m);
      if (apart !== 0) return this.#wrongSession(apart);
    }
    if (this.isExecuting(slot)) return this.#error(ErrorCode.REQUEST_IN_FLIGHT);
    this.end(slot, Reason.CLOSED);
    this.reason = Reason.CLOSED;
    return Verdict.EVICTION;
  }

  /**
   * Evicts the session that committed longest ago, unless its commit is newer than `limitMs` (the
   * lowest bound of the other shards). Pinned sessions are passed over; there are never more of
   * them than `Header.EXECUTING` says, which bounds the walk. On `EVICTED` see `ended`. With
   * `onlyExpired` it must have expired too, which frees its place without evicting anybody.
   */
  evictOldest(limitMs: number, onlyExpired = false): Eviction {
    const oldest = this.#victims.oldest();
    if (oldest < 0) {
      this.#victims.publish(NOTHING_TO_EVICT);
      return Eviction.NONE;
    }
    const time = this.order.timeOf(oldest);
    const isExpired = this.#isExpired(oldest);
    if (time > limitMs || (onlyExpired && !isExpired)) {
      this.#victims.publish(time);
      return time > limitMs ? Eviction.NOT_OLDEST : Eviction.NOT_EXPIRED;
    }
    this.end(oldest, isExpired ? Reason.EXPIRED : Reason.EVICTED);
    const next = this.#victims.oldest();
    this.#victims.publish(next < 0 ? NOTHING_TO_EVICT : this.order.timeOf(next));
    return Eviction.EVICTED;
  }

  /** Ends a live session that is not executing; `ended` then says whom to tell. */
  end(slot: number, reason: Reason): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.LIVE) !== 0, 'only a live session ends');
    assert((flags & RowFlag.EXECUTING) === 0, 'a pinned session does not end');
    const ended = this.ended;
    ended.read(words, row, reason);
    const hash = this.hash(ended.id0, ended.id1, ended.id2, ended.id3);
    this.#memory.remember(hash, row, reason);
    // From here the session has ended, whatever happens to this thread.
    words[row + Row.FLAGS] = 0;
    this.index.remove(hash, slot);
    this.order.remove(slot);
    this.pool.give(slot);
    this.ledger.give(1);
    // As in `register`: nothing lies between the two.
    words[Header.LIVE] -= 1;
    this.endings += 1;
    this.#count(Counter.ENDED + reason);
  }

  /** Finishes the commit that a dead runner left half applied; the rows are right after it. */
  redo(): void {
    this.#commits.redo();
  }

  isExecuting(slot: number): boolean {
    return (this.#words[this.rowOf(slot) + Row.FLAGS] & RowFlag.EXECUTING) !== 0;
  }

  /** Moves a session that has just committed to the newest end of the order. */
  #placed(slot: number): void {
    this.order.moveToNewest(slot);
    this.#victims.lowerToCommit();
  }

  /** The slot of the live session of a message's id, or −1; an expired one ends here. */
  #findLive(m: Message): number {
    const slot = this.index.find(m.hash, m.id0, m.id1, m.id2, m.id3);
    if (slot >= 0 && this.#isExpired(slot)) {
      this.end(slot, Reason.EXPIRED);
      return -1;
    }
    return slot;
  }

  #isExpired(slot: number): boolean {
    const row = this.rowOf(slot);
    return (
      (this.#words[row + Row.FLAGS] & (RowFlag.NEVER | RowFlag.EXECUTING)) === 0 &&
      this.now[0] > this.#floats[(row + Row.DEADLINE) >> 1]
    );
  }

  #wrongSession(apart: number): Verdict {
    if (apart > 0) return this.#error(ErrorCode.SESSION_TOO_HIGH);
    this.reason = Reason.SESSION_TOO_LOW;
    return Verdict.EVICTION;
  }

  #absent(m: Message): Verdict {
    this.reason = this.#memory.recall(m);
    return Verdict.EVICTION;
  }

  #error(code: ErrorCode): Verdict {
    this.errorCode = code;
    this.#count(Counter.ERRORS);
    return Verdict.ERROR;
  }

  #setRoute(row: number, m: Message): void {
    const words = this.#words;
    words[row + Row.TOKEN] = m.token;
    words[row + Row.FLAGS] =
      (words[row + Row.FLAGS] & ~(RowByte.MASK << RowByte.FRONT_END)) |
      (m.frontEnd << RowByte.FRONT_END);
  }

  #count(counter: number): void {
    this.#floats[Header.COUNTERS / 2 + counter] += 1;
  }
}
