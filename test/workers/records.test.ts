/** Messages and answers come out of a ring as they went in, whatever they hold and wherever. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Kind, Message } from '../../src/core/message.ts';
import { Answer } from '../../src/workers/answer.ts';
import {
  answerRecordWords,
  messageRecordWords,
  pushAnswer,
  pushMessage,
  readAnswer,
  readMessage,
} from '../../src/workers/records.ts';
import { createRing, Ring } from '../../src/workers/ring.ts';
import { runs } from '../core/helpers.ts';

const RING_WORDS = 256;
/** Leaves room for both kinds' fields in half a ring. */
const BODY_MAX = 400;

const int32 = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)));
const body = fc.record({
  bytes: fc.uint8Array({ maxLength: BODY_MAX }),
  word: fc.integer({ min: 0, max: 9 }),
});
const start = fc.integer({ min: -RING_WORDS, max: RING_WORDS }).map((n) => n * 2);

const shared = {
  frontEnd: int32,
  token: int32,
  id0: int32,
  id1: int32,
  id2: int32,
  id3: int32,
  sessionLow: int32,
  sessionHigh: int32,
  request: int32,
};
const allMessageFields = fc.record({
  ...shared,
  kind: fc.constantFrom(1, 2, 3, 5, 32, 33),
  ttlMs: int32,
  hash: int32,
  operation: int32,
  flags: int32,
  limitMs: fc.double({ noNaN: true }),
  principalLow: int32,
  principalHigh: int32,
  arrivedUs: int32,
  ratePerSecond: int32,
  rateBurst: int32,
  capabilities: int32,
});
/**
 * Only a register carries what a session is to be granted, and an eviction has its limit where
 * others have the time of their arrival and their principal.
 */
const messageFields = allMessageFields.map((fields) => ({
  ...fields,
  ...(fields.kind === Kind.REGISTER
    ? {}
    : { ttlMs: 0, ratePerSecond: 0, rateBurst: 0, capabilities: 0 }),
  ...(fields.kind === Kind.EVICT
    ? { arrivedUs: 0, principalLow: 0, principalHigh: 0 }
    : { limitMs: 0 }),
}));
const answerFields = fc.record({
  ...shared,
  kind: fc.constantFrom(1, 2, 3, 4, 5, 6),
  of: fc.constantFrom(0, 1, 2, 3, 5),
  code: int32,
  value: int32,
  arrivedUs: int32,
  again: fc.boolean(),
});

function ringAt(position: number): Ring {
  const ring = new Ring(createRing(RING_WORDS));
  for (const word of [0, 32, 64, 65, 96, 97]) ring.words[word] = position;
  return ring;
}

interface Body {
  bodyBytes: Uint8Array;
  bodyWords: Int32Array;
  bodyWord: number;
  bodyLength: number;
}

function setBody(of: Body, { bytes, word }: { bytes: Uint8Array; word: number }): void {
  const memory = new ArrayBuffer(word * 4 + ((bytes.length + 3) & ~3));
  of.bodyBytes = new Uint8Array(memory);
  of.bodyBytes.set(bytes, word * 4);
  of.bodyWords = new Int32Array(memory);
  of.bodyWord = word;
  of.bodyLength = bytes.length;
}

/** The body as both views show it: they must agree, and the rest of its last word be zero. */
function bodyOf(of: Body): number[] {
  const from = of.bodyWord * 4;
  const bytes = [...of.bodyBytes.subarray(from, from + of.bodyLength)];
  const words = of.bodyWords.slice(of.bodyWord, of.bodyWord + ((of.bodyLength + 3) >>> 2));
  const padded = [...new Uint8Array(words.buffer)];
  expect(padded).toEqual([...bytes, ...new Array(padded.length - bytes.length).fill(0)]);
  return bytes;
}

function without<T extends Body>(of: T): Omit<T, keyof Body> {
  const { bodyBytes, bodyWords, bodyWord, bodyLength, ...fields } = of;
  return fields;
}

it('a message comes out of a ring as it went in', () => {
  fc.assert(
    fc.property(messageFields, body, start, (fields, content, position) => {
      const ring = ringAt(position);
      const m = Object.assign(new Message(), fields as Partial<Message>);
      setBody(m, content);
      expect(pushMessage(ring, m) && ring.publish()).toBe(true);
      const out = new Message();
      readMessage(ring, ring.peek(), out);
      expect(without(out)).toEqual(without(m));
      expect(bodyOf(out)).toEqual([...content.bytes]);
      expect(ring.words[ring.peek()]).toBe(
        (messageRecordWords(m.bodyLength) - (m.kind === Kind.REGISTER ? 0 : 4) + 1) & ~1,
      );
    }),
    runs(1_000),
  );
});

it('an answer comes out of a ring as it went in', () => {
  fc.assert(
    fc.property(answerFields, body, start, (fields, content, position) => {
      const ring = ringAt(position);
      const a = Object.assign(new Answer(), fields as Partial<Answer>);
      setBody(a, content);
      expect(pushAnswer(ring, a) && ring.publish()).toBe(true);
      const out = new Answer();
      readAnswer(ring, ring.peek(), out);
      expect(without(out)).toEqual(without(a));
      expect(bodyOf(out)).toEqual([...content.bytes]);
      expect(ring.words[ring.peek()]).toBe((answerRecordWords(a.bodyLength) + 1) & ~1);
    }),
    runs(1_000),
  );
});

it('neighbours in a ring do not touch each other', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(messageFields, body), { maxLength: 8 }), start, (list, at) => {
      const ring = ringAt(at);
      const sent: Message[] = [];
      for (const [fields, content] of list) {
        const m = Object.assign(new Message(), fields as Partial<Message>);
        setBody(m, content);
        if (pushMessage(ring, m)) sent.push(m);
      }
      ring.publish();
      for (const m of sent) {
        const out = new Message();
        readMessage(ring, ring.peek(), out);
        ring.take(ring.peek());
        expect(without(out)).toEqual(without(m));
        expect(bodyOf(out)).toEqual(bodyOf(m));
      }
      expect(ring.peek()).toBe(-1);
    }),
    runs(500),
  );
});

it('a message or answer that finds no room leaves the ring as it was', () => {
  const ring = ringAt(-2);
  const m = new Message();
  setBody(m, { bytes: new Uint8Array(BODY_MAX), word: 0 });
  while (pushMessage(ring, m));
  const a = new Answer();
  setBody(a, { bytes: new Uint8Array(BODY_MAX), word: 0 });
  const before = ring.words.slice();
  expect([pushMessage(ring, m), pushAnswer(ring, a)]).toEqual([false, false]);
  expect(ring.words).toEqual(before);
});
