import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeValue } from '../../src/services/values.ts';
import { Backoff } from '../../src/transport/client/backoff.ts';
import { Body } from '../../src/transport/client/bodies.ts';
import { errorOf } from './peer.ts';

/** What another library reads from our bytes. */
function elsewhere(value: unknown): unknown {
  return decode(encodeValue(value), { useBigInt64: false });
}

/** Decodes a body that lies between other bytes of a chunk. */
function decodeBody(bytes: Uint8Array): unknown {
  const body = new Body();
  body.bytes = Buffer.concat([Uint8Array.of(0xc1, 0xff, 0x81), bytes, Uint8Array.of(0xc1, 0x2a)]);
  body.start = 3;
  body.end = 3 + bytes.length;
  return body.decode();
}

function back(value: unknown): unknown {
  return decodeBody(encodeValue(value));
}

describe('encoding a body', () => {
  test('undefined is nil, but a map entry that is undefined is left out', () => {
    expect(elsewhere(undefined)).toBeNull();
    expect(elsewhere([undefined, 1])).toEqual([null, 1]);
    const body = { a: undefined, b: null, c: { d: undefined, e: 1 } };
    expect(elsewhere(body)).toEqual({ b: null, c: { e: 1 } });
    expect(Object.keys(body)).toEqual(['a', 'b', 'c']);
    const map = new Map<string, unknown>([
      ['a', undefined],
      ['b', 1],
    ]);
    expect(elsewhere(map)).toEqual({ b: 1 });
  });

  test('maps, sets, dates and bytes have msgpack’s own forms', () => {
    const date = new Date('2024-02-29T12:34:56.789Z');
    expect(elsewhere({ date })).toEqual({ date });
    expect(elsewhere(new Map([['a', new Set([1, 2])]]))).toEqual({ a: [1, 2] });
    expect(elsewhere(Uint8Array.of(1, 2, 3))).toEqual(Buffer.of(1, 2, 3));
    expect(elsewhere(Buffer.from('ab'))).toEqual(Buffer.from('ab'));
  });

  test('bigints are 64-bit integers', () => {
    expect(Buffer.from(encodeValue(2n ** 64n - 1n)).toString('hex')).toBe('cfffffffffffffffff');
    expect(Buffer.from(encodeValue(-(2n ** 63n))).toString('hex')).toBe('d38000000000000000');
    expect(back(5n)).toBe(5);
    expect(back(2n ** 53n - 1n)).toBe(2 ** 53 - 1);
    expect(back(2n ** 53n + 1n)).toBe(2n ** 53n + 1n);
    expect(back(-(2n ** 53n) - 1n)).toBe(-(2n ** 53n) - 1n);
  });

  test.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint of 65 bits', 2n ** 64n],
    ['a bigint below 64 bits', -(2n ** 63n) - 1n],
    ['an invalid date', new Date(Number.NaN)],
    ['an error', new Error('x')],
    ['a regular expression', /x/],
    ['a promise', Promise.resolve()],
    ['a typed array of more than bytes', Float32Array.of(1)],
    ['a map with objects as keys', new Map([[{}, 1]])],
  ])('%s is refused, at any depth', (_what, value) => {
    for (const body of [value, [value], { a: [{ b: value }] }, new Set([value])]) {
      expect(() => encodeValue(body)).toThrow(expect.objectContaining({ option: 'body' }));
    }
  });

  test('32 levels are allowed and a circle is not', () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
    expect(back(nested(32))).toEqual(nested(32));
    expect(() => encodeValue(nested(33))).toThrow('no deeper than 32 levels');
    expect(() => encodeValue(nested(32), 'data', 1)).toThrow('data is');
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => encodeValue(circle)).toThrow('no deeper than 32 levels');
    // A failure leaves nothing behind in the encoder.
    expect(back({ a: 1 })).toEqual({ a: 1 });
  });

  test('any JSON value is the same in another library and back', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        // Both libraries refuse or rename this key, for the sake of the prototype.
        fc.pre(!text.includes('__proto__'));
        const plain = JSON.parse(text);
        expect(elsewhere(plain)).toEqual(plain);
        expect(decodeBody(encode(plain))).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });
});

describe('decoding a body', () => {
  test('maps become objects, whatever their keys', () => {
    expect(decodeBody(Uint8Array.of(0x82, 1, 2, 0xa1, 0x61, 3))).toEqual({ 1: 2, a: 3 });
  });

  test('a key __proto__ does not reach the prototype', () => {
    const decoded = decodeBody(encode(JSON.parse('{"__proto__": {"hacked": 1}}'))) as object;
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect((decoded as { hacked?: number }).hacked).toBeUndefined();
  });

  test.each([2, 255, 1022, 1023, 5000])(
    '%i bytes are a copy that keeps no chunk alive',
    (length) => {
      const body = new Body();
      body.bytes = Buffer.from(encodeValue(Buffer.alloc(length, 5)));
      body.end = body.bytes.length;
      const decoded = body.decode() as Uint8Array;
      body.bytes.fill(9);
      const next = decodeBody(encodeValue(Buffer.alloc(length, 7)));
      expect(decoded).toEqual(Buffer.alloc(length, 5));
      expect(decoded.buffer.byteLength).toBe(length);
      expect(next).toEqual(Buffer.alloc(length, 7));
    },
  );

  test('an unknown extension is a ProtocolError', async () => {
    const decoding = (async () => decodeBody(Uint8Array.of(0xd4, 16, 0)))();
    expect(await errorOf(decoding)).toMatchObject({ code: 'protocol_error' });
  });
});

describe('back-off', () => {
  test('waits lie between the minimum and twice the wait before, up to the maximum', () => {
    const shortest = new Backoff(20, 2000, () => 0);
    const longest = new Backoff(20, 2000, () => 1);
    expect([0, 1, 2, 50, 5000].map((n) => shortest.delayMs(n))).toEqual([20, 20, 20, 20, 20]);
    expect([0, 1, 2, 5, 6, 5000].map((n) => longest.delayMs(n))).toEqual([
      40, 80, 160, 1280, 2000, 2000,
    ]);
    expect(new Backoff(5, 5, () => 0.5).delayMs(3)).toBe(5);
  });
});
