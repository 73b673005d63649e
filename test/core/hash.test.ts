/** The id hash, and that shard and bucket are drawn from it independently. */
import { expect, test } from 'vitest';
import { hashId, shardOf } from '../../src/core/hash.ts';
import { random } from './helpers.ts';

const WORD = 2 ** 32;
const wrap = (value: bigint): bigint => BigInt.asUintN(32, value);
const rotate = (value: bigint, bits: bigint): bigint =>
  wrap((value << bits) | (value >> (32n - bits)));

/** MurmurHash3 x86 32 over bytes, written from its description. */
function murmur3(bytes: Uint8Array, seed: number): number {
  const scramble = (k: bigint): bigint => wrap(rotate(wrap(k * 0xcc9e2d51n), 15n) * 0x1b873593n);
  const little = (part: Uint8Array): bigint =>
    part.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
  let hash = wrap(BigInt(seed));
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    hash ^= scramble(little(bytes.subarray(at, at + 4)));
    hash = wrap(rotate(hash, 13n) * 5n + 0xe6546b64n);
  }
  hash ^= scramble(little(bytes.subarray(at)));
  hash ^= BigInt(bytes.length);
  hash = wrap((hash ^ (hash >> 16n)) * 0x85ebca6bn);
  hash = wrap((hash ^ (hash >> 13n)) * 0xc2b2ae35n);
  return Number(hash ^ (hash >> 16n));
}

function randomIds(seed: number, count: number): number[][] {
  const next = random(seed);
  const word = (): number => next(WORD) | 0;
  return Array.from({ length: count }, () => [word(), word(), word(), word()]);
}

const hashOf = ([a, b, c, d]: number[], seedA = 17, seedB = 23): number =>
  hashId(a, b, c, d, seedA, seedB);

/** How far counts are from even, as chi-square over its degrees of freedom: about 1 if random. */
function unevenness(counts: number[], total: number): number {
  const expected = total / counts.length;
  const sum = counts.reduce((chi, count) => chi + (count - expected) ** 2 / expected, 0);
  return sum / (counts.length - 1);
}

test('with no second seed the hash is MurmurHash3 of the id bytes', () => {
  const known = new TextEncoder().encode('The quick brown fox jumps over the lazy dog');
  expect(murmur3(known, 0x9747b28c)).toBe(0x2fa826cd);
  for (const id of randomIds(1, 200)) {
    const bytes = new Uint8Array(Int32Array.from(id).buffer);
    expect(hashOf(id, id[0], 0) >>> 0).toBe(murmur3(bytes, id[0]));
  }
});

test('a hash is a signed 32-bit integer, as the arena stores it', () => {
  const hashes = randomIds(2, 1_000).map((id) => hashOf(id));
  expect(hashes.every((hash) => hash === (hash | 0))).toBe(true);
  expect(hashes.some((hash) => hash < 0) && hashes.some((hash) => hash > 0)).toBe(true);
});

test('each id word and each seed changes the hash', () => {
  const id = [1, 2, 3, 4];
  const hash = hashOf(id);
  for (let word = 0; word < 4; word++) {
    for (let bit = 0; bit < 32; bit++) {
      const other = id.with(word, id[word] ^ (1 << bit));
      expect(hashOf(other)).not.toBe(hash);
    }
  }
  expect(hashOf(id, 18)).not.toBe(hash);
  expect(hashOf(id, 17, 24)).not.toBe(hash);
});

test('one flipped id bit flips about half of the hash bits', () => {
  let flipped = 0;
  let cases = 0;
  for (const id of randomIds(3, 50)) {
    for (let bit = 0; bit < 128; bit++) {
      const other = id.with(bit >> 5, id[bit >> 5] ^ (1 << (bit & 31)));
      const changed = (hashOf(id) ^ hashOf(other)) >>> 0;
      flipped += changed.toString(2).replaceAll('0', '').length;
      cases += 1;
    }
  }
  expect(flipped / cases).toBeGreaterThan(15.5);
  expect(flipped / cases).toBeLessThan(16.5);
});

test('a shard number is in range and every shard gets its share, for any count', () => {
  const ids = randomIds(4, 30_000);
  for (const shards of [1, 2, 3, 4, 5, 7, 16, 100, 256]) {
    const counts = Array.from({ length: shards }, () => 0);
    for (const id of ids) counts[shardOf(hashOf(id), shards)] += 1;
    expect(counts.length).toBe(shards);
    expect(counts.reduce((a, b) => a + b)).toBe(ids.length);
    if (shards > 1) expect(unevenness(counts, ids.length)).toBeLessThan(2);
  }
  for (const hash of [0, -1, 1, 0x7fffffff, -0x80000000]) {
    expect(shardOf(hash, 256)).toBeLessThan(256);
    expect(shardOf(hash, 1)).toBe(0);
  }
});

test('within a shard every bucket gets its share, for low and for consecutive ids too', () => {
  const buckets = 64;
  const kinds = {
    random: randomIds(5, 40_000),
    consecutive: Array.from({ length: 40_000 }, (_, i) => [0, 0, 0, i + 1]),
    strided: Array.from({ length: 40_000 }, (_, i) => [i << 16, 7, 7, 7]),
  };
  for (const ids of Object.values(kinds)) {
    for (const shards of [2, 3, 4, 16]) {
      const counts = Array.from({ length: shards * buckets }, () => 0);
      for (const id of ids) {
        const hash = hashOf(id);
        counts[shardOf(hash, shards) * buckets + (hash & (buckets - 1))] += 1;
      }
      expect(unevenness(counts, ids.length)).toBeLessThan(1.5);
    }
  }
});
