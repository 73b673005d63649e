/**
 * Passing over whole values: every type, what is refused, and differential runs against another
 * library's decoder, over values that it encoded and over random bytes.
 */
import { decode, ExtData, ExtensionCodec, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/transport/cursor.ts';
import { runs } from '../core/helpers.ts';

const ENDS = 'the frame ends inside a value';
const TOO_DEEP = 'a value is nested deeper than 32 levels';
const RECORDS = 'msgpackr records are private to that library: encode with useRecords: false';

/** Skips one value that lies in the middle of other bytes; returns the cursor. */
function skip(bytes: Uint8Array | readonly number[]): Cursor {
  const memory = Uint8Array.from([1, 2, 3, ...bytes, ...new Array(16).fill(1)]);
  const cursor = new Cursor();
  cursor.reset(memory, new DataView(memory.buffer), 3, 3 + bytes.length);
  cursor.skip();
  return cursor;
}

const isWhole = (c: Cursor): boolean => c.problem === '' && c.at === c.end;

/** One value of every head byte that msgpack has but `c1`, with lengths above zero. */
function oneOfEach(): number[][] {
  const fill = (count: number): number[] => new Array(count).fill(0x05);
  const values: number[][] = [];
  for (let first = 0; first <= 0x7f; first++) values.push([first]);
  for (let n = 0; n < 16; n++) values.push([0x80 | n, ...fill(2 * n)], [0x90 | n, ...fill(n)]);
  for (let n = 0; n < 32; n++) values.push([0xa0 | n, ...fill(n)]);
  values.push([0xc0], [0xc2], [0xc3]);
  values.push(
    [0xc4, 3, ...fill(3)],
    [0xc5, 1, 0, ...fill(256)],
    [0xc6, 0, 1, 0, 0, ...fill(65536)],
  );
  values.push([0xc7, 3, 9, ...fill(3)], [0xc8, 1, 0, 9, ...fill(256)]);
  values.push([0xc9, 0, 1, 0, 0, 9, ...fill(65536)]);
  values.push([0xca, ...fill(4)], [0xcb, ...fill(8)]);
  for (let i = 0; i < 4; i++) values.push([0xcc + i, ...fill(1 << i)], [0xd0 + i, ...fill(1 << i)]);
  for (let i = 0; i < 5; i++) values.push([0xd4 + i, 9, ...fill(1 << i)]);
  values.push(
    [0xd9, 3, ...fill(3)],
    [0xda, 1, 0, ...fill(256)],
    [0xdb, 0, 1, 0, 0, ...fill(65536)],
  );
  values.push([0xdc, 1, 0, ...fill(256)], [0xdd, 0, 1, 0, 0, ...fill(65536)]);
  values.push([0xde, 1, 0, ...fill(512)], [0xdf, 0, 1, 0, 0, ...fill(131072)]);
  for (let first = 0xe0; first <= 0xff; first++) values.push([first]);
  return values;
}

function nested(heads: readonly number[], levels: number): number[] {
  return [...new Array(levels).fill(heads).flat(), 0x01];
}

describe('skip', () => {
  it('passes over one value of every type, and not over the one behind it', () => {
    const values = oneOfEach();
    expect(new Set(values.map(([first]) => first)).size).toBe(255);
    for (const value of values) {
      const c = skip([...value, 0xc0]);
      expect([c.problem, c.end - c.at], `head ${value[0].toString(16)}`).toEqual(['', 1]);
    }
  });

  it('refuses a value of every type that is cut at any of its first bytes, or its last', () => {
    for (const value of oneOfEach()) {
      const cuts = [...Array(Math.min(40, value.length)).keys(), value.length - 1];
      for (const cut of cuts) {
        const c = skip(value.slice(0, cut));
        expect([c.problem, c.at], `head ${value[0].toString(16)}`).toEqual([ENDS, c.end]);
      }
    }
  });

  it('refuses the byte c1 wherever it stands', () => {
    const C1 = 'the byte c1 is never used in msgpack';
    for (const bytes of [[0xc1], [0x91, 0xc1], [0x82, 1, 1, 0xc1, 1], [0x81, 1, 0xc1]]) {
      expect(skip(bytes).problem).toBe(C1);
    }
  });

  it('takes 32 levels of nesting and refuses 33, in arrays, maps and both', () => {
    for (const heads of [[0x91], [0x81, 0x01], [0xdc, 0, 1], [0xdf, 0, 0, 0, 1, 0xc0]]) {
      expect(isWhole(skip(nested(heads, 32)))).toBe(true);
      expect(skip(nested(heads, 33)).problem).toBe(TOO_DEEP);
    }
    expect(isWhole(skip(nested([0x91, 0x81, 0x01], 16)))).toBe(true);
    expect(skip(nested([0x91, 0x81, 0x01], 17)).problem).toBe(TOO_DEEP);
    expect(skip(nested([0x91], 100_000)).problem).toBe(TOO_DEEP);
  });

  it('comes back from depth: siblings of a deep value count from their own level', () => {
    const deep = nested([0x91], 31);
    expect(isWhole(skip([0x93, ...deep, ...deep, ...deep]))).toBe(true);
  });

  it('refuses the records of msgpackr in every form that its encoder has', () => {
    const one = [0x72, 0x01];
    for (const bytes of [
      [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01],
      [0xd5, 0x72, 0x40, 0x00, 0x91, 0xa1, 0x61, 0x01],
      [0xd6, 0x72, 0, 0, 0, 0],
      [0xc7, 1, ...one],
      [0xc8, 0, 1, ...one],
      [0xc9, 0, 0, 0, 1, ...one],
      [0x91, 0xd4, 0x72, 0x40],
    ]) {
      expect(skip(bytes).problem).toBe(RECORDS);
    }
    expect(skip(pack({ record: 'of the default encoder' })).problem).toBe('');
  });

  it('takes extensions of any other type', () => {
    for (let type = 0; type < 256; type++) {
      expect(skip([0xd4, type, 0]).problem).toBe(type === 0x72 ? RECORDS : '');
    }
  });

  it('refuses at once a count of elements or bytes that the frame cannot hold', () => {
    const heads = [
      [0x9f],
      [0x8f],
      [0xdc, 0xff, 0xff],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xde, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0x80, 0, 0, 0],
      [0xbf],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0xff, 0xff, 0xff, 0xff],
      [0xc9, 0xff, 0xff, 0xff, 0xff, 9],
    ];
    for (const head of heads) {
      expect(skip([...head, ...new Array(14).fill(0x01)]).problem).toBe(ENDS);
      expect(skip([0x92, 0x01, ...head, 0x01]).problem).toBe(ENDS);
    }
  });
});

