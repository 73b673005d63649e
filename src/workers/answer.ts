/**
 * What a shard says about a message, as plain numbers: one instance per thread, filled anew for
 * each answer. The front end turns it into a frame, or into the result of an embedded call.
 */
import type { Kind } from '../core/message.ts';

export const enum AnswerKind {
  REGISTERED = 1,
  REPLY = 2,
  RESULT = 3,
  EVICTION = 4,
  ERROR = 5,
  /** To a router: its register found no room; its eviction is done. `code` is a `Ran`. */
  ROUTER = 6,
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);

export class Answer {
  kind: AnswerKind = AnswerKind.REPLY;
  /** Where it goes. */
  frontEnd = 0;
  token = 0;
  /** The kind of message that it answers; 0 when nobody asked (an eviction that is pushed). */
  of: Kind | 0 = 0;
  id0 = 0;
  id1 = 0;
  id2 = 0;
  id3 = 0;
  sessionLow = 0;
  sessionHigh = 0;
  /** The request number, the correlation of a call, or a router's reference. */
  request = 0;
  /** A `Status`, an `ErrorCode`, a `Reason` or a `Ran`, by kind. */
  code = 0;
  /**
   * For `REGISTERED`: whether the session was live before. For a reply: whether it is a replay. For
   * a sweep: whether there are more to end.
   */
  again = false;
  /**
   * For `RATE_LIMITED`: after how many ms to retry, −1 = never. For `FORBIDDEN`: see
   * `NO_SESSION_OF_THEIRS`. For a close: 1 if the message itself ended the session. For
   * `REGISTERED`: 1 if it is new and ends with this connection.
   */
  value = 0;
  /**
   * The body: `bodyLength` bytes from word `bodyWord` of one memory seen two ways. For `REGISTERED`
   * it is what the session was granted, in words: see `Grant`.
   */
  bodyBytes: Uint8Array = NO_BYTES;
  bodyWords: Int32Array = NO_WORDS;
  bodyWord = 0;
  bodyLength = 0;
  /** The `arrivedUs` of the message that it answers. */
  arrivedUs = 0;
  /** The position of the shard's log that must be durable before this may be given. */
  position = 0;
}

/** The value of `FORBIDDEN` when whoever asks has no session of that id, whoever else may. */
export const NO_SESSION_OF_THEIRS = 1;

/** The words of a register's answer: the TTL (u32), the rate limit, and the capabilities. */
export const enum Grant {
  TTL_MS = 0,
  RATE_PER_SECOND = 1,
  RATE_BURST = 2,
  CAPABILITIES = 3,
  WORDS = 4,
}

/** Takes answers in the order in which they were given. */
export interface Outbox {
  emit(answer: Answer): void;
  /** Whether one more message may run while `owed` promises still owe an answer. */
  hasRoom(owed: number): boolean;
}
