/**
 * Reads the frames of a client into messages. A frame that breaks the protocol leaves its problem
 * in the cursor; one that is well-formed but cannot be served leaves an error to answer with.
 */

import { ErrorCode } from '../core/codes.ts';
import { REQUEST_NUMBER_MAX, TTL_MS_MAX, TTL_NEVER } from '../core/limits.ts';
import { Kind, Message, RegisterFlag } from '../core/message.ts';
import { Cursor } from './cursor.ts';
import { OPTIONS_MAX, TEXT_BYTES_MAX } from './limits.ts';
import { ID_BYTES } from './protocol.ts';

/** Operation numbers are one byte, so this one is never found. */
const NO_SUCH_OPERATION = 0x100;

/** Options of the protocol that this version takes only when they ask for nothing. */
const RESERVED_OPTIONS = ['rate', 'scope', 'capabilities', 'data'];

/** Id, session, request and operation in their usual widths. */
const USUAL_HEAD_BYTES_MAX = 18 + 9 + 5 + 1;

/** A client's own text is quoted in errors no longer than this. */
const QUOTED_CHARACTERS_MAX = 64;

export const enum Read {
  OK = 0,
  /** The frame breaks the protocol: `cursor.problem` says how. Fatal. */
  MALFORMED = 1,
  /** The message is refused: `error` and `problem` say why. */
  REFUSED = 2,
}

export class MessageReader {
  readonly cursor = new Cursor();
  readonly message = new Message();
  error: ErrorCode = ErrorCode.SERVER_BUSY;
  /** The text of a refusal; undefined for the usual one of its code. */
  problem: string | undefined;
  details: Readonly<Record<string, number>> | undefined;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(readonly bodyBytesMax: number) {
    this.#words = new Int32Array((bodyBytesMax + 7) >>> 2);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.message.bodyWords = this.#words;
    this.message.bodyBytes = this.#bytes;
  }

  /** `[1, id, options]`, the kind consumed. */
  register(fields: number): Read {
    const m = this.#start(Kind.REGISTER, fields, 3);
    const c = this.cursor;
    this.#id();
    m.flags = 0;
    m.ttlMs = 0;
    m.sessionLow = 0;
    m.sessionHigh = 0;
    m.operation = 0;
    const options = c.mapLength();
    if (options > OPTIONS_MAX) c.fail('a register has at most 16 options');
    let read = Read.OK;
    for (let i = 0; i < options && c.problem === ''; i++) {
      if (this.#option(this.text()) === Read.REFUSED) read = Read.REFUSED;
    }
    return this.#end(read);
  }

  /** `[2, id, session, request, operation, body]`. */
  request(fields: number): Read {
    const m = this.#start(Kind.REQUEST, fields, 6);
    const c = this.cursor;
    if (this.#usualHead()) return this.#body();
    this.#id();
    c.uint();
    m.sessionLow = c.low;
    m.sessionHigh = c.high;
    c.uint();
    m.request = c.low;
    const exhausted = c.high !== 0;
    if (exhausted) m.request = REQUEST_NUMBER_MAX | 0;
    m.operation = this.#operation();
    const read = this.#body();
    if (read === Read.OK && exhausted) return this.#refuse(ErrorCode.REQUESTS_EXHAUSTED);
    return read;
  }

  /**
   * Reads the head of a request in one piece if it has the widths that nearly every client uses:
   * id, session of 9 bytes, request of 1 or 5, operation of 1. False, with nothing read, if not.
   */
  #usualHead(): boolean {
    const { bytes, view, at, end, problem } = this.cursor;
    if (end - at < USUAL_HEAD_BYTES_MAX || problem !== '') return false;
    const wide = bytes[at + 27] === 0xce;
    const operationAt = wide ? at + 32 : at + 28;
    if (bytes[at] !== 0xc4 || bytes[at + 1] !== ID_BYTES || bytes[at + 18] !== 0xcf) return false;
    if ((!wide && bytes[at + 27] > 0x7f) || bytes[operationAt] > 0x7f) return false;
    const m = this.message;
    m.id0 = view.getInt32(at + 2, true);
    m.id1 = view.getInt32(at + 6, true);
    m.id2 = view.getInt32(at + 10, true);
    m.id3 = view.getInt32(at + 14, true);
    m.sessionHigh = view.getInt32(at + 19);
    m.sessionLow = view.getInt32(at + 23);
    if ((m.id0 | m.id1 | m.id2 | m.id3) === 0 || m.sessionHigh >>> 0 > 0x1fffff) return false;
    m.request = wide ? view.getInt32(at + 28) : bytes[at + 27];
    m.operation = bytes[operationAt];
    this.cursor.at = operationAt + 1;
    return true;
  }

  /** `[3, id, session]`. */
  close(fields: number): Read {
    const m = this.#start(Kind.CLOSE, fields, 3);
    this.#id();
    this.cursor.uint();
    m.sessionLow = this.cursor.low;
    m.sessionHigh = this.cursor.high;
    return this.#end(Read.OK);
  }

  /** `[5, correlation, id or nil, operation, body]`. */
  call(fields: number): Read {
    const m = this.#start(Kind.CALL, fields, 5);
    const c = this.cursor;
    m.request = c.uint32();
    m.sessionLow = 0;
    m.sessionHigh = 0;
    if (c.nil()) {
      // Calls to the server itself have names; this version answers none.
      this.text();
      m.id0 = m.id1 = m.id2 = m.id3 = 0;
      c.skip();
      const read = this.#end(Read.OK);
      return read === Read.OK ? this.#refuse(ErrorCode.UNKNOWN_OPERATION) : read;
    }
    this.#id();
    m.operation = this.#operation();
    return this.#body();
  }

  /** A short string, decoded; '' if it is none. */
  text(): string {
    const c = this.cursor;
    const length = c.stringLength();
    if (length < 0) return '';
    if (length > TEXT_BYTES_MAX) {
      c.fail('a name or token is longer than 1024 bytes');
      return '';
    }
    const start = c.at;
    c.at += length;
    return Buffer.from(c.bytes.buffer, c.bytes.byteOffset + start, length).toString('utf8');
  }

  #start(kind: Kind, fields: number, expected: number): Message {
    const m = this.message;
    m.kind = kind;
    m.request = 0;
    m.bodyLength = 0;
    this.problem = undefined;
    this.details = undefined;
    if (fields !== expected) this.cursor.fail(`a frame of this kind has ${expected} fields`);
    return m;
  }

