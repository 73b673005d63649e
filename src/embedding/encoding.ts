/**
 * How embedded callers' ids, numbers and values become messages, and answers become results.
 */
import { CLIENT_ID_BYTES, type ClientId, clientIdBytes, clientIdText } from '../core/client-id.ts';
import {
  ERROR_MESSAGES,
  ERROR_NAMES,
  ErrorCode,
  REASON_NAMES,
  STATUS_NAMES,
} from '../core/codes.ts';
import { InvalidOptionError, integerOption, type SessileError } from '../core/errors.ts';
import {
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  REQUEST_NUMBER_MAX,
  TTL_MS_MAX,
  TTL_NEVER,
} from '../core/limits.ts';
import { Kind, type Message, RegisterFlag } from '../core/message.ts';
import { RateLimitedError, RefusedError, SessionEvictedError } from '../core/session-errors.ts';
import { sessionNumber } from '../core/session-number.ts';
import { isMap } from '../services/data-bodies.ts';
import { bitsOf, type CheckedService, namesOf } from '../services/service.ts';
import { decodeShared, encodeValue } from '../services/values.ts';
import { type Answer, AnswerKind, Grant } from '../workers/answer.ts';
import type { Registered, RegisterOptions, Reply } from './types.ts';

/** Views of the 16 bytes of an id as words, in whatever memory the caller keeps them. */
const idBytes = new Uint8Array(16);
const idWords = new Int32Array(idBytes.buffer);

export function setId(m: Message, id: ClientId): void {
  const bytes = clientIdBytes(id);
  for (let i = 0; i < CLIENT_ID_BYTES; i++) idBytes[i] = bytes[i];
  m.id0 = idWords[0];
  m.id1 = idWords[1];
  m.id2 = idWords[2];
  m.id3 = idWords[3];
}

export function setSession(m: Message, session: number): void {
  integerOption('session', session, 0, Number.MAX_SAFE_INTEGER);
  m.sessionLow = session | 0;
  m.sessionHigh = Math.floor(session / 0x100000000);
}

export function setRequestNumber(m: Message, request: number): void {
  m.request = integerOption('request', request, 0, REQUEST_NUMBER_MAX) | 0;
}

export function setRegister(
  m: Message,
  id: ClientId,
  options: RegisterOptions,
  checked: CheckedService,
  dataBytesMax: number,
): void {
  m.kind = Kind.REGISTER;
  setId(m, id);
  setSession(m, 0);
  m.request = 0;
  m.bodyLength = 0;
  m.flags = 0;
  m.ttlMs = 0;
  m.ratePerSecond = 0;
  m.rateBurst = 0;
  m.capabilities = bitsOf(namesGiven(options.capabilities ?? []), checked.capabilities);
  const ttl = options.ttlMs;
  if (ttl !== undefined) {
    m.flags |= RegisterFlag.TTL;
    m.ttlMs = (ttl === null ? TTL_NEVER : integerOption('ttlMs', ttl, 1, TTL_MS_MAX)) | 0;
  }
  if (options.rate !== undefined && options.rate !== null) {
    const { perSecond, burst } = options.rate;
    m.flags |= RegisterFlag.RATE;
    m.ratePerSecond = integerOption('rate.perSecond', perSecond, 1, RATE_PER_SECOND_MAX);
    m.rateBurst = integerOption('rate.burst', burst, 1, RATE_BURST_MAX);
  }
  if (options.data !== undefined) setData(m, options.data, checked, dataBytesMax);
}

function namesGiven(capabilities: readonly string[]): readonly string[] {
  // A copy shows what is missing in an array as undefined.
  const isList =
    Array.isArray(capabilities) && [...capabilities].every((name) => typeof name === 'string');
  if (isList) return capabilities;
  throw new InvalidOptionError('capabilities', capabilities, 'an array of names');
}

