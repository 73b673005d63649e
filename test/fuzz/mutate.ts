/**
 * Changes inputs as bytes, without knowing what they mean: single bits and bytes, numbers that lie
 * at the edges of widths, pieces cut out, doubled, moved, put in or taken from another input.
 */
import type { Random } from '../crash/random.ts';
import { INPUT_BYTES_MAX } from './target.ts';

const EDGES = [0, 1, 0x1f, 0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xc0, 0xc1, 0xdf, 0xe0, 0xff];
const EDGES_32 = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 2 ** 31, 2 ** 32 - 1];
const ROUNDS_MAX = 4;

type Bytes = number[];
type Mutation = (bytes: Bytes, random: Random, others: Others) => void;

interface Others {
  readonly tokens: readonly Uint8Array[];
  readonly other: Uint8Array;
}

const somewhere = (bytes: Bytes, random: Random): number => random.below(bytes.length + 1);

/** A piece of the input, often short: from, and how many. */
function piece(bytes: Bytes, random: Random): [from: number, count: number] {
  const from = somewhere(bytes, random);
  const most = Math.min(bytes.length - from, random.chance(70) ? 8 : bytes.length);
  return [from, random.below(most + 1)];
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  },
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
  },
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.pick(EDGES);
  },
  (bytes, random) => {
    const at = random.below(Math.max(1, bytes.length));
    if (at < bytes.length) bytes[at] = (bytes[at] + random.pick([1, -1, 2, -2])) & 0xff;
  },
  (bytes, random) => {
    const value = random.pick(EDGES_32);
    const width = random.pick([2, 4]);
    const at = somewhere(bytes, random);
    const written = Array.from(
      { length: width },
      (_, i) => (value >>> ((width - 1 - i) * 8)) & 255,
    );
    bytes.splice(at, random.chance(70) ? width : 0, ...written);
  },
  (bytes, random) => {
    bytes.splice(somewhere(bytes, random), 0, random.below(256));
  },
  (bytes, random) => {
    const [from, count] = piece(bytes, random);
    bytes.splice(from, count);
  },
  (bytes, random) => {
    const [from, count] = piece(bytes, random);
    bytes.splice(somewhere(bytes, random), 0, ...bytes.slice(from, from + count));
  },
  (bytes, random) => {
    const [from, count] = piece(bytes, random);
    const moved = bytes.splice(from, count);
    bytes.splice(somewhere(bytes, random), 0, ...moved);
  },
  (bytes, random) => {
    bytes.length = somewhere(bytes, random);
  },
  (bytes, random, { tokens }) => {
    if (tokens.length === 0) return;
    const token = random.pick(tokens);
    bytes.splice(somewhere(bytes, random), random.chance(50) ? token.length : 0, ...token);
  },
  (bytes, random, { other }) => {
    const [from, count] = piece([...other], random);
    const taken = other.subarray(from, from + count);
    bytes.splice(somewhere(bytes, random), random.chance(50) ? count : 0, ...taken);
  },
  (bytes, random, { other }) => {
    bytes.length = somewhere(bytes, random);
    bytes.push(...other.subarray(random.below(other.length + 1)));
  },
];

export function mutate(input: Uint8Array, random: Random, others: Others): Uint8Array {
  const bytes = [...input];
  const rounds = 1 + random.below(ROUNDS_MAX);
  for (let i = 0; i < rounds; i++) random.pick(MUTATIONS)(bytes, random, others);
  return Uint8Array.from(bytes.slice(0, INPUT_BYTES_MAX));
}
