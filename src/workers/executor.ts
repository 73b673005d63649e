/**
 * Executes messages on one shard: the state machine, the service, the answer. Whoever holds the
 * shard's owner word runs it, so the same code serves worker, front end and embedding thread.
 */

import { checksumMessage } from '../core/checksum.ts';
import { Admission, ErrorCode, Eviction, Reason, Status, Verdict } from '../core/codes.ts';
import { Header, Row } from '../core/layout.ts';
import { TTL_NEVER } from '../core/limits.ts';
import {
  CloseFlag,
  EvictFlag,
  Kind,
  type Message,
  RegisterFlag,
  SweepFlag,
} from '../core/message.ts';
import { sessionNumber } from '../core/session-number.ts';
import type { SessionTable } from '../core/session-table.ts';
import type { ServiceContext } from '../services/context.ts';
import type { CheckedService, Operation } from '../services/service.ts';
import type { Outbox } from './answer.ts';
import { Answering } from './answering.ts';
import { Ran } from './dispatch.ts';
import type { Execution, Executions } from './executions.ts';
import { SWEEP_BATCH_MAX, WALL_CLOCK_MS } from './limits.ts';
import type { ShardMeter } from './shard-meter.ts';

export class Executor {
  readonly answers: Answering;
  readonly #checked: CheckedService;
  /** What the next request executes in; a promise takes it away. */
  #current: Execution;
  /** What makes a time of the engine's clock one since the Unix epoch. */
  #wallOffsetMs = 0;
  #wallUntilMs = 0;

  constructor(
    readonly table: SessionTable,
    checked: CheckedService,
    readonly outbox: Outbox,
    readonly executions: Executions,
    readonly meter: ShardMeter,
  ) {
    this.#checked = checked;
    this.answers = new Answering(table, checked, outbox);
    this.#current = executions.take();
  }

  /**
   * @param commitsBefore with a message that a dead runner had begun: how many commits the shard
   *     had made before it
   */
  run(m: Message, commitsBefore = -1): Ran {
    switch (m.kind) {
      case Kind.REQUEST:
        this.#request(m);
        return Ran.DONE;
      case Kind.CALL:
        this.#call(m);
        return Ran.DONE;
      case Kind.REGISTER:
        return this.#register(m, commitsBefore);
      case Kind.CLOSE:
        this.#close(m);
        return Ran.DONE;
      case Kind.SWEEP:
        this.#sweepNow(m);
        return Ran.DONE;
      case Kind.EVICT:
        return this.#evict(m);
    }
  }

