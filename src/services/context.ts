/**
 * What an operation sees of the request it executes. One object per thread, used again for every
 * synchronous request; an operation that returned a promise keeps its own until that settles, and
 * must not use it afterwards.
 */
import { assert } from '../core/assert.ts';
import { clientIdText } from '../core/client-id.ts';
import { STATUS_NAMES, Status, type StatusName } from '../core/codes.ts';
import { TTL_MS_MAX, TTL_NEVER } from '../core/limits.ts';
import type { SessionIdentity } from './service.ts';
import { ValueWriter } from './value-writer.ts';
import { decodeShared } from './values.ts';

const NO_MEMORY = new ArrayBuffer(0);

/** Bytes of one msgpack value, from a whole word of a memory seen two ways. */
class ValueView {
  words: Int32Array = new Int32Array(NO_MEMORY);
  bytes: Uint8Array = new Uint8Array(NO_MEMORY);
  word = 0;
  length = 0;

  /** The value's first byte, or −1 when there is none: enough to tell its type. */
  first(): number {
    return this.length === 0 ? -1 : this.bytes[this.word * 4];
  }

  /** Decodes the value; undefined when there is none. Allocates. */
  value(): unknown {
    if (this.length === 0) return undefined;
    return decodeShared(this.bytes, this.word * 4, this.length);
  }
}

/** A failed reply tells what was thrown, in at most so many characters. */
const FAILURE_CHARACTERS_MAX = 200;

/** Anything can be thrown, also what cannot be made a text. */
export function failureText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'something was thrown that has no text';
  }
}

export class ServiceContext implements SessionIdentity {
  /** The request's body; always present, nil at least. */
  readonly body = new ValueView();
  /** The session's data; empty until it is first written. */
  readonly data = new ValueView();
  /** The reply. Nil when the operation writes none. */
  readonly reply = new ValueWriter();
  /** The session's new data; unchanged when the operation writes none. */
  readonly newData = new ValueWriter();

  /** The reply's status; the operation may set it. */
  status: Status = Status.OK;
  /** How often the data was written before this request. */
  dataVersion = 0;
  /** Milliseconds on the engine's clock when execution began. */
  nowMs = 0;
  /** The session's register and last activity, on the same clock. */
  createdMs = 0;
  activeMs = 0;
  /** What to add to the engine's clock for milliseconds since the Unix epoch. */
  wallOffsetMs = 0;
  /** The session's idle time to live; `TTL_NEVER` = none. */
  ttlMs = 0;
  /** The engine's own: the TTL that the operation set; −1 = none. */
  newTtlMs = -1;
  /** The capabilities that the session was granted, a bit each. */
  capabilities = 0;
  /** The names of those bits. */
  capabilityNames: readonly string[] = [];
  sequenced = false;
  /** The request number; 0 for a call. */
  request = 0;
  /** The last request number that was committed on the session; 0 = none. */
  lastRequest = 0;
  session = 0;
  id0 = 0;
  id1 = 0;
  id2 = 0;
  id3 = 0;
  #open = false;
  #sealedStatus: Status = Status.OK;

  /** The client id, 32 hexadecimal digits. */
  get id(): string {
    return clientIdText(this.id0, this.id1, this.id2, this.id3);
  }

  /** Fails an operation's use of a context whose request was answered already. */
  checkOpen(): void {
    assert(this.#open, 'a context is not used after its request was answered');
  }

  /** The engine's own: begins the life of the context for one request. */
  open(): void {
    this.#open = true;
    this.status = Status.OK;
    this.newTtlMs = -1;
  }

  /**
   * The engine's own: ends it. Nothing can be written any more; a value over its limit has become
   * the status `too_large`, and a missing reply nil.
   */
  seal(): void {
    const { reply, newData } = this;
    if (reply.tooLarge || newData.tooLarge) {
      this.status = Status.TOO_LARGE;
      this.newTtlMs = -1;
      reply.clear();
      newData.clear();
    }
    if (reply.length === 0) reply.nil();
    if (newData.length === 0) newData.clear();
    reply.close();
    newData.close();
    const { status } = this;
    const isKnown = Number.isInteger(status) && status >= Status.OK && status <= Status.TOO_LARGE;
    this.#sealedStatus = isKnown ? status : Status.FAILED;
    this.#open = false;
  }

  /** The engine's own: the status at the time of sealing, whatever was set since. */
  get sealedStatus(): Status {
    return this.#sealedStatus;
  }

  /** The engine's own: turns what was thrown into a failed reply; data changes are dropped. */
  fail(error: unknown): void {
    this.newData.clear();
    this.newTtlMs = -1;
    this.status = Status.FAILED;
    this.reply.value(failureText(error).slice(0, FAILURE_CHARACTERS_MAX));
    // A reply limit below the text's length must not turn a failure into another status.
    if (this.reply.tooLarge) this.reply.clear();
  }

  /** Decodes the body. */
  bodyValue<T = unknown>(): T {
    this.checkOpen();
    return this.body.value() as T;
  }

  /** Decodes the session's data, or undefined when it was never written. */
  dataValue<T = unknown>(): T | undefined {
    this.checkOpen();
    return this.data.value() as T | undefined;
  }

  /** Replaces the session's data when the request commits. */
  setData(value: unknown): void {
    this.checkOpen();
    this.newData.value(value);
  }

  /**
   * Sets the session's idle time to live when the request commits.
   *
   * @param ttlMs a whole number of milliseconds, 1 to 2^32 − 2, or null for never
   */
  setTtl(ttlMs: number | null): void {
    this.checkOpen();
    const inRange =
      ttlMs === null || (Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= TTL_MS_MAX);
    assert(inRange, 'a TTL is a whole number of milliseconds from 1 to 2^32 - 2, or null');
    this.newTtlMs = ttlMs ?? TTL_NEVER;
  }

  /** Replies with a value, and a status other than ok if one is given. */
  replyWith(value: unknown, status: StatusName = 'ok'): void {
    this.checkOpen();
    const number = STATUS_NAMES.indexOf(status);
    assert(number >= 0, "a status is one of the protocol's");
    this.status = number;
    this.reply.value(value);
  }
}
