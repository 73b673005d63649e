import { expect, it } from 'vitest';
import { clientIdBytes, clientIdText } from '../../src/core/client-id.ts';
import { InvalidOptionError } from '../../src/core/errors.ts';

it('reads every pair of digits in either case', () => {
  for (let byte = 0; byte < 256; byte++) {
    const two = byte.toString(16).padStart(2, '0');
    const bytes = new Uint8Array(16).fill(byte);
    bytes[15] = 1;
    for (const digits of [two, two.toUpperCase()]) {
      expect(clientIdBytes(`${digits.repeat(15)}01`)).toEqual(bytes);
    }
  }
});

it('writes the digits that it reads', () => {
  const text = '000102030405060708090a0b0c0d0eff';
  const [id0, id1, id2, id3] = new Int32Array(clientIdBytes(text).slice().buffer);
  expect(clientIdText(id0, id1, id2, id3)).toBe(text);
});

it('refuses what is not 16 bytes, or all zero', () => {
  const wrong = ['', '0'.repeat(32), 'g'.repeat(32), 'ab'.repeat(15), 'ab'.repeat(17)];
  for (const id of [...wrong, new Uint8Array(16), new Uint8Array(15).fill(1)]) {
    expect(() => clientIdBytes(id)).toThrow(InvalidOptionError);
  }
});
