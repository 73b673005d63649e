/**
 * Reads the frames of the server. A frame is read and checked as a whole before anyone hears of
 * it, so a handler never acts on half of one.
 */

import { clientIdText } from '../../core/client-id.ts';
import type { ReasonName, StatusName } from '../../core/codes.ts';
import { REASON_NAMES, STATUS_NAMES } from '../../core/codes.ts';
import type { Cursor } from '../cursor.ts';
import { PROTOCOL_VERSION, ToClient } from '../protocol.ts';
import { Body } from './bodies.ts';
import { ProtocolError } from './errors.ts';
import type { Welcome } from './welcome.ts';
import { readWelcome } from './welcome.ts';

/** What a connection does with each kind of frame. Bodies are there during the call only. */
export interface FrameHandler {
  welcome(welcome: Welcome): void;
  registered(id: string, session: number, last: number, fields: Record<string, unknown>): void;
  reply(id: string, session: number, request: number, status: StatusName, body: Body): void;
  evicted(id: string, session: number, reason: ReasonName): void;
  pong(nonce: number): void;
  result(correlation: number, status: StatusName, body: Body): void;
  error(error: ErrorFrame): void;
}

export interface ErrorFrame {
  readonly code: string;
  readonly message: string;
  readonly id: string | null;
  /** The request's or the call's number. */
  readonly number: number | null;
  readonly details: Record<string, unknown>;
}

/** One for all frames: it is read before the next one comes. */
const body = new Body();

/** The number of elements of each kind's array, itself included, from `WELCOME` on. */
const FIELDS = [3, 5, 6, 4, 2, 4, 6];

/**
 * Reads the frame on which the cursor stands and hands it to the handler.
 *
 * @throws ProtocolError when it is not a frame that a server may send; the handler was not called
 */
export function readFrame(cursor: Cursor, handler: FrameHandler): void {
  const fields = cursor.arrayLength();
  const kind = uint(cursor);
  if (cursor.problem === '' && FIELDS[kind - ToClient.WELCOME] !== fields) {
    cursor.fail(`kind ${kind} with ${fields} elements is no frame of a server`);
  }
  check(cursor, false);
  switch (kind) {
    case ToClient.WELCOME:
      return readWelcomeFrame(cursor, handler);
    case ToClient.REGISTERED:
      return readRegistered(cursor, handler);
    case ToClient.REPLY:
      return readReply(cursor, handler);
    case ToClient.EVICTION:
      return readEviction(cursor, handler);
    case ToClient.PONG: {
      const nonce = uint(cursor);
      check(cursor, true);
      return handler.pong(nonce);
    }
    case ToClient.RESULT:
      return readResult(cursor, handler);
    default:
      return readError(cursor, handler);
  }
}

function readWelcomeFrame(cursor: Cursor, handler: FrameHandler): void {
  const version = uint(cursor);
  const fields = map(cursor);
  check(cursor, true);
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError(`the server welcomes with protocol version ${version}`);
  }
  handler.welcome(readWelcome(version, fields));
}

function readRegistered(cursor: Cursor, handler: FrameHandler): void {
  const id = idText(cursor);
  const session = uint(cursor);
  const last = cursor.uint32() >>> 0;
  const fields = map(cursor);
  check(cursor, true);
  if (session === 0) throw new ProtocolError('the server registered a session number 0');
  handler.registered(id, session, last, fields);
}

function readReply(cursor: Cursor, handler: FrameHandler): void {
  const id = idText(cursor);
  const session = uint(cursor);
  const request = cursor.uint32() >>> 0;
  const status = statusName(cursor);
  value(cursor);
  check(cursor, true);
  handler.reply(id, session, request, status, body);
}

function readEviction(cursor: Cursor, handler: FrameHandler): void {
  const id = idText(cursor);
  const session = uint(cursor);
  const reason = string(cursor) as ReasonName;
  if (!REASON_NAMES.includes(reason)) cursor.fail('an eviction has an unknown reason');
  check(cursor, true);
  handler.evicted(id, session, reason);
}

function readResult(cursor: Cursor, handler: FrameHandler): void {
  const correlation = uint(cursor);
  const status = statusName(cursor);
  value(cursor);
  check(cursor, true);
  handler.result(correlation, status, body);
}

function readError(cursor: Cursor, handler: FrameHandler): void {
  const code = string(cursor);
  const message = string(cursor);
  const id = cursor.nil() ? null : idText(cursor);
  const number = cursor.nil() ? null : uint(cursor);
  const details = cursor.nil() ? {} : map(cursor);
  check(cursor, true);
  handler.error({ code, message, id, number, details });
}

function uint(cursor: Cursor): number {
  cursor.uint();
  return (cursor.high >>> 0) * 0x100000000 + (cursor.low >>> 0);
}

function idText(cursor: Cursor): string {
  cursor.id();
  return clientIdText(cursor.id0, cursor.id1, cursor.id2, cursor.id3);
}

function statusName(cursor: Cursor): StatusName {
  const status = uint(cursor);
  if (status >= STATUS_NAMES.length) cursor.fail(`${status} is no status`);
  return STATUS_NAMES[status];
}

function string(cursor: Cursor): string {
  const length = cursor.stringLength();
  if (length < 0) return '';
  const { bytes, at } = cursor;
  cursor.at = at + length;
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('utf8');
}

/** Any one value, where it lies. */
function value(cursor: Cursor): Body {
  body.bytes = cursor.bytes;
  body.start = cursor.at;
  cursor.skip();
  body.end = cursor.at;
  return body;
}

function map(cursor: Cursor): Record<string, unknown> {
  const start = cursor.at;
  cursor.mapLength();
  if (cursor.problem !== '') return {};
  cursor.at = start;
  const fields = value(cursor);
  return cursor.problem === '' ? (fields.decode() as Record<string, unknown>) : {};
}

function check(cursor: Cursor, whole: boolean): void {
  if (whole && cursor.problem === '' && cursor.at !== cursor.end) {
    cursor.fail('a frame holds more than one value');
  }
  if (cursor.problem !== '') {
    throw new ProtocolError(`malformed frame from the server: ${cursor.problem}`);
  }
}
