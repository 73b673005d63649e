/**
 * Executes messages on one shard: the state machine, the service, the answer. Whoever holds the
 * shard's owner word runs it, so the same code serves worker, front end and embedding thread.
 */

import { checksumMessage } from '../core/checksum.ts';
import { clientIdText } from '../core/client-id.ts';
import {
  Admission,
  ErrorCode,
  Eviction,
  REASON_NAMES,
  Reason,
  Status,
  Verdict,
} from '../core/codes.ts';
import { Counter, Header, Row, RowByte, RowFlag } from '../core/layout.ts';
import { TTL_NEVER } from '../core/limits.ts';
import {
  CloseFlag,
  EvictFlag,
  Kind,
  type Message,
  RegisterFlag,
  SweepFlag,
} from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';
import { failureText, type ServiceContext } from '../services/context.ts';
import type { CheckedService, Operation } from '../services/service.ts';
import { Answer, AnswerKind, Grant, type Outbox } from './answer.ts';
import { Ran } from './dispatch.ts';
import type { Execution, Executions } from './executions.ts';
import { SWEEP_BATCH_MAX } from './limits.ts';

export class Executor {
  readonly #answer = new Answer();
  readonly #grant = new Int32Array(Grant.WORDS);
  readonly #checked: CheckedService;
  /** What the next request executes in; a promise takes it away. */
  #current: Execution;
  #endings = 0;
  /** What makes a time of the engine's clock one since the Unix epoch. */
  #wallOffsetMs: number;

