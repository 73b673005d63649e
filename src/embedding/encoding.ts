/**
 * How embedded callers' ids, numbers and values become messages, and answers become results.
 */
import { type ClientId, clientIdBytes, clientIdText } from '../core/client-id.ts';
import {
  ERROR_MESSAGES,
  ERROR_NAMES,
  ErrorCode,
  REASON_NAMES,
  STATUS_NAMES,
} from '../core/codes.ts';
import { InvalidOptionError, integerOption, type SessileError } from '../core/errors.ts';
import { REQUEST_NUMBER_MAX, TTL_MS_MAX, TTL_NEVER } from '../core/limits.ts';
import { Kind, type Message, RegisterFlag } from '../core/message.ts';
import { RateLimitedError, RefusedError, SessionEvictedError } from '../core/session-errors.ts';
import type { CheckedService } from '../services/service.ts';
import { decodeValue, encodeValue } from '../services/values.ts';
import { type Answer, AnswerKind } from '../workers/answer.ts';
import type { Registered, RegisterOptions, Reply } from './types.ts';

/** Views of the 16 bytes of an id as words, in whatever memory the caller keeps them. */
const idBytes = new Uint8Array(16);
const idWords = new Int32Array(idBytes.buffer);

export function setId(m: Message, id: ClientId): void {
  idBytes.set(clientIdBytes(id));
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

export function setRegister(m: Message, id: ClientId, options: RegisterOptions): void {
  m.kind = Kind.REGISTER;
  setId(m, id);
  setSession(m, 0);
  m.request = 0;
  m.bodyLength = 0;
  m.flags = 0;
  if (options.ttlMs === undefined) return;
  m.flags = RegisterFlag.TTL;
  const ttl = options.ttlMs;
  m.ttlMs = (ttl === null ? TTL_NEVER : integerOption('ttlMs', ttl, 1, TTL_MS_MAX)) | 0;
}

/** The number of an operation given by name or number. Throws `RefusedError`. */
export function operationNumber(checked: CheckedService, operation: string | number): number {
  const number = typeof operation === 'string' ? checked.names[operation] : operation;
  if (number !== undefined && checked.byNumber[number] !== undefined) return number;
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
  const at = a.bodyWord * 4;
  return decodeValue(a.bodyBytes.slice(at, at + a.bodyLength));
}

export function decodeReply(a: Answer): Reply {
  return { status: STATUS_NAMES[a.code], body: decodeBody(a), replayed: a.again };
}

export function decodeRegistered(a: Answer): Registered {
  const ttl = a.ttlMs >>> 0;
  return {
    session: sessionOf(a),
    request: a.request >>> 0,
    resumed: a.again,
    ttlMs: ttl === TTL_NEVER ? null : ttl,
  };
}

/** The error that an answer other than a success stands for. */
export function answerError(a: Answer): SessileError {
  const id = clientIdText(a.id0, a.id1, a.id2, a.id3);
  if (a.kind === AnswerKind.EVICTION) {
    return new SessionEvictedError(REASON_NAMES[a.code], id, sessionOf(a));
  }
  return refusal(a.code, { id });
}

export function refusal(code: ErrorCode, details: Readonly<Record<string, unknown>>): SessileError {
  const message = ERROR_MESSAGES[code];
  if (code === ErrorCode.RATE_LIMITED) return new RateLimitedError(message, Infinity, details);
  return new RefusedError(ERROR_NAMES[code], message, details);
}

function sessionOf(a: Answer): number {
  return (a.sessionHigh >>> 0) * 0x100000000 + (a.sessionLow >>> 0);
}

/** A reply's body as bytes that are staged in an arena. Throws `InvalidOptionError` if too long. */
export function encodeWithin(name: string, value: unknown, bytesMax: number): Uint8Array {
  const encoded = encodeValue(value, name);
  if (encoded.byteLength <= bytesMax) return encoded;
  const expected = `a value of at most ${bytesMax} bytes as msgpack`;
  throw new InvalidOptionError(name, encoded.byteLength, expected);
}
