/**
 * The cursor, field by field: every form that msgpack has for what a frame holds, the bounds of
 * each, and every way in which bytes may end too early. See cursor-fuzz for random bytes.
 */
import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/transport/cursor.ts';

const ENDS = 'the frame ends inside a value';
const NOT_WHOLE = 'a whole number that is not negative was expected';

/** A cursor over bytes that lie in the middle of others, which it must not look at. */
function over(...parts: (number | readonly number[] | Uint8Array)[]): Cursor {
  const bytes = parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part]));
  const memory = Uint8Array.from([0x93, 0x01, ...bytes, ...new Array(40).fill(0x01)]);
  const cursor = new Cursor();
  cursor.reset(memory, new DataView(memory.buffer), 2, 2 + bytes.length);
  return cursor;
}

function bigEndian(first: number, bytes: number, value: bigint): number[] {
  const out = [first];
  for (let i = bytes - 1; i >= 0; i--) out.push(Number((value >> BigInt(i * 8)) & 0xffn));
  return out;
}

function float(first: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (first === 0xca) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return [first, ...new Uint8Array(view.buffer, 0, first === 0xca ? 4 : 8)];
}

/** Every form of a whole number that is not negative. */
function formsOf(value: number): number[][] {
  const forms: number[][] = [];
  const big = BigInt(value);
  if (value <= 0x7f) forms.push([value]);
  for (const [i, bytes] of [1, 2, 4, 8].entries()) {
    if (big < 1n << BigInt(bytes * 8)) forms.push(bigEndian(0xcc + i, bytes, big));
    if (big < 1n << BigInt(bytes * 8 - 1)) forms.push(bigEndian(0xd0 + i, bytes, big));
  }
  if (Math.fround(value) === value) forms.push(float(0xca, value));
  forms.push(float(0xcb, value));
  return forms;
}

const BOUNDS = [
  [0, 1, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536],
  [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, 2 ** 53 - 1],
].flat();

describe('an integer', () => {
  it('is read from every form that can hold it', () => {
    for (const value of BOUNDS) {
      for (const form of formsOf(value)) {
        const c = over(form);
        c.uint();
        const found = (c.high >>> 0) * 2 ** 32 + (c.low >>> 0);
        expect({ found, problem: c.problem, left: c.end - c.at }, `${form}`).toEqual({
          found: value,
          problem: '',
          left: 0,
        });
      }
    }
  });

  it('of 32 bits is read as an int32 pattern, and a larger one refused', () => {
    for (const value of BOUNDS) {
      for (const form of formsOf(value)) {
        const c = over(form);
        const found = c.uint32();
        if (value < 2 ** 32) expect([found >>> 0, c.problem]).toEqual([value, '']);
        else expect(c.problem).toBe('a number is above 2^32 - 1');
      }
    }
  });

  it('that is negative is refused in every form', () => {
    const forms = [[0xff], [0xe0], float(0xca, -1), float(0xcb, -1), float(0xcb, -(2 ** 53))];
    for (const [i, bytes] of [1, 2, 4, 8].entries()) {
      forms.push(bigEndian(0xd0 + i, bytes, -1n), bigEndian(0xd0 + i, bytes, -(2n ** 7n)));
      forms.push(bigEndian(0xd0 + i, bytes, -(1n << BigInt(bytes * 8 - 1))));
    }
    for (const form of forms) {
      const c = over(form);
      c.uint();
      expect([c.low, c.high, c.problem], `${form}`).toEqual([0, 0, NOT_WHOLE]);
    }
  });

  it('above 2^53 − 1 is refused in every form', () => {
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n - 1n]) {
      const forms = [bigEndian(0xcf, 8, value), float(0xcb, Number(value))];
      if (value < 2n ** 63n) forms.push(bigEndian(0xd3, 8, value));
      for (const form of forms) {
        const c = over(form);
        c.uint();
        expect(c.problem, `${form}`).not.toBe('');
      }
    }
  });

  it('is no float with a fraction, no infinity and no NaN; minus zero is zero', () => {
    for (const value of [0.5, 1.0000001, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE]) {
      for (const first of [0xca, 0xcb]) {
        // As a float of 32 bits this one is zero, which is whole.
        if (first === 0xca && value === Number.MIN_VALUE) continue;
        const c = over(float(first, value));
        c.uint();
        expect(c.problem).toBe(NOT_WHOLE);
      }
    }
    const c = over(float(0xcb, -0));
    c.uint();
    expect([c.low, c.high, c.problem]).toEqual([0, 0, '']);
  });

  it('is nothing of another type', () => {
    for (const first of [0x80, 0x90, 0xa0, 0xc0, 0xc2, 0xc3, 0xc4, 0xd4, 0xd9, 0xdc, 0xde]) {
      const c = over(first, [0, 0, 0, 0, 0, 0, 0, 0]);
      c.uint();
      expect(c.problem).toBe(NOT_WHOLE);
    }
  });
});