  constructor(
    readonly table: SessionTable,
    checked: CheckedService,
    readonly outbox: Outbox,
    readonly executions: Executions,
  ) {
    this.#checked = checked;
    this.#current = executions.take();
    this.#wallOffsetMs = Date.now() - table.now[0];
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
        this.#deny(m, ErrorCode.INVALID_OPTIONS);
        return Ran.DONE;
      }
    }
    const admission = table.register(m);
    this.tellEnded(0, 0);
    if (admission === Admission.NO_ROOM) return Ran.NO_ROOM;
    if (admission === Admission.SHARD_FULL) {
      this.#deny(m, ErrorCode.SERVER_BUSY);
      return Ran.DONE;
    }
    const row = table.rowOf(table.slot);
    const words = table.arena.words;
    const a = this.#answerTo(m, AnswerKind.REGISTERED);
    a.sessionLow = words[row + Row.SESSION_LOW];
    a.sessionHigh = words[row + Row.SESSION_HIGH];
    a.request = words[row + Row.REQUEST];
    // What a dead runner admitted is new to whoever asked, and bound to their connection.
    const session = (a.sessionHigh >>> 0) * 0x100000000 + (a.sessionLow >>> 0);
    const isRepeated = commitsBefore >= 0 && session > commitsBefore;
    a.again = admission === Admission.RESUMED && !isRepeated;
    a.code = m.request;
    a.value = !a.again && (words[row + Row.FLAGS] & RowFlag.CONNECTION) !== 0 ? 1 : 0;
    const grant = this.#grant;
    grant[Grant.TTL_MS] = words[row + Row.TTL_MS];
    grant[Grant.RATE_PER_SECOND] = words[row + Row.RATE_PER_SECOND];
    grant[Grant.RATE_BURST] = words[row + Row.RATE_BURST];
    grant[Grant.CAPABILITIES] = words[row + Row.CAPABILITIES];
    a.bodyWords = grant;
    a.bodyWord = 0;
    a.bodyLength = Grant.WORDS * 4;
    const { opened } = this.#checked.service;
    if (admission === Admission.ADMITTED && opened !== undefined) this.#hook(a, Reason.NO_SESSION);
    this.outbox.emit(a);
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
      this.#deny(m, problem);
      return;
    }
    if (verdict === Verdict.REPLAY) this.#emitStored(m, table.slot, true);
    else if (verdict === Verdict.EVICTION) this.#emitEviction(m);
    else if (verdict === Verdict.ERROR) this.refuse(m, table.errorCode);
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
    if (verdict === Verdict.ERROR) return this.refuse(m, table.errorCode);
    if (verdict === Verdict.EVICTION) {
      this.tellEnded(m.frontEnd, m.token);
      const expired = table.reason === Reason.EXPIRED;
      this.#deny(m, expired ? ErrorCode.EXPIRED : ErrorCode.NO_SESSION);
      return;
    }
    const problem = this.#problemOf(operation, m, table.slot);
    if (operation === undefined || problem >= 0) return this.#deny(m, problem);
    if (operation.unsequenced !== true) return this.#deny(m, ErrorCode.FORBIDDEN);
    if (table.isExecuting(table.slot) && operation.readOnly !== true) {
      return this.#deny(m, ErrorCode.REQUEST_IN_FLIGHT);
    }
    this.#execute(m, table.slot, operation);
  }

  #execute(m: Message, slot: number, operation: Operation): void {
    const context = this.#current.context;
    this.#open(context, m, slot);
    let result: Promise<void> | undefined;
    try {
      result = operation.execute(context) as Promise<void> | undefined;
    } catch (error) {
      context.fail(error);
    }
    if (result !== undefined) return this.#suspend(m, slot, result);
    this.checkWrites(m, context);
    this.#conclude(m, slot, context);
    // An operation may have kept its context; where nothing forbids that, it is not used again.
    if (!this.#checked.portable) this.#current = this.executions.renew(this.#current);
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
    if (m.kind === Kind.REQUEST) {
      this.table.commit(slot, status, reply.length, dataLength, touches, ttl);
      this.#emitStored(m, slot, false);
    } else {
      this.table.commitCall(slot, status, reply.length, dataLength, touches, ttl);
      this.answerStaged(m, context.sealedStatus, reply.length);
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
    context.wallOffsetMs = this.#wallOffsetMs;
    context.lastRequest = arena.words[row + Row.REQUEST] >>> 0;
    context.capabilities = arena.words[row + Row.CAPABILITIES];
    context.capabilityNames = this.#checked.capabilities;
    context.sequenced = m.kind === Kind.REQUEST;
    context.request = context.sequenced ? m.request >>> 0 : 0;
    context.session =
      (arena.words[row + Row.SESSION_HIGH] >>> 0) * 0x100000000 +
      (arena.words[row + Row.SESSION_LOW] >>> 0);
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
      this.#deny(m, ErrorCode.REQUEST_IN_FLIGHT);
    }
    this.executions.abandon(execution, promise);
  }

  /** Fails an operation that writes although it is declared to only read. */
  checkWrites(m: Message, context: ServiceContext): void {
    if (!context.newData.written) return;
    if (this.#checked.byNumber[m.operation]?.readOnly === true) context.fail(READ_ONLY_WRITE);
  }

  /**
   * Commits what an asynchronous operation did; its reply and data are staged. The header notes
   * that an answer is owed, because no ring record stands for it if this thread dies here.
   */
  settle(m: Message, slot: number, context: ServiceContext): void {
    const table = this.table;
    const { words, floats } = table.arena;
    const { length } = context.reply;
    const dataLength = context.newData.written ? context.newData.length : -1;
    floats[Header.OWED_COMMITS / 2] = this.commits;
    words[Header.OWED_CALL] = m.kind === Kind.CALL ? 1 : 0;
    words[Header.OWED_SLOT] = slot + 1;
    const status = context.sealedStatus;
    const touches = this.#touches(m);
    if (m.kind === Kind.REQUEST) {
      table.commit(slot, status, length, dataLength, touches, context.newTtlMs);
      this.answerStored(m, slot);
    } else {
      table.abort(slot);
      table.commitCall(slot, status, length, dataLength, touches, context.newTtlMs);
      this.answerStaged(m, status, length);
    }
    words[Header.OWED_SLOT] = 0;
    this.reap(slot);
  }

  /** Ends a session whose connection went while it executed, once its answer was given. */
  reap(slot: number): void {
    if (this.table.reap(slot)) this.tellEnded(0, 0);
  }

  /**
   * Ends sessions that have expired and tells their clients, as far as a budget and the room for
   * answers go. Returns how many; whether there are more is what `table.wheel` says.
   */
  sweep(budget: number): number {
    const { table } = this;
    this.#wallOffsetMs = Date.now() - table.now[0];
    table.wheel.advance();
    let ended = 0;
    while (ended < budget && this.outbox.hasRoom(this.executions.owed)) {
      if (!table.sweep(budget)) break;
      this.tellEnded(0, 0);
      ended += 1;
    }
    return ended;
  }

  #sweepNow(m: Message): void {
    if ((m.flags & SweepFlag.FIRST) !== 0) this.table.wheel.advanceToNow();
    this.sweep(SWEEP_BATCH_MAX);
    const a = this.#answerTo(m, AnswerKind.RESULT);
    a.code = Status.OK;
    a.again = this.table.wheel.next() >= 0;
    this.outbox.emit(a);
  }

  #close(m: Message): void {
    const verdict = this.table.close(m);
    if ((m.flags & CloseFlag.DISCONNECTED) !== 0) return this.tellEnded(m.frontEnd, m.token);
    if (verdict === Verdict.ERROR) return this.refuse(m, this.table.errorCode);
    const ends = this.table.endings !== this.#endings;
    if (ends) {
      // Session 0 closes whichever is live; the answer says which that was.
      m.sessionLow = this.table.ended.sessionLow;
      m.sessionHigh = this.table.ended.sessionHigh;
    }
    this.#emitEviction(m, ends);
  }

  #evict(m: Message): Ran {
    const { ledger } = this.table;
    // A place has become free while this waited in the ring: nobody needs to go.
    if (ledger.sessions() < ledger.sessionsMax) return Ran.EVICTED;
    const found = this.table.evictOldest(m.limitMs, (m.flags & EvictFlag.EXPIRED) !== 0);
    if (found === Eviction.NONE) return Ran.NOTHING_TO_EVICT;
    if (found === Eviction.NOT_OLDEST) return Ran.NOT_OLDEST;
    if (found === Eviction.NOT_EXPIRED) return Ran.NOT_EXPIRED;
    this.tellEnded(0, 0);
    return Ran.EVICTED;
  }

  /**
   * Pushes the end of sessions that this step ended to the connection each last spoke on, unless
   * that is the one being answered now.
   */
  tellEnded(frontEnd: number, token: number): void {
    if (this.table.endings === this.#endings) return;
    this.#endings = this.table.endings;
    const ended = this.table.ended;
    const a = this.#answer;
    a.kind = AnswerKind.EVICTION;
    a.of = 0;
    a.frontEnd = ended.frontEnd;
    a.token = ended.token;
    a.id0 = ended.id0;
    a.id1 = ended.id1;
    a.id2 = ended.id2;
    a.id3 = ended.id3;
    a.sessionLow = ended.sessionLow;
    a.sessionHigh = ended.sessionHigh;
    a.request = 0;
    a.code = ended.reason;
    a.bodyLength = 0;
    if (this.#checked.service.ended !== undefined) this.#hook(a, ended.reason);
    if (ended.token === 0 || (ended.frontEnd === frontEnd && ended.token === token)) return;
    this.outbox.emit(a);
  }

  /** @param ends whether the message itself ended the session, or it was gone before */
  #emitEviction(m: Message, ends = false): void {
    const reason = this.table.reason;
    this.tellEnded(m.frontEnd, m.token);
    const a = this.#answerTo(m, AnswerKind.EVICTION);
    a.sessionLow = m.sessionLow;
    a.sessionHigh = m.sessionHigh;
    a.code = reason;
    a.value = ends ? 1 : 0;
    this.outbox.emit(a);
  }

  /** Refuses a message for a reason that the table does not know of, and has not counted. */
  #deny(m: Message, code: ErrorCode): void {
    this.table.arena.floats[Header.COUNTERS / 2 + Counter.ERRORS] += 1;
    this.refuse(m, code);
  }

  /** Refuses a message with an error: nothing was executed. */
  refuse(m: Message, code: ErrorCode): void {
    const a = this.#answerTo(m, AnswerKind.ERROR);
    a.code = code;
    if (code === ErrorCode.RATE_LIMITED) a.value = this.table.retryAfterMs;
    this.outbox.emit(a);
  }

  #emitStored(m: Message, slot: number, again: boolean): void {
    const { arena } = this.table;
    const row = this.table.rowOf(slot);
    const a = this.#answerTo(m, AnswerKind.REPLY);
    a.sessionLow = m.sessionLow;
    a.sessionHigh = m.sessionHigh;
    a.again = again;
    a.code = (arena.words[row + Row.FLAGS] >>> RowByte.STATUS) & RowByte.MASK;
    a.bodyWords = arena.words;
    a.bodyBytes = arena.bytes;
    a.bodyWord = arena.replyAt(slot);
    a.bodyLength = arena.words[row + Row.REPLY_LENGTH];
    this.outbox.emit(a);
  }

  /** Sends the stored reply to whoever asked last while the request executed. */
  answerStored(m: Message, slot: number): void {
    const { words } = this.table.arena;
    const row = this.table.rowOf(slot);
    m.token = words[row + Row.TOKEN];
    m.frontEnd = (words[row + Row.FLAGS] >>> RowByte.FRONT_END) & RowByte.MASK;
    this.#emitStored(m, slot, false);
  }

  /** Answers a call, from the staged reply. */
  answerStaged(m: Message, status: number, length: number): void {
    const { arena } = this.table;
    const a = this.#answerTo(m, AnswerKind.RESULT);
    a.code = status;
    a.bodyWords = arena.words;
    a.bodyBytes = arena.bytes;
    a.bodyWord = arena.regions.stagedReply;
    a.bodyLength = length;
    this.outbox.emit(a);
  }

  #answerTo(m: Message, kind: AnswerKind): Answer {
    const a = this.#answer;
    a.kind = kind;
    a.of = m.kind;
    a.frontEnd = m.frontEnd;
    a.token = m.token;
    a.id0 = m.id0;
    a.id1 = m.id1;
    a.id2 = m.id2;
    a.id3 = m.id3;
    a.request = m.request;
    a.again = false;
    a.value = 0;
    a.bodyLength = 0;
    return a;
  }

  /** Calls `ended`, or `opened` for a reason of none. A hook that throws harms nobody else. */
  #hook(a: Answer, reason: Reason): void {
    const session = (a.sessionHigh >>> 0) * 0x100000000 + (a.sessionLow >>> 0);
    const identity = { id: clientIdText(a.id0, a.id1, a.id2, a.id3), session };
    const { service } = this.#checked;
    try {
      const result: unknown =
        reason === Reason.NO_SESSION
          ? service.opened?.(identity)
          : service.ended?.(identity, REASON_NAMES[reason]);
      Promise.resolve(result).catch(warn);
    } catch (error) {
      warn(error);
    }
  }

  /** How many commits the shard has made: tells a successor whether a record took effect. */
  get commits(): number {
    return this.table.arena.floats[Header.COMMITS / 2];
  }
}

const PORTABLE_PROMISE = new Error('an operation of a portable service must not return a promise');

const READ_ONLY_WRITE = new Error('the operation writes although it is declared to only read');

function warn(error: unknown): void {
  process.emitWarning(failureText(error));
}