  #register(m: Message, commitsBefore: number): Ran {
    const table = this.table;
    if ((m.flags & RegisterFlag.DATA) !== 0) {
      const isAllowed = this.#checked.service.initialData === true;
      if (!isAllowed || m.bodyLength > table.arena.dataBytesMax) {
        this.answers.deny(m, ErrorCode.INVALID_OPTIONS);
        return Ran.DONE;
      }
    }
    const admission = table.register(m);
    this.answers.tellEnded(0, 0);
    if (admission === Admission.NO_ROOM) return Ran.NO_ROOM;
    if (admission === Admission.FORBIDDEN) {
      this.answers.deny(m, ErrorCode.FORBIDDEN);
      return Ran.DONE;
    }
    if (admission === Admission.SHARD_FULL || admission === Admission.NO_STORAGE) {
      const isFull = admission === Admission.SHARD_FULL;
      this.answers.deny(m, isFull ? ErrorCode.SERVER_BUSY : ErrorCode.STORAGE_FAILED);
      return Ran.DONE;
    }
    this.answers.registered(m, table.slot, admission === Admission.RESUMED, commitsBefore);
    return Ran.DONE;
  }

  #request(m: Message): void {
    const table = this.table;
    checksumMessage(m);
    const operation = this.#checked.byNumber[m.operation];
    m.cost = operation?.cost ?? 1;
    const verdict = table.begin(m);
    if (verdict === Verdict.EXECUTE) {
      const problem = this.#problemOf(operation, m, table.slot);
      if (operation !== undefined && problem < 0) {
        this.#execute(m, table.slot, operation);
        return;
      }
      table.abort(table.slot);
      this.answers.deny(m, problem);
      return;
    }
    if (verdict === Verdict.REPLAY) this.answers.stored(m, table.slot, true);
    else if (verdict === Verdict.EVICTION) this.answers.eviction(m);
    else if (verdict === Verdict.ERROR) this.answers.refused(m);
  }

  /** Why an operation cannot run on a live session now: an error's code, or −1. */
  #problemOf(operation: Operation | undefined, m: Message, slot: number): number {
    if (operation === undefined) return ErrorCode.UNKNOWN_OPERATION;
    const needed = this.#checked.needs[m.operation];
    const granted = this.table.arena.words[this.table.rowOf(slot) + Row.CAPABILITIES];
    if ((granted & needed) !== needed) return ErrorCode.FORBIDDEN;
    return this.executions.hasRoom() ? -1 : ErrorCode.SERVER_BUSY;
  }

  #call(m: Message): void {
    const table = this.table;
    const operation = this.#checked.byNumber[m.operation];
    m.cost = operation?.cost ?? 1;
    const verdict = table.beginCall(m);
    if (verdict === Verdict.ERROR) return this.answers.refused(m);
    if (verdict === Verdict.EVICTION) {
      this.answers.tellEnded(m.frontEnd, m.token);
      const expired = table.reason === Reason.EXPIRED;
      this.answers.deny(m, expired ? ErrorCode.EXPIRED : ErrorCode.NO_SESSION);
      return;
    }
    const problem = this.#problemOf(operation, m, table.slot);
    if (operation === undefined || problem >= 0) return this.answers.deny(m, problem);
    if (operation.unsequenced !== true) return this.answers.deny(m, ErrorCode.FORBIDDEN);
    if (operation.readOnly !== true && table.log?.isWritable === false) {
      return this.answers.deny(m, ErrorCode.STORAGE_FAILED);
    }
    if (table.isExecuting(table.slot) && operation.readOnly !== true) {
      return this.answers.deny(m, ErrorCode.REQUEST_IN_FLIGHT);
    }
    this.#execute(m, table.slot, operation);
  }

  #execute(m: Message, slot: number, operation: Operation): void {
    if (this.meter.began(m.operation, this.table.now)) this.#executeTimed(m, slot, operation);
    else this.#operate(m, slot, operation);
  }

  /** One of many: apart, so that the usual case stays short. */
  #executeTimed(m: Message, slot: number, operation: Operation): void {
    const startedMs = performance.now();
    const isDone = this.#operate(m, slot, operation);
    if (isDone) this.meter.took(m.operation, (performance.now() - startedMs) * 1e3);
  }

  /** False when the operation returned a promise, which is answered later. */
  #operate(m: Message, slot: number, operation: Operation): boolean {
    const context = this.#current.context;
    this.#open(context, m, slot);
    let result: Promise<void> | undefined;
    try {
      result = operation.execute(context) as Promise<void> | undefined;
    } catch (error) {
      context.fail(error);
    }
    if (result !== undefined) {
      this.#suspend(m, slot, result);
      return false;
    }
    this.checkWrites(m, context);
    this.#conclude(m, slot, context);
    // An operation may have kept its context; where nothing forbids that, it is not used again.
    if (!this.#checked.portable) this.#current = this.executions.renew(this.#current);
    return true;
  }

  /** Commits what a synchronous operation did, and answers. */
  #conclude(m: Message, slot: number, context: ServiceContext): void {
    this.table.pay(slot, m);
    context.seal();
    const { reply, newData } = context;
    const dataLength = newData.written ? newData.length : -1;
    const status = context.sealedStatus;
    const touches = this.#touches(m);
    const ttl = context.newTtlMs;
    if (status === Status.FAILED) this.meter.failed(m.operation);
    if (m.kind === Kind.REQUEST) {
      this.table.commit(slot, status, reply.length, dataLength, touches, ttl);
      this.answers.stored(m, slot, false);
    } else {
      this.table.commitCall(slot, status, reply.length, dataLength, touches, ttl);
      this.answers.staged(m, slot, context.sealedStatus, reply.length);
    }
  }

  #touches(m: Message): boolean {
    return this.#checked.byNumber[m.operation]?.touches !== false;
  }

  #open(context: ServiceContext, m: Message, slot: number): void {
    const { arena } = this.table;
    const row = this.table.rowOf(slot);
    context.body.words = m.bodyWords;
    context.body.bytes = m.bodyBytes;
    context.body.word = m.bodyWord;
    context.body.length = m.bodyLength;
    context.data.words = arena.words;
    context.data.bytes = arena.bytes;
    context.data.word = arena.dataAt(slot);
    context.data.length = arena.words[row + Row.DATA_LENGTH];
    const { words, bytes, regions } = arena;
    context.reply.aim(words, bytes, regions.stagedReply, arena.replyBytesMax);
    context.newData.aim(words, bytes, regions.stagedData, arena.dataBytesMax);
    context.dataVersion = arena.floats[(row + Row.VERSION) >> 1];
    context.nowMs = this.table.now[0];
    const ttl = arena.words[row + Row.TTL_MS] >>> 0;
    const deadline = arena.floats[(row + Row.DEADLINE) >> 1];
    context.ttlMs = ttl;
    context.activeMs = ttl === TTL_NEVER ? deadline : deadline - ttl;
    context.createdMs = arena.floats[(row + Row.CREATED) >> 1];
    if (context.nowMs >= this.#wallUntilMs) this.#readWall();
    context.wallOffsetMs = this.#wallOffsetMs;
    context.lastRequest = arena.words[row + Row.REQUEST] >>> 0;
    context.capabilities = arena.words[row + Row.CAPABILITIES];
    context.capabilityNames = this.#checked.capabilities;
    context.sequenced = m.kind === Kind.REQUEST;
    context.request = context.sequenced ? m.request >>> 0 : 0;
    context.session = sessionNumber(words[row + Row.SESSION_LOW], words[row + Row.SESSION_HIGH]);
    context.id0 = m.id0;
    context.id1 = m.id1;
    context.id2 = m.id2;
    context.id3 = m.id3;
    context.open();
  }

  /** The operation returned a promise: the session stays pinned, the context stays with it. */
  #suspend(m: Message, slot: number, promise: Promise<void>): void {
    const execution = this.#current;
    this.#current = this.executions.take();
    const isCall = m.kind === Kind.CALL;
    if (!this.#checked.portable && !(isCall && this.table.isExecuting(slot))) {
      if (isCall) this.table.pin(slot, m);
      this.table.pay(slot, m);
      this.executions.start(execution, this, m, slot, promise);
      return;
    }
    if (this.#checked.portable) {
      execution.context.fail(PORTABLE_PROMISE);
      this.#conclude(m, slot, execution.context);
    } else {
      this.answers.deny(m, ErrorCode.REQUEST_IN_FLIGHT);
    }
    this.executions.abandon(execution, promise);
  }

  /** The wall clock may be set, so it is read anew now and then. */
  #readWall(): void {
    const now = this.table.now[0];
    this.#wallOffsetMs = Date.now() - now;
    this.#wallUntilMs = now + WALL_CLOCK_MS;
  }

  /** Fails an operation that writes although it is declared to only read. */
  checkWrites(m: Message, context: ServiceContext): void {
    if (!context.newData.written) return;
    if (this.#checked.byNumber[m.operation]?.readOnly === true) context.fail(READ_ONLY_WRITE);
  }

  /**
   * Commits what an asynchronous operation did; its reply and data are staged. The header notes
   * that an answer is owed, because no ring record stands for it if this thread dies here.
   *
   * @param startedMs when it began: a promise is worth its time, so each is timed
   */
  settle(m: Message, slot: number, context: ServiceContext, startedMs: number): void {
    const table = this.table;
    const { words, floats } = table.arena;
    const { length } = context.reply;
    const dataLength = context.newData.written ? context.newData.length : -1;
    floats[Header.OWED_COMMITS / 2] = this.commits;
    words[Header.OWED_CALL] = m.kind === Kind.CALL ? 1 : 0;
    words[Header.OWED_SLOT] = slot + 1;
    const status = context.sealedStatus;
    const touches = this.#touches(m);
    if (status === Status.FAILED) this.meter.failed(m.operation);
    this.meter.took(m.operation, Math.max(0, table.now[0] - startedMs) * 1e3);
    if (m.kind === Kind.REQUEST) {
      table.commit(slot, status, length, dataLength, touches, context.newTtlMs);
      this.answers.storedToAsker(m, slot);
    } else {
      table.abort(slot);
      table.commitCall(slot, status, length, dataLength, touches, context.newTtlMs);
      this.answers.staged(m, slot, status, length);
    }
    words[Header.OWED_SLOT] = 0;
    this.reap(slot);
  }

  /** Ends a session whose connection went while it executed, once its answer was given. */
  reap(slot: number): void {
    if (this.table.reap(slot)) this.answers.tellEnded(0, 0);
  }

  /**
   * Ends sessions that have expired and tells their clients, as far as a budget and the room for
   * answers go. Returns how many; whether there are more is what `table.wheel` says.
   */
  sweep(budget: number): number {
    const { table } = this;
    // While nothing can be logged, the expired stay where they are; nobody finds them.
    if (table.log?.isWritable === false) return 0;
    table.wheel.advance();
    let ended = 0;
    for (let looks = 0; looks < budget && table.wheel.next() >= 0; looks++) {
      if (!this.outbox.hasRoom(this.executions.owed)) break;
      // One that was touched meanwhile is only filed again, and counts as a look too.
      if (!table.sweep(1)) continue;
      this.answers.tellEnded(0, 0);
      ended += 1;
    }
    return ended;
  }

  #sweepNow(m: Message): void {
    if (this.table.log?.isWritable === false) {
      return this.answers.deny(m, ErrorCode.STORAGE_FAILED);
    }
    if ((m.flags & SweepFlag.FIRST) !== 0) this.table.wheel.advanceToNow();
    this.sweep(SWEEP_BATCH_MAX);
    this.answers.swept(m, this.table.wheel.next() >= 0);
  }

  #close(m: Message): void {
    const isOrphan = (m.flags & CloseFlag.DISCONNECTED) !== 0;
    if (!isOrphan && this.table.log?.isWritable === false) {
      return this.answers.deny(m, ErrorCode.STORAGE_FAILED);
    }
    const verdict = this.table.close(m);
    if (isOrphan) return this.answers.tellEnded(m.frontEnd, m.token);
    if (verdict === Verdict.ERROR) return this.answers.refused(m);
    const isEnded = this.answers.hasEnded;
    if (isEnded) {
      // Session 0 closes whichever is live; the answer says which that was.
      m.sessionLow = this.table.ended.sessionLow;
      m.sessionHigh = this.table.ended.sessionHigh;
    }
    this.answers.eviction(m, isEnded ? 1 : 0);
  }

  #evict(m: Message): Ran {
    const { ledger } = this.table;
    // A place has become free while this waited in the ring: nobody needs to go.
    if (ledger.sessions() < ledger.sessionsMax) return Ran.EVICTED;
    const onlyExpired = (m.flags & EvictFlag.EXPIRED) !== 0;
    // As in `sweep`: the place of one that has expired would not come before the log is written.
    if (onlyExpired && ledger.defers && this.table.log?.isWritable === false) {
      return Ran.NOT_EXPIRED;
    }
    const found = this.table.evictOldest(m.limitMs, onlyExpired);
    if (found === Eviction.NONE) return Ran.NOTHING_TO_EVICT;
    if (found === Eviction.NOT_OLDEST) return Ran.NOT_OLDEST;
    if (found === Eviction.NOT_EXPIRED) return Ran.NOT_EXPIRED;
    this.answers.tellEnded(0, 0);
    return Ran.EVICTED;
  }

  /** How many commits the shard has made: tells a successor whether a record took effect. */
  get commits(): number {
    return this.table.arena.floats[Header.COMMITS / 2];
  }
}

const PORTABLE_PROMISE = new Error('an operation of a portable service must not return a promise');

const READ_ONLY_WRITE = new Error('the operation writes although it is declared to only read');
