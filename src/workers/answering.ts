/**
 * The answers of one shard: each is filled into the same object and given to the outbox. Whoever
 * was told that sessions ended is not told again.
 */
import { clientIdText } from '../core/client-id.ts';
import { ErrorCode, REASON_NAMES, Reason, Status } from '../core/codes.ts';
import { Counter, Header, Row, RowByte, RowFlag } from '../core/layout.ts';
import type { Message } from '../core/message.ts';
import { sessionNumber } from '../core/session-number.ts';
import type { SessionTable } from '../core/session-table.ts';
import { failureText } from '../services/context.ts';
import type { CheckedService } from '../services/service.ts';
import { Answer, AnswerKind, Grant, NO_SESSION_OF_THEIRS, type Outbox } from './answer.ts';

export class Answering {
  readonly #answer = new Answer();
  readonly #grant = new Int32Array(Grant.WORDS);
  readonly #table: SessionTable;
  readonly #checked: CheckedService;
  readonly #outbox: Outbox;
  /** Sessions whose end was told. */
  #endings = 0;

  constructor(table: SessionTable, checked: CheckedService, outbox: Outbox) {
    this.#table = table;
    this.#checked = checked;
    this.#outbox = outbox;
  }

  /** Whether a session ended since the last one that was told. */
  get hasEnded(): boolean {
    return this.#table.endings !== this.#endings;
  }

