/** The walker over msgpack: every type at every width, and bytes that end too early. */
import { describe, expect, test } from 'vitest';
import { Numeric, ValueReader } from '../../src/services/value-reader.ts';
import { concat, hex } from './helpers.ts';

/** One value of each kind of head, whole. */
const VALUES = [
  ...['00', '7f', 'e0', 'ff', 'c0', 'c2', 'c3', '80', '81 01 02', '90', '92 01 90', 'a0', 'a1 61'],
  ...['bf'.concat('61'.repeat(31)), 'c4 00', 'c4 02 0102', 'c5 0001 01', 'c6 00000001 01'],
  ...['c7 00 01', 'c7 03 01 010203', 'c8 0001 01 01', 'c9 00000001 01 01', 'ca 00000000'],
  ...['cb 0000000000000000', 'cc 01', 'cd 0001', 'ce 00000001', 'cf 0000000000000001', 'd0 01'],
  ...['d1 0001', 'd2 00000001', 'd3 0000000000000001', 'd4 01 01', 'd5 01 0101', 'd6 01 01010101'],
  ...['d7 01 0101010101010101', `d8 01 ${'01'.repeat(16)}`, 'd9 01 61', 'da 0001 61'],
  ...['db 00000001 61', 'dc 0001 c0', 'dd 00000001 c0', 'de 0001 c0 c0', 'df 00000001 c0 c0'],
  '93 81 a1 61 92 c0 d4 01 01 81 90 80 c3',
].map(hex);

function over(bytes: Uint8Array, at = 0, length = bytes.length): ValueReader {
  const reader = new ValueReader();
  reader.aim(bytes, at, length);
  return reader;
}

describe('the value reader', () => {
  test('passes over exactly one value of any type', () => {
    for (const value of VALUES) {
      const reader = over(concat(hex('c1c1'), value, hex('c1')), 2, value.length + 1);
      reader.skip();
      expect(reader.at).toBe(2 + value.length);
      reader.at = 2;
      reader.keyText();
      expect(reader.at).toBe(2 + value.length);
    }
  });

  test('fails an assertion where a value ends too early', () => {
    const message = 'a value lies within its bytes';
    for (const value of VALUES) {
      for (let length = 0; length < value.length; length++) {
        expect(() => over(value, 0, length).skip()).toThrow(message);
        expect(() => over(value, 0, length).keyText()).toThrow(message);
      }
    }
    for (const huge of ['dd ffffffff', 'df ffffffff c0', 'c6 ffffffff', 'db ffffffff 61']) {
      expect(() => over(hex(huge)).skip()).toThrow(message);
    }
  });

  test('stays where it is before a value of another type', () => {
    for (const value of VALUES) {
      const reader = over(value);
      const reads = [() => reader.array(), () => reader.map(), () => reader.string()];
      for (const read of reads) {
        reader.at = 0;
        if (read() < 0) expect(reader.at).toBe(0);
      }
      reader.at = 0;
      if (reader.number() === Numeric.NONE) expect(reader.at).toBe(0);
    }
  });

  test('reads integers exactly, and numbers rounded', () => {
    const numbers: [string, bigint][] = [
      ['00', 0n],
      ['e0', -32n],
      ['cc ff', 255n],
      ['d0 ff', -1n],
      ['d1 8000', -32768n],
      ['d1 7fff', 32767n],
      ['d2 80000000', -(2n ** 31n)],
      ['d2 7fffffff', 2n ** 31n - 1n],
      ['ce ffffffff', 2n ** 32n - 1n],
      ['cf ffffffffffffffff', 2n ** 64n - 1n],
      ['cf 0020000000000001', 2n ** 53n + 1n],
      ['d3 8000000000000000', -(2n ** 63n)],
      ['d3 7fffffffffffffff', 2n ** 63n - 1n],
      ['d3 ffffffff00000000', -(2n ** 32n)],
      ['d3 fffffffeffffffff', -(2n ** 32n) - 1n],
    ];
    for (const [digits, value] of numbers) {
      const reader = over(hex(digits));
      expect(reader.number()).toBe(Numeric.INTEGER);
      expect([reader.exact(), reader.value]).toEqual([value, Number(value)]);
    }
  });
});