function setData(m: Message, data: object, checked: CheckedService, bytesMax: number): void {
  if (checked.service.initialData !== true) {
    throw new InvalidOptionError('data', data, 'left out: this service writes the data itself');
  }
  const encoded = encodeWithin('data', data, bytesMax);
  // Dates, bytes and sets are objects too; what counts is what they are as msgpack.
  if (!isMap(encoded[0])) throw new InvalidOptionError('data', data, 'an object or a Map');
  m.flags |= RegisterFlag.DATA;
  setBody(m, data, bytesMax);
}

/** The number of an operation given by name or number. Throws `RefusedError`. */
export function operationNumber(checked: CheckedService, operation: string | number): number {
  const number = typeof operation === 'string' ? checked.names[operation] : operation;
  if (typeof number === 'number' && checked.byNumber[number] !== undefined) return number;
  throw refusal(ErrorCode.UNKNOWN_OPERATION, { operation });
}

/** Encodes a body into the message's own memory. */
export function setBody(m: Message, body: unknown, bodyBytesMax: number): void {
  const encoded = encodeValue(body);
  const length = encoded.byteLength;
  if (length > bodyBytesMax) {
    throw refusal(ErrorCode.BODY_TOO_LARGE, { bodyBytes: length, bodyBytesMax });
  }
  const words = (length + 3) >>> 2;
  if (m.bodyWords.length < words) {
    m.bodyWords = new Int32Array(Math.max(words, 256));
    m.bodyBytes = new Uint8Array(m.bodyWords.buffer);
  }
  m.bodyWord = 0;
  m.bodyLength = length;
  if (words > 0) m.bodyWords[words - 1] = 0;
  m.bodyBytes.set(encoded);
}

function decodeBody(a: Answer): unknown {
  return decodeShared(a.bodyBytes, a.bodyWord * 4, a.bodyLength);
}

export function decodeReply(a: Answer): Reply {
  return { status: STATUS_NAMES[a.code], body: decodeBody(a), replayed: a.again };
}

export function decodeRegistered(a: Answer, capabilities: readonly string[]): Registered {
  const { bodyWords, bodyWord } = a;
  const ttl = bodyWords[bodyWord + Grant.TTL_MS] >>> 0;
  const perSecond = bodyWords[bodyWord + Grant.RATE_PER_SECOND];
  const burst = bodyWords[bodyWord + Grant.RATE_BURST];
  return {
    session: sessionOf(a),
    request: a.request >>> 0,
    resumed: a.again,
    ttlMs: ttl === TTL_NEVER ? null : ttl,
    rate: perSecond === 0 ? null : { perSecond, burst },
    capabilities: namesOf(bodyWords[bodyWord + Grant.CAPABILITIES], capabilities),
  };
}

/** The error that an answer other than a success stands for. */
export function answerError(a: Answer): SessileError {
  const id = clientIdText(a.id0, a.id1, a.id2, a.id3);
  if (a.kind === AnswerKind.EVICTION) {
    return new SessionEvictedError(REASON_NAMES[a.code], id, sessionOf(a));
  }
  const wait = a.code === ErrorCode.RATE_LIMITED ? { retryAfterMs: a.value } : {};
  return refusal(a.code, { id, ...wait });
}

export function refusal(code: ErrorCode, details: Readonly<Record<string, unknown>>): SessileError {
  const message = ERROR_MESSAGES[code];
  if (code === ErrorCode.RATE_LIMITED) {
    const { retryAfterMs, ...rest } = details;
    const wait = typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : Infinity;
    return new RateLimitedError(message, wait, rest);
  }
  return new RefusedError(ERROR_NAMES[code], message, details);
}

function sessionOf(a: Answer): number {
  return sessionNumber(a.sessionLow, a.sessionHigh);
}

/** A reply's body as bytes that are staged in an arena. Throws `InvalidOptionError` if too long. */
export function encodeWithin(name: string, value: unknown, bytesMax: number): Uint8Array {
  const encoded = encodeValue(value, name);
  if (encoded.byteLength <= bytesMax) return encoded;
  const expected = `a value of at most ${bytesMax} bytes as msgpack`;
  throw new InvalidOptionError(name, encoded.byteLength, expected);
}
