/** Values decoded from shared memory, which others write again as soon as it is let go. */
import { expect, it } from 'vitest';
import { decodeShared, encodeValue } from '../../src/services/values.ts';

/** A value somewhere in shared memory. */
function shared(value: unknown): { bytes: Uint8Array; at: number; length: number } {
  const encoded = encodeValue(value);
  const bytes = new Uint8Array(new SharedArrayBuffer(encoded.length + 8));
  bytes.set(encoded, 4);
  return { bytes, at: 4, length: encoded.length };
}

function decoded(value: unknown): unknown {
  const { bytes, at, length } = shared(value);
  return decodeShared(bytes, at, length);
}

const VALUES = [
  { name: 'Zoë', parts: [Uint8Array.of(1, 2, 3), 'x'.repeat(70)], when: new Date(5), none: null },
  'short',
  Uint8Array.of(9, 9),
  { long: 'y'.repeat(5_000), bytes: new Uint8Array(5_000).fill(7) },
];

it('gives back what was encoded, of any length', () => {
  for (const value of VALUES) expect(decoded(value)).toEqual(value);
});

it('gives values that stay as they are when others are decoded after them', () => {
  const all = VALUES.map(decoded);
  decoded('z'.repeat(1_000));
  expect(all).toEqual(VALUES);
});

it('does not complete a value that is cut short with what was decoded before', () => {
  const { bytes, at, length } = shared({ name: 'cut short' });
  expect(decodeShared(bytes, at, length)).toEqual({ name: 'cut short' });
  for (let cut = 0; cut < length; cut++) expect(() => decodeShared(bytes, at, cut)).toThrow();
});
