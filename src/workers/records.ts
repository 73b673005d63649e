/**
 * Messages and answers as ring records. Both are flat: every field has a fixed word, the body
 * follows. Reading a record leaves the body where it is, in the ring.
 *
 *     message: header (2) │ front end, token, hash, id (4), session (2), request, operation,
 *              flags, ttl (of a register) or the principal's high word, body length,
 *              time of arrival and the principal's low word (of an eviction: the limit, f64) │
 *              of a register: rate (2), capabilities, the principal's high word │ body
 *     answer:  header (2) │ front end, token, of, id (4), session (2), request, code, again, value,
 *              body length, log position, time of arrival │ body
 */

import { copyWords } from '../core/copy.ts';
import { Kind, type Message } from '../core/message.ts';
import type { Answer, AnswerKind } from './answer.ts';
import type { Ring } from './ring.ts';

const MESSAGE_WORDS = 18;
/** What only a register carries. */
const REGISTER_WORDS = 4;
/** The time of arrival and the limit of an eviction, which no message has both of. */
const ARRIVED = 16;
const LIMIT = 16;
const PRINCIPAL_LOW = 17;
/** Only a register has a TTL. */
const TTL_MS = 14;
const ANSWER_WORDS = 18;
/** The word of an answer's record that says what must be durable before it is given. */
const POSITION = 16;

/** Words of a message's record with a body of `bodyBytes`, at most. */
export function messageRecordWords(bodyBytes: number): number {
  return MESSAGE_WORDS + REGISTER_WORDS + ((bodyBytes + 3) >>> 2);
}

/** The principal's high word stands where a register has its TTL, or behind what that has more. */
function principalHighOffset(kind: Kind): number {
  return kind === Kind.REGISTER ? MESSAGE_WORDS + 3 : TTL_MS;
}

function bodyOffset(kind: Kind): number {
  return kind === Kind.REGISTER ? MESSAGE_WORDS + REGISTER_WORDS : MESSAGE_WORDS;
}

export function answerRecordWords(bodyBytes: number): number {
  return ANSWER_WORDS + ((bodyBytes + 3) >>> 2);
}

/** Adds a message to a ring; false if there is no room now. */
export function pushMessage(ring: Ring, m: Message): boolean {
  const offset = bodyOffset(m.kind);
  const at = ring.claim(offset + ((m.bodyLength + 3) >>> 2), m.kind);
  if (at < 0) return false;
  const words = ring.words;
  words[at + 2] = m.frontEnd;
  words[at + 3] = m.token;
  words[at + 4] = m.hash;
  words[at + 5] = m.id0;
  words[at + 6] = m.id1;
  words[at + 7] = m.id2;
  words[at + 8] = m.id3;
  words[at + 9] = m.sessionLow;
  words[at + 10] = m.sessionHigh;
  words[at + 11] = m.request;
  words[at + 12] = m.operation;
  words[at + 13] = m.flags;
  if (m.kind === Kind.REGISTER) words[at + TTL_MS] = m.ttlMs;
  words[at + 15] = m.bodyLength;
  if (m.kind === Kind.EVICT) ring.floats[(at + LIMIT) >> 1] = m.limitMs;
  else {
    words[at + ARRIVED] = m.arrivedUs;
    words[at + PRINCIPAL_LOW] = m.principalLow;
    words[at + principalHighOffset(m.kind)] = m.principalHigh;
  }
  if (m.kind === Kind.REGISTER) {
    words[at + MESSAGE_WORDS] = m.ratePerSecond;
    words[at + MESSAGE_WORDS + 1] = m.rateBurst;
    words[at + MESSAGE_WORDS + 2] = m.capabilities;
  }
  copyWords(m.bodyWords, m.bodyWord, words, at + offset, m.bodyLength);
  ring.push(at);
  return true;
}

/** The hash of the id that a message's record is about. */
export function messageHash(ring: Ring, at: number): number {
  return ring.words[at + 4];
}

/** Reads a record back into a message, whose body then lies in the ring. */
export function readMessage(ring: Ring, at: number, m: Message): void {
  const words = ring.words;
  m.kind = words[at + 1] as Kind;
  m.frontEnd = words[at + 2];
  m.token = words[at + 3];
  m.hash = words[at + 4];
  m.id0 = words[at + 5];
  m.id1 = words[at + 6];
  m.id2 = words[at + 7];
  m.id3 = words[at + 8];
  m.sessionLow = words[at + 9];
  m.sessionHigh = words[at + 10];
  m.request = words[at + 11];
  m.operation = words[at + 12];
  m.flags = words[at + 13];
  m.bodyLength = words[at + 15];
  if (m.kind === Kind.EVICT) {
    m.limitMs = ring.floats[(at + LIMIT) >> 1];
    m.principalLow = 0;
    m.principalHigh = 0;
  } else {
    m.arrivedUs = words[at + ARRIVED];
    m.principalLow = words[at + PRINCIPAL_LOW];
    m.principalHigh = words[at + principalHighOffset(m.kind)];
  }
  m.bodyWords = words;
  m.bodyBytes = ring.bytes;
  m.bodyWord = at + bodyOffset(m.kind);
  if (m.kind !== Kind.REGISTER) return;
  m.ttlMs = words[at + TTL_MS];
  m.ratePerSecond = words[at + MESSAGE_WORDS];
  m.rateBurst = words[at + MESSAGE_WORDS + 1];
  m.capabilities = words[at + MESSAGE_WORDS + 2];
}

export function pushAnswer(ring: Ring, a: Answer): boolean {
  const at = ring.claim(answerRecordWords(a.bodyLength), a.kind);
  if (at < 0) return false;
  const words = ring.words;
  words[at + 2] = a.frontEnd;
  words[at + 3] = a.token;
  words[at + 4] = a.of;
  words[at + 5] = a.id0;
  words[at + 6] = a.id1;
  words[at + 7] = a.id2;
  words[at + 8] = a.id3;
  words[at + 9] = a.sessionLow;
  words[at + 10] = a.sessionHigh;
  words[at + 11] = a.request;
  words[at + 12] = a.code;
  words[at + 13] = a.again ? 1 : 0;
  words[at + 14] = a.value;
  words[at + 15] = a.bodyLength;
  words[at + POSITION] = a.position;
  words[at + POSITION + 1] = a.arrivedUs;
  copyWords(a.bodyWords, a.bodyWord, words, at + ANSWER_WORDS, a.bodyLength);
  ring.push(at);
  return true;
}

/** The log position that the answer in a record waits for. */
export function answerPosition(ring: Ring, at: number): number {
  return ring.words[at + POSITION];
}

export function readAnswer(ring: Ring, at: number, a: Answer): void {
  const words = ring.words;
  a.kind = words[at + 1] as AnswerKind;
  a.frontEnd = words[at + 2];
  a.token = words[at + 3];
  a.of = words[at + 4] as Kind | 0;
  a.id0 = words[at + 5];
  a.id1 = words[at + 6];
  a.id2 = words[at + 7];
  a.id3 = words[at + 8];
  a.sessionLow = words[at + 9];
  a.sessionHigh = words[at + 10];
  a.request = words[at + 11];
  a.code = words[at + 12];
  a.again = words[at + 13] !== 0;
  a.value = words[at + 14];
  a.bodyLength = words[at + 15];
  a.arrivedUs = words[at + POSITION + 1];
  a.bodyWords = words;
  a.bodyBytes = ring.bytes;
  a.bodyWord = at + ANSWER_WORDS;
}
