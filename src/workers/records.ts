/**
 * Messages and answers as ring records. Both are flat: every field has a fixed word, the body
 * follows. Reading a record leaves the body where it is, in the ring.
 *
 *     message: header (2) │ front end, token, hash, id (4), session (2), request, operation,
 *              flags, ttl, body length, limit (f64) │ body
 *     answer:  header (2) │ front end, token, of, id (4), session (2), request, code, again, ttl,
 *              body length │ body
 */

import { copyWords } from '../core/copy.ts';
import type { Kind, Message } from '../core/message.ts';
import type { Answer, AnswerKind } from './answer.ts';
import type { Ring } from './ring.ts';

const MESSAGE_WORDS = 18;
const ANSWER_WORDS = 16;

/** Words of a message's record with a body of `bodyBytes`. */
export function messageRecordWords(bodyBytes: number): number {
  return MESSAGE_WORDS + ((bodyBytes + 3) >>> 2);
}

export function answerRecordWords(bodyBytes: number): number {
  return ANSWER_WORDS + ((bodyBytes + 3) >>> 2);
}

/** Adds a message to a ring; false if there is no room now. */
export function pushMessage(ring: Ring, m: Message): boolean {
  const at = ring.claim(messageRecordWords(m.bodyLength), m.kind);
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
  words[at + 14] = m.ttlMs;
  words[at + 15] = m.bodyLength;
  ring.floats[(at + 16) >> 1] = m.limitMs;
  copyWords(m.bodyWords, m.bodyWord, words, at + MESSAGE_WORDS, m.bodyLength);
  ring.push(at);
  return true;
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
  m.ttlMs = words[at + 14];
  m.bodyLength = words[at + 15];
  m.limitMs = ring.floats[(at + 16) >> 1];
  m.bodyWords = words;
  m.bodyBytes = ring.bytes;
  m.bodyWord = at + MESSAGE_WORDS;
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
  words[at + 14] = a.ttlMs;
  words[at + 15] = a.bodyLength;
  copyWords(a.bodyWords, a.bodyWord, words, at + ANSWER_WORDS, a.bodyLength);
  ring.push(at);
  return true;
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
  a.ttlMs = words[at + 14];
  a.bodyLength = words[at + 15];
  a.bodyWords = words;
  a.bodyBytes = ring.bytes;
  a.bodyWord = at + ANSWER_WORDS;
}
