/**
 * A session of the built-in service without an engine: contexts over plain or shared memory, and
 * what an executor would do with them.
 */
import { decode, encode } from '@msgpack/msgpack';
import { STATUS_NAMES, type StatusName } from '../../src/core/codes.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { ServiceContext } from '../../src/services/context.ts';
import { type CheckedService, checkService } from '../../src/services/service.ts';
import { sessionData } from '../../src/services/session-data.ts';

const checked: CheckedService = checkService(sessionData);

export interface Answer {
  readonly status: StatusName;
  readonly body: unknown;
  /** The reply as it is on the wire. */
  readonly bytes: Uint8Array;
}

export interface SessionOptions {
  dataBytesMax?: number;
  replyBytesMax?: number;
}

/** Regions lie away from the start of their memory, as they do in an arena. */
const FIRST_WORD = 3;

export class DataSession {
  readonly context = new ServiceContext();
  version = 0;
  ttlMs: number = TTL_NEVER;
  data: Uint8Array = new Uint8Array(0);
  readonly #dataBytesMax: number;
  readonly #replyBytesMax: number;

  constructor(options: SessionOptions = {}) {
    this.#dataBytesMax = options.dataBytesMax ?? 4096;
    this.#replyBytesMax = options.replyBytesMax ?? 4096;
  }

  /** Runs an operation with a body that is a value, to be encoded, or msgpack already. */
  run(name: string, body: unknown = null): Answer {
    return this.runBytes(name, encode(body, { useBigInt64: true }));
  }

  runBytes(name: string, body: Uint8Array): Answer {
    const context = this.#aim(body);
    const operation = checked.byNumber[checked.names[name]];
    if (operation === undefined) throw new Error(`there is no operation ${name}`);
    operation.execute(context);
    context.seal();
    const { reply, newData } = context;
    if (newData.written) {
      if (operation.readOnly) throw new Error(`${name} writes although it only reads`);
      this.data = newData.bytes.slice(newData.word * 4, newData.word * 4 + newData.length);
      this.version += 1;
    }
    if (context.newTtlMs >= 0) this.ttlMs = context.newTtlMs;
    const bytes = reply.bytes.slice(reply.word * 4, reply.word * 4 + reply.length);
    const status = STATUS_NAMES[context.sealedStatus];
    return { status, body: decode(bytes, { useBigInt64: true }), bytes };
  }

  /** The data as a decoder sees it. */
  value(): unknown {
    return decode(this.data, { useBigInt64: true });
  }

  #aim(body: Uint8Array): ServiceContext {
    const { context } = this;
    Object.assign(context.body, placed(body));
    Object.assign(context.data, placed(this.data));
    const reply = memory(this.#replyBytesMax);
    const newData = memory(this.#dataBytesMax);
    context.reply.aim(reply.words, reply.bytes, FIRST_WORD, this.#replyBytesMax);
    context.newData.aim(newData.words, newData.bytes, FIRST_WORD, this.#dataBytesMax);
    context.dataVersion = this.version;
    context.ttlMs = this.ttlMs;
    context.open();
    return context;
  }
}

/** Shared memory, as arenas and rings are; what refuses it would only fail in an engine. */
function memory(bytes: number): { words: Int32Array; bytes: Uint8Array } {
  const buffer = new SharedArrayBuffer((FIRST_WORD + ((bytes + 3) >>> 2)) * 4);
  return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
}

function placed(value: Uint8Array) {
  const { words, bytes } = memory(value.length);
  bytes.set(value, FIRST_WORD * 4);
  return { words, bytes, word: FIRST_WORD, length: value.length };
}

/** Bytes from hexadecimal digits; spaces are for the reader. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** A map's header in the shortest form. */
export function mapHeader(count: number): Uint8Array {
  if (count < 16) return Uint8Array.of(0x80 | count);
  if (count < 65536) return Uint8Array.of(0xde, count >> 8, count & 0xff);
  return Uint8Array.of(0xdf, count >>> 24, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff);
}

/** A text in one of the four widths of its header; the first that it fits at least. */
export function textOf(text: string, width: number): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const { length } = bytes;
  if (width === 0 && length < 32) return concat(Uint8Array.of(0xa0 | length), bytes);
  if (width <= 1 && length < 256) return concat(Uint8Array.of(0xd9, length), bytes);
  if (width <= 2) return concat(Uint8Array.of(0xda, length >> 8, length & 0xff), bytes);
  return concat(Uint8Array.of(0xdb, 0, 0, length >> 8, length & 0xff), bytes);
}