describe('a client id', () => {
  const id = Array.from({ length: 16 }, (_, i) => i + 1);

  it('is 16 bytes of type bin, in any width of its length', () => {
    for (const head of [
      [0xc4, 16],
      [0xc5, 0, 16],
      [0xc6, 0, 0, 0, 16],
    ]) {
      const c = over(head, id);
      c.id();
      expect([c.problem, c.at]).toEqual(['', c.end]);
      const words = Int32Array.of(c.id0, c.id1, c.id2, c.id3);
      expect([...new Uint8Array(words.buffer)]).toEqual(id);
    }
  });

  it('of another length or type, or all zero, is refused', () => {
    const WRONG = 'an id must be 16 bytes of type bin';
    const zero = new Array(16).fill(0);
    for (const [bytes, problem] of [
      [[0xc4, 15, ...id], WRONG],
      [[0xc4, 17, ...id, 1], WRONG],
      [[0xc4, 0], WRONG],
      [[0xc6, 1, 0, 0, 16, ...id], WRONG],
      [[0xb0, ...id], WRONG],
      [[0xd8, 1, ...id], WRONG],
      [[0xc0], WRONG],
      [[0xc4, 16, ...zero], 'an id must not be all zero'],
    ] as const) {
      const c = over(bytes);
      c.id();
      expect(c.problem).toBe(problem);
    }
  });

  it('with a single bit set is not zero', () => {
    for (let bit = 0; bit < 128; bit++) {
      const bytes = new Array(16).fill(0);
      bytes[bit >> 3] = 1 << (bit & 7);
      const c = over([0xc4, 16], bytes);
      c.id();
      expect(c.problem).toBe('');
    }
  });
});

describe('strings, arrays, maps and nil', () => {
  it('are found in every width of their length', () => {
    const text = [0x61, 0x62, 0x63];
    for (const head of [[0xa3], [0xd9, 3], [0xda, 0, 3], [0xdb, 0, 0, 0, 3]]) {
      const c = over(head, text);
      expect([c.stringLength(), c.bytes[c.at], c.problem]).toEqual([3, 0x61, '']);
    }
    for (const head of [[0x93], [0xdc, 0, 3], [0xdd, 0, 0, 0, 3]]) {
      const c = over(head);
      expect([c.arrayLength(), c.at, c.problem]).toEqual([3, c.end, '']);
    }
    for (const head of [[0x83], [0xde, 0, 3], [0xdf, 0, 0, 0, 3]]) {
      const c = over(head);
      expect([c.mapLength(), c.at, c.problem]).toEqual([3, c.end, '']);
    }
    const c = over([0xc0, 0xc2]);
    expect([c.nil(), c.nil(), c.problem, c.peek()]).toEqual([true, false, '', 0xc2]);
  });

  it('of another type are refused', () => {
    for (const first of [0x00, 0xc0, 0xc4, 0xcc, 0xd4, 0xff]) {
      const next = [first, 0, 0, 0, 0];
      const [text, array, map] = [over(next), over(next), over(next)];
      expect([text.stringLength(), text.problem]).toEqual([-1, 'a string was expected']);
      expect([array.arrayLength(), array.problem]).toEqual([-1, 'an array was expected']);
      expect([map.mapLength(), map.problem]).toEqual([-1, 'a map was expected']);
    }
  });

  it('a string longer than the frame is refused before anything is read of it', () => {
    for (const head of [[0xa3], [0xd9, 0xff], [0xda, 0xff, 0xff], [0xdb, 0xff, 0xff, 0xff, 0xff]]) {
      const c = over(head, [0x61, 0x62]);
      expect([c.stringLength(), c.problem]).toEqual([-1, ENDS]);
    }
  });
});

describe('a field that ends too early', () => {
  const id = new Array(16).fill(7);
  const texts = [[0xa2], [0xd9, 2], [0xda, 0, 2], [0xdb, 0, 0, 0, 2]];
  const cases: [string, (c: Cursor) => unknown, number[][]][] = [
    ['an integer', (c) => c.uint(), formsOf(100)],
    ['an integer of 32 bits', (c) => c.uint32(), formsOf(100)],
    [
      'an id',
      (c) => c.id(),
      [
        [0xc4, 16],
        [0xc5, 0, 16],
        [0xc6, 0, 0, 0, 16],
      ].map((h) => [...h, ...id]),
    ],
    ['a string', (c) => c.stringLength(), texts.map((head) => [...head, 65, 66])],
    ["an array's head", (c) => c.arrayLength(), [[0x91], [0xdc, 0, 1], [0xdd, 0, 0, 0, 1]]],
    ["a map's head", (c) => c.mapLength(), [[0x81], [0xde, 0, 1], [0xdf, 0, 0, 0, 1]]],
  ];

  it.each(cases)('is refused wherever it ends: %s', (_, read, wholes) => {
    for (const whole of wholes) {
      for (let length = 0; length < whole.length; length++) {
        const c = over(whole.slice(0, length));
        read(c);
        expect([c.problem, c.at]).toEqual([ENDS, c.end]);
      }
    }
  });

  it('keeps its first problem, and reads zeros from then on', () => {
    const c = over([0xff, 0x05, 0xc4, 16]);
    c.uint();
    c.uint();
    c.id();
    c.skip();
    expect([c.low, c.high, c.uint32(), c.peek()]).toEqual([0, 0, 0, -1]);
    expect(c.problem).toBe(NOT_WHOLE);
  });
});