  #id(): void {
    const c = this.cursor;
    c.id();
    const m = this.message;
    m.id0 = c.id0;
    m.id1 = c.id1;
    m.id2 = c.id2;
    m.id3 = c.id3;
  }

  /** An operation's number; those that no service can have are found unknown by the shard. */
  #operation(): number {
    const c = this.cursor;
    c.uint();
    return c.high !== 0 || c.low >>> 0 > NO_SUCH_OPERATION ? NO_SUCH_OPERATION : c.low;
  }

  #option(name: string): Read {
    const c = this.cursor;
    if (name === 'ttl_ms') return this.#ttl();
    if (!RESERVED_OPTIONS.includes(name)) {
      c.skip();
      const quoted = name.slice(0, QUOTED_CHARACTERS_MAX);
      return this.#refuse(ErrorCode.INVALID_OPTIONS, `the option ${quoted} is not known`);
    }
    if (c.nil() || (name === 'capabilities' && this.#emptyArray())) return Read.OK;
    c.skip();
    return this.#refuse(ErrorCode.INVALID_OPTIONS, `the option ${name} is not served yet`);
  }

  /** Consumes an array if it is empty. */
  #emptyArray(): boolean {
    const c = this.cursor;
    const start = c.at;
    const isArray = (c.peek() & 0xf0) === 0x90 || c.peek() === 0xdc || c.peek() === 0xdd;
    if (isArray && c.arrayLength() === 0) return true;
    c.at = start;
    return false;
  }

  #ttl(): Read {
    const c = this.cursor;
    const m = this.message;
    m.flags |= RegisterFlag.TTL;
    if (c.nil()) {
      m.ttlMs = TTL_NEVER | 0;
      return Read.OK;
    }
    const first = c.peek();
    const isNumber = first <= 0x7f || first >= 0xe0 || (first >= 0xca && first <= 0xd3);
    const value = isNumber ? this.#number() : Number.NaN;
    if (!isNumber) c.skip();
    if (Number.isInteger(value) && value >= 1 && value <= TTL_MS_MAX) {
      m.ttlMs = value | 0;
      return Read.OK;
    }
    return this.#refuse(
      ErrorCode.INVALID_OPTIONS,
      `ttl_ms is ${value}; it must be nil or a whole number from 1 to ${TTL_MS_MAX}`,
    );
  }

  /** Any msgpack number, for a message that quotes it. */
  #number(): number {
    const c = this.cursor;
    const start = c.at;
    c.skip();
    if (c.problem !== '') return Number.NaN;
    const first = c.bytes[start];
    if (first <= 0x7f) return first;
    if (first >= 0xe0) return first - 0x100;
    if (first === 0xca) return c.view.getFloat32(start + 1);
    if (first === 0xcb) return c.view.getFloat64(start + 1);
    let value = first >= 0xd0 && c.view.getInt8(start + 1) < 0 ? -1 : 0;
    for (let at = start + 1; at < c.at; at++) value = value * 0x100 + c.bytes[at];
    return value;
  }

  /** The body, one value to the end of the frame, into the reader's own memory. */
  #body(): Read {
    const c = this.cursor;
    const m = this.message;
    const start = c.at;
    const length = c.end - start;
    // Short bytes to the end of the frame, the usual body, need no walk.
    if (length < 2 || c.bytes[start] !== 0xc4 || c.bytes[start + 1] !== length - 2) {
      c.skip();
      const read = this.#end(Read.OK);
      if (read !== Read.OK) return read;
    }
    if (length > this.bodyBytesMax) {
      this.details = { body_bytes: length, body_bytes_max: this.bodyBytesMax };
      return this.#refuse(ErrorCode.BODY_TOO_LARGE);
    }
    this.#copy(start, length);
    m.bodyLength = length;
    return Read.OK;
  }

  #copy(start: number, length: number): void {
    const { view, bytes } = this.cursor;
    const words = this.#words;
    const whole = length >>> 2;
    for (let i = 0; i < whole; i++) words[i] = view.getInt32(start + i * 4, true);
    words[whole] = 0;
    for (let i = whole * 4; i < length; i++) this.#bytes[i] = bytes[start + i];
  }

  #end(read: Read): Read {
    const c = this.cursor;
    if (c.problem === '' && c.at !== c.end) c.fail('the frame is longer than its value');
    return c.problem === '' ? read : Read.MALFORMED;
  }

  #refuse(error: ErrorCode, problem?: string): Read {
    this.error = error;
    this.problem = problem;
    return Read.REFUSED;
  }
}
