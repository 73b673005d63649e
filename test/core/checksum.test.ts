/** The checksum of operation and body. */
import { expect, test } from 'vitest';
import { checksumMessage } from '../../src/core/checksum.ts';
import { Message } from '../../src/core/message.ts';
import { random, setBody, toBytes } from './helpers.ts';

function checksum(operation: number, body: string | Uint8Array): string {
  const m = new Message();
  m.operation = operation;
  setBody(m, toBytes(body));
  expect(m.checksumLow).toBe(m.checksumLow | 0);
  expect(m.checksumHigh).toBe(m.checksumHigh | 0);
  return `${m.checksumLow} ${m.checksumHigh}`;
}

function halves(checksums: string[]): { low: Set<string>; high: Set<string> } {
  const parts = checksums.map((sum) => sum.split(' '));
  return { low: new Set(parts.map(([low]) => low)), high: new Set(parts.map(([, h]) => h)) };
}

function randomBytes(seed: number, length: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next(256));
}

test('the same operation and body give the same checksum', () => {
  expect(checksum(3, 'body')).toBe(checksum(3, 'body'));
  expect(checksum(0, '')).toBe(checksum(0, ''));
});

test('every flipped bit of a short body changes the checksum', () => {
  for (let length = 1; length <= 40; length++) {
    const body = randomBytes(length, length);
    const sums = [checksum(1, body)];
    for (let bit = 0; bit < length * 8; bit++) {
      const flipped = body.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      sums.push(checksum(1, flipped));
    }
    // Each half alone tells them apart.
    expect(halves(sums).low.size).toBe(sums.length);
    expect(halves(sums).high.size).toBe(sums.length);
  }
});

test('every flipped bit of the operation changes the checksum', () => {
  for (const body of ['', 'a', 'a longer body']) {
    const sums = [checksum(5, body)];
    for (let bit = 0; bit < 32; bit++) sums.push(checksum(5 ^ (1 << bit), body));
    expect(new Set(sums).size).toBe(33);
  }
});

test('bodies that differ only in trailing zero bytes have different checksums', () => {
  const sums = Array.from({ length: 33 }, (_, length) => checksum(1, new Uint8Array(length)));
  expect(halves(sums).low.size).toBe(33);
  expect(halves(sums).high.size).toBe(33);
  const seven = Uint8Array.from([7, 0, 0, 0]);
  const padded = [1, 2, 3, 4].map((length) => checksum(1, seven.slice(0, length)));
  expect(halves(padded).low.size).toBe(4);
  expect(halves(padded).high.size).toBe(4);
});

test('the order of words matters', () => {
  expect(checksum(1, 'abcdefgh')).not.toBe(checksum(1, 'efghabcd'));
  expect(checksum(1, 'abcdabcdefgh')).not.toBe(checksum(1, 'abcdefghabcd'));
});

test('the two halves differ from each other: neither repeats where the other does not', () => {
  const sums = Array.from({ length: 20_000 }, (_, i) => checksum(1, `body number ${i}`));
  expect(new Set(sums).size).toBe(sums.length);
  const { low, high } = halves(sums);
  // 20,000 random words of 32 bits repeat about 0.05 times.
  expect(low.size).toBeGreaterThan(sums.length - 4);
  expect(high.size).toBeGreaterThan(sums.length - 4);
  expect(sums.filter((sum) => sum.split(' ')[0] === sum.split(' ')[1]).length).toBeLessThan(3);
});

test('only the body counts, not where it lies or what surrounds it', () => {
  const body = toBytes('twelve bytes');
  const memory = new ArrayBuffer(64);
  const m = new Message();
  m.operation = 9;
  m.bodyBytes = new Uint8Array(memory).fill(0xee);
  m.bodyBytes.set(body, 20);
  m.bodyWords = new Int32Array(memory);
  m.bodyWord = 5;
  m.bodyLength = body.length;
  m.id0 = 77;
  m.request = 3;
  checksumMessage(m);
  expect(`${m.checksumLow} ${m.checksumHigh}`).toBe(checksum(9, body));
});
