/**
 * Reads the frames of a client into messages. A frame that breaks the protocol leaves its problem
 * in the cursor; one that is well-formed but cannot be served leaves an error to answer with.
 */

import { ErrorCode } from '../core/codes.ts';
import { REQUEST_NUMBER_MAX } from '../core/limits.ts';
import { Kind, Message } from '../core/message.ts';
import type { CheckedService } from '../services/service.ts';
import { Cursor } from './cursor.ts';
import { ID_BYTES } from './protocol.ts';
import { keepBody, RegisterReader, readText } from './register-reader.ts';

/** Operation numbers are one byte, so this one is never found. */
const NO_SUCH_OPERATION = 0x100;

/** Id, session, request and operation in their usual widths. */
const USUAL_HEAD_BYTES_MAX = 18 + 9 + 5 + 1;

export const enum Read {
  OK = 0,
  /** The frame breaks the protocol: `cursor.problem` says how. Fatal. */
  MALFORMED = 1,
  /** The message is refused: `error` and `problem` say why. */
  REFUSED = 2,
  /** A call to the server itself: `operatorCall` names it, the message has correlation and body. */
  OPERATOR = 3,
}

export class MessageReader {
  readonly cursor = new Cursor();
  readonly message = new Message();
  error: ErrorCode = ErrorCode.SERVER_BUSY;
  /** The text of a refusal; undefined for the usual one of its code. */
  problem: string | undefined;
  operatorCall = '';
  details: Readonly<Record<string, number>> | undefined;
  readonly #options: RegisterReader;
  readonly #words: Int32Array;

  constructor(
    readonly bodyBytesMax: number,
    dataBytesMax: number,
    checked: CheckedService,
  ) {
    this.#options = new RegisterReader(checked, dataBytesMax);
    this.#words = new Int32Array((Math.max(bodyBytesMax, dataBytesMax) + 7) >>> 2);
    this.message.bodyWords = this.#words;
    this.message.bodyBytes = new Uint8Array(this.#words.buffer);
  }

  /** `[1, id, options]`, the kind consumed. */
  register(fields: number): Read {
    const m = this.#start(Kind.REGISTER, fields, 3);
    const c = this.cursor;
    this.#id();
    m.ttlMs = 0;
    m.ratePerSecond = 0;
    m.rateBurst = 0;
    m.capabilities = 0;
    m.sessionLow = 0;
    m.sessionHigh = 0;
    m.operation = 0;
    const problem = this.#options.read(c, m);
    const read = problem === undefined ? Read.OK : this.#refuse(ErrorCode.INVALID_OPTIONS, problem);
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
      // Calls to the server itself have names.
      this.operatorCall = this.text();
      m.id0 = m.id1 = m.id2 = m.id3 = 0;
      const read = this.#body();
      return read === Read.OK ? Read.OPERATOR : read;
    }
    this.#id();
    m.operation = this.#operation();
    return this.#body();
  }

  /** A short string, decoded; '' if it is none. */
  text(): string {
    return readText(this.cursor);
  }

  #start(kind: Kind, fields: number, expected: number): Message {
    const m = this.message;
    m.kind = kind;
    m.request = 0;
    m.bodyLength = 0;
    m.flags = 0;
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
    keepBody(c, m, start, length);
    return Read.OK;
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
