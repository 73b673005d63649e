/**
 * The session table: the state machine of one shard over its arena.
 *
 * Every method is one atomic step for whoever holds the shard's owner word. A request is two
 * steps, `begin` and then `commit` or `abort`; between them the session is pinned. Nothing here
 * reads a clock: `now` is a cell that the caller sets, in milliseconds, before each message.
 *
 * Results that need more than a code are left in fields, so that nothing is allocated.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { Admission, ErrorCode, type Eviction, Reason, Verdict } from './codes.ts';
import { CommitOrder } from './commit-order.ts';
import { EndedMemory, type EndedSession, NOT_THEIRS } from './ended-memory.ts';
import { Endings } from './endings.ts';
import { hashId } from './hash.ts';
import { IndexTable } from './index-table.ts';
import { Counter, Header, ROW_SHIFT, Row, RowFlag } from './layout.ts';
import { type Ledger, NOTHING_TO_EVICT } from './ledger.ts';
import type { LogBuffer } from './log-buffer.ts';
import { EntryPart } from './log-entry.ts';
import { CloseFlag, type Message } from './message.ts';
import { speaksFor } from './principals.ts';
import { retryAfter, take } from './rate-limit.ts';
import { SessionLog } from './session-log.ts';
import { compareSession } from './session-number.ts';
import { admitRow } from './slot-admit.ts';
import { SlotCommit } from './slot-commit.ts';
import { pinRow, routeRow, unpinRow } from './slot-pin.ts';
import { SlotPool } from './slot-pool.ts';
import { TimerWheel } from './timer-wheel.ts';
import { Victims } from './victims.ts';

export class SessionTable {
  readonly index: IndexTable;
  readonly pool: SlotPool;
  readonly order: CommitOrder;
  readonly wheel: TimerWheel;
  /** What is told to the log; undefined when sessions are kept in memory only. */
  readonly log: SessionLog | undefined;
  readonly #memory: EndedMemory;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;
  readonly #commits: SlotCommit;
  readonly #victims: Victims;
  readonly #endings: Endings;

  /** The slot that the last successful step was about. */
  slot = -1;
  /** Why the last step answered `EVICTION`. */
  reason: Reason = Reason.NO_SESSION;
  /** Why the last step answered `ERROR`. */
  errorCode: ErrorCode = ErrorCode.SERVER_BUSY;
  /** With `RATE_LIMITED`: in how many milliseconds there is room; −1 = never. */
  retryAfterMs = 0;

  /**
   * @param now one Float64, milliseconds on the engine's clock, kept current by the caller
   * @param runner the number of the thread that executes through this view
   * @param buffer where steps are logged, if they are
   */
  constructor(
    readonly arena: Arena,
    readonly ledger: Ledger,
    readonly now: Float64Array,
    readonly runner: number,
    buffer?: LogBuffer,
  ) {
    this.index = new IndexTable(arena);
    this.pool = new SlotPool(arena);
    this.order = new CommitOrder(arena);
    this.wheel = new TimerWheel(arena, now);
    this.log = buffer === undefined ? undefined : new SessionLog(buffer, arena, now);
    this.#memory = new EndedMemory(arena);
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#rows = arena.regions.rows;
    this.#commits = new SlotCommit(arena, now);
    this.#victims = new Victims(arena, this.order, ledger);
    this.#endings = new Endings(this, this.#memory, this.#victims);
  }

  /** Makes a new arena an empty table. Once, before any other step. */
  start(): void {
    assert(this.#words[Header.STARTED] === 0, 'an arena is started once');
    this.order.clear();
    this.wheel.clear();
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
      if (!speaksFor(this.#words, row, m)) return Admission.FORBIDDEN;
      if ((this.#words[row + Row.FLAGS] & RowFlag.EXECUTING) === 0) routeRow(this.#words, row, m);
      this.#count(Counter.RESUMED);
      this.slot = live;
      return Admission.RESUMED;
    }
    if (this.log?.isWritable === false) return Admission.NO_STORAGE;
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
    const slot = this.pool.take();
    assert(slot >= 0, 'a slot is free when the pool said so');
    this.#commits.next();
    admitRow(this.arena, this.rowOf(slot), slot, m);
    this.index.insert(m.hash, slot);
    this.order.appendCommit(slot);
    this.#endings.file(slot);
    this.#victims.lowerToCommit();
    this.#count(Counter.REGISTERED);
    this.log?.admitted(slot);
    this.slot = slot;
  }

  /**
   * The first half of a sequenced request. On `EXECUTE` the session is pinned until `commit` or
   * `abort` of `slot`; on `REPLAY` the stored reply of `slot` answers it.
   */
  begin(m: Message): Verdict {
    const words = this.#words;
    const slot = this.#findTheirs(m);
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
      if (!this.#mayPay(row, m)) return this.#error(ErrorCode.RATE_LIMITED);
      if (this.log?.isWritable === false) return this.#error(ErrorCode.STORAGE_FAILED);
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
    pinRow(this.#words, this.rowOf(slot), m, this.runner);
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
    if (m.token !== 0) routeRow(words, row, m);
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
    if ((flags & RowFlag.EXECUTING) === 0) routeRow(words, row, m);
    this.#count(Counter.REPLAYS);
    return Verdict.REPLAY;
  }

  /**
   * The second half: stores the staged reply (and the staged data, when `dataLength` ≥ 0) and
   * consumes the request number. Both become visible in one step, also across the death of the
   * thread that takes it (see `redo`).
   *
   * @param touches whether the session's idle time begins anew
   * @param ttlMs its new TTL; −1 = as it was
   */
  commit(
    slot: number,
    status: number,
    replyLength: number,
    dataLength: number,
    touches = true,
    ttlMs = -1,
  ): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    assert((words[row + Row.FLAGS] & RowFlag.EXECUTING) !== 0, 'only what executes is committed');
    assert(replyLength <= this.arena.replyBytesMax, 'the reply is within its limit');
    this.#commits.request(slot, status, replyLength, dataLength, touches, ttlMs);
    if (ttlMs >= 0) this.#endings.file(slot);
    words[Header.EXECUTING] -= 1;
    this.#placed(slot);
    const parts = EntryPart.REPLY | (dataLength >= 0 ? EntryPart.DATA : 0);
    // A new TTL has another allowance: what the old one was given counts as time that passed.
    this.log?.committed(slot, parts, touches || ttlMs >= 0);
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
    touches = true,
    ttlMs = -1,
  ): void {
    const words = this.#words;
    const row = this.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.LIVE) !== 0, 'a call commits on a live session');
    assert(
      dataLength < 0 || (flags & RowFlag.EXECUTING) === 0,
      'a call writes nothing while a request executes',
    );
    const isNote = dataLength < 0 && ttlMs < 0;
    if (isNote) {
      this.#commits.note(slot, status, replyLength, touches);
    } else {
      this.#commits.call(slot, status, replyLength, dataLength, touches, ttlMs);
      if (ttlMs >= 0) this.#endings.file(slot);
    }
    this.#placed(slot);
    if (isNote) this.log?.noted(slot, touches);
    else this.log?.committed(slot, dataLength >= 0 ? EntryPart.DATA : 0, touches || ttlMs >= 0);
    this.#count(Counter.CALLS);
  }

  /** Undoes `begin`: the number is not consumed and the session is as it was. */
  abort(slot: number): void {
    unpinRow(this.#words, this.rowOf(slot));
    this.#victims.lower(this.order.timeOf(slot));
  }

  /** Finds the live session of a call: `EXECUTE` with `slot`, or `EVICTION` with `reason`. */
  beginCall(m: Message): Verdict {
    const slot = this.#findTheirs(m);
    if (slot < 0) return this.#absent(m);
    this.slot = slot;
    if (!this.#mayPay(this.rowOf(slot), m)) return this.#error(ErrorCode.RATE_LIMITED);
    return Verdict.EXECUTE;
  }

  /** Whether the session's rate limit has room for a message's cost; stores nothing. */
  #mayPay(row: number, m: Message): boolean {
    if ((this.#words[row + Row.FLAGS] & RowFlag.RATED) === 0) return true;
    this.retryAfterMs = retryAfter(this.#words, this.#floats, row, this.now, m.cost);
    return this.retryAfterMs === 0;
  }

  /** Takes the cost of a message that is about to execute from its session's rate limit. */
  pay(slot: number, m: Message): void {
    const row = this.rowOf(slot);
    if ((this.#words[row + Row.FLAGS] & RowFlag.RATED) === 0) return;
    take(this.#words, this.#floats, row, this.now, m.cost);
  }

  /**
   * Ends the session that a message names (session 0: whichever is live). One whose connection has
   * gone while it executes is doomed: it ends when that is over (`reap`), and `JOINED` says so.
   */
  close(m: Message): Verdict {
    const slot = this.#findTheirs(m);
    if (slot < 0) return this.#absent(m);
    const row = this.rowOf(slot);
    if (m.sessionLow !== 0 || m.sessionHigh !== 0) {
      const apart = compareSession(this.#words, row, m);
      if (apart !== 0) return this.#wrongSession(apart);
    }
    const isOrphan = (m.flags & CloseFlag.DISCONNECTED) !== 0;
    if (this.isExecuting(slot)) {
      if (!isOrphan) return this.#error(ErrorCode.REQUEST_IN_FLIGHT);
      this.#words[row + Row.FLAGS] |= RowFlag.DOOMED;
      return Verdict.JOINED;
    }
    const isRemoved = (m.flags & CloseFlag.REMOVED) !== 0;
    this.reason = isOrphan ? Reason.DISCONNECTED : isRemoved ? Reason.REMOVED : Reason.CLOSED;
    this.end(slot, this.reason);
    return Verdict.EVICTION;
  }

  /** The session that ended last, and how many this view has ended: any step may end one. */
  get ended(): EndedSession {
    return this.#endings.ended;
  }

  get endings(): number {
    return this.#endings.count;
  }

  /** See `Endings` for these four. */
  end(slot: number, reason: Reason): void {
    this.#endings.end(slot, reason);
  }

  evictOldest(limitMs: number, onlyExpired = false): Eviction {
    return this.#endings.evictOldest(limitMs, onlyExpired);
  }

  reap(slot: number): boolean {
    return this.#endings.reap(slot);
  }

  sweep(budget: number): boolean {
    return this.#endings.sweep(budget);
  }

  /** Finishes the commit that a dead runner left half applied; the rows are right after it. */
  redo(): void {
    this.#endings.redo();
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
    if (slot >= 0 && this.#endings.isExpired(slot)) {
      this.end(slot, Reason.EXPIRED);
      return -1;
    }
    return slot;
  }

  /** The same, if the message may speak for that session. */
  #findTheirs(m: Message): number {
    const slot = this.#findLive(m);
    return slot < 0 || speaksFor(this.#words, this.rowOf(slot), m) ? slot : -1;
  }

  #wrongSession(apart: number): Verdict {
    if (apart > 0) return this.#error(ErrorCode.SESSION_TOO_HIGH);
    this.reason = Reason.SESSION_TOO_LOW;
    return Verdict.EVICTION;
  }

  /** Strangers are told the same of a session that is gone as of one that is not theirs. */
  #absent(m: Message): Verdict {
    const reason = this.#memory.recall(m);
    if (reason === NOT_THEIRS) return this.#error(ErrorCode.FORBIDDEN);
    this.reason = reason;
    return Verdict.EVICTION;
  }

  #error(code: ErrorCode): Verdict {
    this.errorCode = code;
    this.#count(Counter.ERRORS + code);
    return Verdict.ERROR;
  }

  #count(counter: number): void {
    this.#floats[Header.COUNTERS / 2 + counter] += 1;
  }
}
