/**
 * Answers as frames to the client. The caller has reserved room: `answerBytesMax` of the body.
 */
import { ERROR_MESSAGES, ERROR_NAMES, ErrorCode, REASON_NAMES } from '../core/codes.ts';
import { TTL_NEVER } from '../core/limits.ts';
import { Kind } from '../core/message.ts';
import { namesOf } from '../services/service.ts';
import { type Answer, AnswerKind, Grant, NO_SESSION_OF_THEIRS } from '../workers/answer.ts';
import { FrameWriter } from './frame-writer.ts';
import { FRAME_OVERHEAD_BYTES, ID_BYTES, ToClient } from './protocol.ts';

/** The longest text of an error; a character takes at most 3 bytes. */
const ERROR_CHARACTERS_MAX = 200;
/** The text, and up to two numbers with their names. */
const ERROR_BYTES_MAX = 3 * ERROR_CHARACTERS_MAX + 128;

/** With `forbidden`: not for want of a capability, but because there is no session of theirs. */
const NO_SESSION_DETAILS = { session: 0 };

/** Bodies up to this length are copied by words, longer ones by the runtime. */
const WORD_COPY_BYTES_MAX = 512;

/** Bytes that the frame of an answer with such a body takes at most. */
export function answerBytesMax(bodyLength: number): number {
  return FRAME_OVERHEAD_BYTES + ERROR_BYTES_MAX + bodyLength;
}

/** @param capabilities the names of a grant's bits */
export function writeAnswer(w: FrameWriter, a: Answer, capabilities: readonly string[]): void {
  switch (a.kind) {
    case AnswerKind.REPLY:
      return writeReply(w, a);
    case AnswerKind.REGISTERED:
      return writeRegistered(w, a, capabilities);
    case AnswerKind.EVICTION:
      return writeEviction(w, a);
    case AnswerKind.RESULT:
      return writeResult(w, a);
    case AnswerKind.ERROR:
      return writeError(w, a.code, a.of, a, undefined, errorDetails(a));
    case AnswerKind.ROUTER:
      return;
  }
}

/**
 * The frame of nearly every request, so its head is written here in one piece: calls for each field
 * cost as much as the fields.
 */
function writeReply(w: FrameWriter, a: Answer): void {
  const { bytes, view } = w;
  w.begin(ToClient.REPLY, 6);
  let at = w.at;
  bytes[at] = 0xc4;
  bytes[at + 1] = ID_BYTES;
  view.setInt32(at + 2, a.id0, true);
  view.setInt32(at + 6, a.id1, true);
  view.setInt32(at + 10, a.id2, true);
  view.setInt32(at + 14, a.id3, true);
  at += 18;
  if (a.sessionHigh !== 0) {
    bytes[at] = 0xcf;
    view.setInt32(at + 1, a.sessionHigh);
    view.setInt32(at + 5, a.sessionLow);
    at += 9;
  } else {
    w.at = at;
    w.uint32(a.sessionLow);
    at = w.at;
  }
  const { request } = a;
  if (request >>> 0 <= 0x7f) {
    bytes[at++] = request;
  } else {
    bytes[at] = 0xce;
    view.setInt32(at + 1, request);
    at += 5;
  }
  bytes[at++] = a.code;
  w.at = at;
  writeBody(w, a);
  w.finish();
}

function writeResult(w: FrameWriter, a: Answer): void {
  w.begin(ToClient.RESULT, 4);
  w.uint32(a.request);
  w.uint32(a.code);
  writeBody(w, a);
  w.finish();
}

function writeBody(w: FrameWriter, a: Answer): void {
  if (a.bodyLength <= WORD_COPY_BYTES_MAX) {
    w.rawWords(a.bodyWords, a.bodyBytes, a.bodyWord, a.bodyLength);
  } else {
    w.raw(a.bodyBytes, a.bodyWord * 4, a.bodyLength);
  }
}

function writeRegistered(w: FrameWriter, a: Answer, capabilities: readonly string[]): void {
  const { bodyWords, bodyWord } = a;
  const ttl = bodyWords[bodyWord + Grant.TTL_MS] >>> 0;
  const perSecond = bodyWords[bodyWord + Grant.RATE_PER_SECOND];
  const granted = bodyWords[bodyWord + Grant.CAPABILITIES];
  w.begin(ToClient.REGISTERED, 5);
  w.id(a.id0, a.id1, a.id2, a.id3);
  w.uint53(a.sessionLow, a.sessionHigh);
  w.uint32(a.request);
  w.map(4);
  w.string('resumed');
  w.boolean(a.again);
  w.string('ttl_ms');
  if (ttl === TTL_NEVER) w.nil();
  else w.uint32(ttl);
  w.string('rate');
  if (perSecond === 0) w.nil();
  else {
    w.array(2);
    w.uint32(perSecond);
    w.uint32(bodyWords[bodyWord + Grant.RATE_BURST]);
  }
  w.string('capabilities');
  const names = namesOf(granted, capabilities);
  w.longArray(names.length);
  for (const name of names) w.string(name);
  w.finish();
}

function errorDetails(a: Answer): Details | undefined {
  const isNobodys = a.code === ErrorCode.FORBIDDEN && a.value === NO_SESSION_OF_THEIRS;
  if (isNobodys) return NO_SESSION_DETAILS;
  if (a.code !== ErrorCode.RATE_LIMITED) return undefined;
  return { retry_after_ms: a.value < 0 ? null : a.value };
}

function writeEviction(w: FrameWriter, a: Answer): void {
  w.begin(ToClient.EVICTION, 4);
  w.id(a.id0, a.id1, a.id2, a.id3);
  w.uint53(a.sessionLow, a.sessionHigh);
  w.string(REASON_NAMES[a.code]);
  w.finish();
}

/** Numbers that an error carries; null is nil. */
export type Details = Readonly<Record<string, number | null>>;

/** What a message's error refers to. */
export interface ErrorSubject {
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  readonly id3: number;
  readonly request: number;
}

/**
 * An error about a message, or about the connection when there is no subject.
 *
 * @param of the kind of message: requests and calls have a number to refer to
 * @param what the text, if not the usual one of the code
 */
export function writeError(
  w: FrameWriter,
  code: ErrorCode,
  of: Kind | 0,
  subject: ErrorSubject | undefined,
  what = ERROR_MESSAGES[code],
  details?: Details,
): void {
  w.begin(ToClient.ERROR, 6);
  w.string(ERROR_NAMES[code]);
  w.string(what.slice(0, ERROR_CHARACTERS_MAX));
  const s = subject;
  // A call is named by its correlation alone, so that the number is not taken for a request's.
  if (s === undefined || of === Kind.CALL) w.nil();
  else w.id(s.id0, s.id1, s.id2, s.id3);
  if (s !== undefined && (of === Kind.REQUEST || of === Kind.CALL)) w.uint32(s.request);
  else w.nil();
  writeDetails(w, details);
  w.finish();
}

/** An error about the connection, as a frame of its own. */
export function errorFrame(code: ErrorCode, what?: string): Buffer {
  const w = new FrameWriter();
  w.use(Buffer.alloc(answerBytesMax(0)));
  writeError(w, code, 0, undefined, what);
  return w.bytes.subarray(0, w.at);
}

function writeDetails(w: FrameWriter, details: Details | undefined): void {
  if (details === undefined) return w.nil();
  const entries = Object.entries(details);
  w.map(entries.length);
  for (const [name, value] of entries) {
    w.string(name);
    if (value === null) w.nil();
    else w.uint(value);
  }
}