  /**
   * The session in a slot, and what it was granted.
   *
   * @param commitsBefore with a register that a dead runner had begun: how many commits the shard
   *     had made before it; otherwise −1
   */
  registered(m: Message, slot: number, resumed: boolean, commitsBefore: number): void {
    const { words } = this.#table.arena;
    const row = this.#table.rowOf(slot);
    const a = this.#to(m, AnswerKind.REGISTERED);
    a.sessionLow = words[row + Row.SESSION_LOW];
    a.sessionHigh = words[row + Row.SESSION_HIGH];
    a.request = words[row + Row.REQUEST];
    // What a dead runner admitted is new to whoever asked, and bound to their connection.
    const session = sessionNumber(a.sessionLow, a.sessionHigh);
    a.again = resumed && !(commitsBefore >= 0 && session > commitsBefore);
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
    a.position = this.#positionOf(slot);
    if (!resumed && this.#checked.service.opened !== undefined) this.#hook(a, Reason.NO_SESSION);
    this.#outbox.emit(a);
  }

  /** A step of a sweep is done; whether there are more sessions to end. */
  swept(m: Message, hasMore: boolean): void {
    const a = this.#to(m, AnswerKind.RESULT);
    a.code = Status.OK;
    a.again = hasMore;
    a.position = this.#endPosition;
    this.#outbox.emit(a);
  }

  /**
   * Pushes the end of sessions that this step ended to the connection each last spoke on, unless
   * that is the one being answered now.
   */
  tellEnded(frontEnd: number, token: number): void {
    if (this.#table.endings === this.#endings) return;
    this.#endings = this.#table.endings;
    const ended = this.#table.ended;
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
    a.position = this.#endPosition;
    if (this.#checked.service.ended !== undefined) this.#hook(a, ended.reason);
    if (ended.token === 0 || (ended.frontEnd === frontEnd && ended.token === token)) return;
    this.#outbox.emit(a);
  }

  /** @param value 1 when this very message ended the session, which its reason does not tell */
  eviction(m: Message, value = 0): void {
    const { reason, ended } = this.#table;
    // A message of an older session may find the live one expired: then this tells nothing of it.
    const isNamed = m.sessionLow === ended.sessionLow && m.sessionHigh === ended.sessionHigh;
    this.tellEnded(m.frontEnd, isNamed ? m.token : 0);
    const a = this.#to(m, AnswerKind.EVICTION);
    a.value = value;
    a.sessionLow = m.sessionLow;
    a.sessionHigh = m.sessionHigh;
    a.code = reason;
    a.position = this.#endPosition;
    this.#outbox.emit(a);
  }

  /** Refuses a message for a reason that the table does not know of, and has not counted. */
  deny(m: Message, code: ErrorCode): void {
    this.#table.arena.floats[Header.COUNTERS / 2 + Counter.ERRORS + code] += 1;
    this.refuse(m, code);
  }

  /** Refuses a message with the error that the table found: nothing was executed. */
  refused(m: Message): void {
    const { errorCode, retryAfterMs } = this.#table;
    // A stranger's message may find the session expired: its client is told of that, they are not.
    this.tellEnded(0, 0);
    const a = this.#to(m, AnswerKind.ERROR);
    a.code = errorCode;
    if (errorCode === ErrorCode.RATE_LIMITED) a.value = retryAfterMs;
    if (errorCode === ErrorCode.FORBIDDEN) {
      a.value = NO_SESSION_OF_THEIRS;
      a.position = this.#endPosition;
    }
    this.#outbox.emit(a);
  }

  /** Refuses a message with an error of others: nothing was executed. */
  refuse(m: Message, code: ErrorCode): void {
    const a = this.#to(m, AnswerKind.ERROR);
    a.code = code;
    // Only that a session has ended could be undone by a crash.
    const isEnd = code === ErrorCode.NO_SESSION || code === ErrorCode.EXPIRED;
    if (isEnd) a.position = this.#endPosition;
    this.#outbox.emit(a);
  }

  /** The stored reply of a slot. */
  stored(m: Message, slot: number, again: boolean): void {
    const { arena } = this.#table;
    const row = this.#table.rowOf(slot);
    const a = this.#to(m, AnswerKind.REPLY);
    a.sessionLow = m.sessionLow;
    a.sessionHigh = m.sessionHigh;
    a.again = again;
    a.code = (arena.words[row + Row.FLAGS] >>> RowByte.STATUS) & RowByte.MASK;
    a.bodyWords = arena.words;
    a.bodyBytes = arena.bytes;
    a.bodyWord = arena.replyAt(slot);
    a.bodyLength = arena.words[row + Row.REPLY_LENGTH];
    a.position = this.#positionOf(slot);
    this.#outbox.emit(a);
  }

  /** Sends the stored reply to whoever asked last while the request executed. */
  storedToAsker(m: Message, slot: number): void {
    const { words } = this.#table.arena;
    const row = this.#table.rowOf(slot);
    m.token = words[row + Row.TOKEN];
    m.frontEnd = (words[row + Row.FLAGS] >>> RowByte.FRONT_END) & RowByte.MASK;
    this.stored(m, slot, false);
  }

  /** Answers a call on the session in a slot (−1: one that has ended), from the staged reply. */
  staged(m: Message, slot: number, status: number, length: number): void {
    const { arena } = this.#table;
    const a = this.#to(m, AnswerKind.RESULT);
    a.code = status;
    a.bodyWords = arena.words;
    a.bodyBytes = arena.bytes;
    a.bodyWord = arena.regions.stagedReply;
    a.bodyLength = length;
    a.position = this.#positionOf(slot);
    this.#outbox.emit(a);
  }

  #positionOf(slot: number): number {
    const { log } = this.#table;
    if (log === undefined) return 0;
    return slot < 0 ? log.buffer.position : log.positionOf(slot);
  }

  get #endPosition(): number {
    const { log } = this.#table;
    return log === undefined ? 0 : log.buffer.endPosition;
  }

  /** An answer that waits for nothing, unless its position is set. */
  #to(m: Message, kind: AnswerKind): Answer {
    const a = this.#answer;
    const { log } = this.#table;
    if (log !== undefined) a.position = log.buffer.durablePosition;
    a.kind = kind;
    a.of = m.kind;
    a.frontEnd = m.frontEnd;
    a.token = m.token;
    a.id0 = m.id0;
    a.id1 = m.id1;
    a.id2 = m.id2;
    a.id3 = m.id3;
    a.request = m.request;
    a.arrivedUs = m.arrivedUs;
    a.again = false;
    a.value = 0;
    a.bodyLength = 0;
    return a;
  }

  /** Calls `ended`, or `opened` for a reason of none. A hook that throws harms nobody else. */
  #hook(a: Answer, reason: Reason): void {
    const session = sessionNumber(a.sessionLow, a.sessionHigh);
    const identity = { id: clientIdText(a.id0, a.id1, a.id2, a.id3), session };
    const { service } = this.#checked;
    try {
      const result: unknown =
        reason === Reason.NO_SESSION
          ? service.opened?.(identity)
          : service.ended?.(identity, REASON_NAMES[reason]);
      Promise.resolve(result).catch(this.#checked.hookFailed ?? warn);
    } catch (error) {
      (this.#checked.hookFailed ?? warn)(error);
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(failureText(error));
}