/** Extensions as the cursor sees them: any length of any type, but for the records' one. */
const codec = new ExtensionCodec();
codec.decode = (data: Uint8Array, type: number): ExtData => {
  if (type === 0x72) throw new Error('refused');
  return new ExtData(type, data);
};

function isDecoded(bytes: Uint8Array): boolean {
  try {
    decode(bytes, { extensionCodec: codec, mapKeyConverter: () => 'any key' });
    return true;
  } catch {
    return false;
  }
}

const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.string({ maxLength: 80, unit: 'binary' }),
      fc.uint8Array({ maxLength: 300 }),
      fc.date({ noInvalidDate: true }),
      fc
        .tuple(fc.integer({ min: 0, max: 100 }), fc.uint8Array({ maxLength: 40 }))
        .map(([type, data]) => new ExtData(type, data)),
    ),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).any;

/** Bytes that are often, but not always, heads of values that follow. */
const bytesLikeValues = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 255 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0x80, max: 0x94 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0xc0, max: 0xdf }) },
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 4 }) },
    ),
    { maxLength: 24 },
  )
  .map((list) => Uint8Array.from(list));

describe('skip and another decoder', () => {
  it('agree on where every encoded value ends', () => {
    fc.assert(
      fc.property(value, value, (first, second) => {
        const encoded = encode(first);
        expect(isWhole(skip(encoded))).toBe(true);
        const c = skip([...encoded, ...encode(second)]);
        expect([c.problem, c.at - 3]).toEqual(['', encoded.length]);
        for (const cut of [1, encoded.length >> 1, encoded.length - 1]) {
          if (cut < encoded.length) expect(isWhole(skip(encoded.subarray(0, cut)))).toBe(false);
        }
      }),
      runs(400),
    );
  });

  it('agree on which random bytes are one whole value', () => {
    let whole = 0;
    fc.assert(
      fc.property(bytesLikeValues, (bytes) => {
        const c = skip(bytes);
        if (c.problem === TOO_DEEP) return;
        expect(isWhole(c)).toBe(isDecoded(bytes));
        if (isWhole(c)) whole += 1;
      }),
      runs(5_000),
    );
    expect(whole).toBeGreaterThan(125);
  });

  it('agree on encoded values of which one byte was changed', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (any, position, byte) => {
        const bytes = encode(any).slice();
        bytes[position % bytes.length] = byte;
        const c = skip(bytes);
        if (c.problem !== TOO_DEEP) expect(isWhole(c)).toBe(isDecoded(bytes));
      }),
      runs(1_200),
    );
  });
});
