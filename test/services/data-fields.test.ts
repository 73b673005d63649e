/** `merge` and `increment`: byte for byte, and against naive models. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runs } from '../core/helpers.ts';
import { concat, DataSession, hex, mapHeader, textOf } from './helpers.ts';

/** Values whose bytes a decoder and an encoder would not give back. */
const STUBBORN = [
  'cf ffffffffffffffff',
  'd3 8000000000000001',
  'd3 0000000000000001',
  'ca 3f800000',
  'cb 3ff0000000000000',
  'cb 7ff8000000000001',
  'd4 05 07',
  'd6 ff 00000001',
  'c7 03 2a 010203',
  'c4 02 0102',
  'c6 00000001 ff',
  'db 00000001 61',
  'd9 02 fffe',
  'de 0001 01 c0',
  'dd 00000001 df 00000000',
].map(hex);

/** Data that was put as it is. */
function holding(data: Uint8Array | string): DataSession {
  const session = new DataSession();
  const bytes = typeof data === 'string' ? hex(data) : data;
  expect(session.runBytes('put', bytes).status).toBe('ok');
  return session;
}

describe('merge', () => {
  test('sets keys, removes those that are nil, and answers the version', () => {
    const session = new DataSession();
    expect(session.run('merge', { a: 1, b: 2, no: null })).toMatchObject({ body: 1 });
    expect(session.run('merge', { b: null, c: { d: null }, a: 3 })).toMatchObject({ body: 2 });
    expect(session.value()).toEqual({ a: 3, c: { d: null } });
    expect(session.run('merge', {})).toMatchObject({ status: 'ok', body: 3 });
    expect(session.value()).toEqual({ a: 3, c: { d: null } });
  });

  test('carries every value of data and patch byte for byte', () => {
    for (const value of STUBBORN) {
      const kept = concat(textOf('k', 1), value);
      const session = holding(concat(hex('82'), kept, hex('a1 78 01')));
      session.runBytes('merge', concat(hex('de 0002 a1 78'), value, hex('a1 6e'), value));
      const merged = concat(hex('83'), kept, hex('a1 78'), value, hex('a1 6e'), value);
      expect(session.data).toEqual(merged);
    }
  });

  test('a text is the same key in any width, and a key of the data keeps its own', () => {
    for (const [a, b] of [0, 1, 2, 3].flatMap((a) => [0, 1, 2, 3].map((b) => [a, b]))) {
      const session = holding(concat(hex('81'), textOf('key', a), hex('01')));
      session.runBytes('merge', concat(hex('81'), textOf('key', b), hex('02')));
      expect(session.data).toEqual(concat(hex('81'), textOf('key', a), hex('02')));
      session.runBytes('merge', concat(hex('81'), textOf('key', b), hex('c0')));
      expect(session.data).toEqual(hex('80'));
    }
  });

  test('an integer is the same key in any width', () => {
    const groups = [
      ['05', 'cc05', 'cd0005', 'ce00000005', 'cf0000000000000005', 'd005', 'd30000000000000005'],
      ['fb', 'd0fb', 'd1fffb', 'd2fffffffb', 'd3fffffffffffffffb'],
      ['cc80', 'cd0080', 'd10080', 'd30000000000000080'],
      ['cf8000000000000000'],
      ['d38000000000000000'],
      ['cfffffffffffffffff'],
      ['ff', 'd3ffffffffffffffff'],
      ['ceffffffff', 'cf00000000ffffffff', 'd300000000ffffffff'],
      ['cb4014000000000000'],
      ['a135'],
      ['c40135'],
      ['c0'],
      ['c2'],
    ];
    for (const [i, data] of groups.entries()) {
      for (const [j, patch] of groups.entries()) {
        for (const [a, b] of data.flatMap((a) => patch.map((b) => [a, b]))) {
          const session = holding(`81 ${a} 01`);
          session.runBytes('merge', hex(`81 ${b} 02`));
          expect(session.data).toEqual(hex(i === j ? `81 ${a} 02` : `82 ${a} 01 ${b} 02`));
        }
      }
    }
  });

  test('of equal keys in a patch the last wins; those in the data become one', () => {
    const session = holding('83 a161 01 a162 02 a161 03');
    session.runBytes('merge', hex('84 a163 07 a161 05 a163 c0 d90161 06'));
    expect(session.data).toEqual(hex('82 a161 06 a162 02'));
    const removed = holding('83 a161 01 a162 02 a161 03');
    removed.runBytes('merge', hex('82 a161 05 a161 c0'));
    expect(removed.data).toEqual(hex('81 a162 02'));
  });

  test('writes the header in the shortest form, at its edges', () => {
    const entries = (from: number, count: number) =>
      concat(
        ...Array.from({ length: count }, (_, i) => concat(textOf(`${from + i}`, 1), hex('c3'))),
      );
    for (const count of [0, 1, 14, 15, 16, 300, 65534, 65535, 65536]) {
      const session = new DataSession({ dataBytesMax: 2 ** 20 });
      session.runBytes('put', concat(hex('df'), u32(count), entries(0, count)));
      session.runBytes('merge', concat(hex('81'), entries(count, 1)));
      expect(
        Buffer.compare(session.data, concat(mapHeader(count + 1), entries(0, count + 1))),
      ).toBe(0);
    }
  });

  test.each([[null], [[]], [1], ['a'], [new Uint8Array(1)]])('refuses %j', (body) => {
    const session = holding('81 a161 01');
    const answer = session.run('merge', body);
    expect(answer).toMatchObject({ status: 'invalid_body', body: 'merge takes a map' });
    expect(session.runBytes('merge', new Uint8Array(0)).status).toBe('invalid_body');
    expect([session.version, session.value()]).toEqual([1, { a: 1 }]);
  });

  test('refuses data that is not a map', () => {
    const session = new DataSession();
    session.data = hex('91 01');
    expect(session.run('merge', { a: 1 }).status).toBe('invalid_body');
    expect(session.run('increment', ['a', 1]).status).toBe('invalid_body');
    expect(session.version).toBe(0);
  });

  test('is too large where the result is, and changes nothing', () => {
    const session = new DataSession({ dataBytesMax: 8 });
    session.run('put', { a: 1 });
    expect(session.run('merge', { b: 1 })).toMatchObject({ status: 'ok' });
    const answer = session.run('merge', { c: 1 });
    expect(answer).toMatchObject({ status: 'too_large', body: null });
    expect(session.run('merge', { c: 1, b: null })).toMatchObject({ status: 'ok', body: 3 });
    expect(session.value()).toEqual({ a: 1, c: 1 });
  });

  test('gives what a naive merge of the entries gives, to the byte', () => {
    fc.assert(
      fc.property(
        entriesArbitrary,
        fc.array(entriesArbitrary, { maxLength: 4 }),
        (data, patches) => {
          const session = holding(mapOf(data));
          let expected = data;
          for (const patch of patches) {
            session.runBytes('merge', mapOf(patch));
            expected = naiveMerge(expected, patch);
            expect(session.data).toEqual(mapOf(expected));
          }
        },
      ),
      runs(500),
    );
  });

  test('gives what spreading objects gives', () => {
    // Keys like numbers would change places in an object, whoever merges.
    const key = fc.string({ maxLength: 40 }).map((text) => `k${text}`);
    const values = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(values, values, (data, patch) => {
        const session = new DataSession({ dataBytesMax: 2 ** 16 });
        session.run('put', data);
        session.run('merge', patch);
        const merged = Object.entries({ ...data, ...patch });
        const kept = merged.filter(([name]) => !Object.hasOwn(patch, name) || patch[name] !== null);
        expect(session.data).toEqual(encode(Object.fromEntries(kept), { useBigInt64: true }));
      }),
      runs(300),
    );
  });
});

/** A key's text, its width, and the bytes of its value. */
type Entry = readonly [key: string, width: number, value: Uint8Array];

const NIL = hex('c0');
const entriesArbitrary: fc.Arbitrary<Entry[]> = fc.array(
  fc.tuple(
    fc.constantFrom('', 'a', 'b', 'c', 'd', 'ä', 'constructor', 'x'.repeat(40)),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(NIL, NIL, hex('01'), ...STUBBORN),
  ),
  { maxLength: 20 },
);

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
}

function mapOf(entries: readonly Entry[]): Uint8Array {
  const encoded = entries.map(([key, width, value]) => concat(textOf(key, width), value));
  return concat(mapHeader(entries.length), ...encoded);
}

function naiveMerge(data: readonly Entry[], patch: readonly Entry[]): Entry[] {
  const final = new Map<string, Entry>();
  for (const entry of patch) final.set(entry[0], entry);
  const placed = new Set<string>();
  const merged: Entry[] = [];
  for (const entry of data) {
    const change = final.get(entry[0]);
    if (change === undefined) merged.push(entry);
    else if (!placed.has(entry[0])) merged.push([entry[0], entry[1], change[2]]);
    if (change !== undefined) placed.add(entry[0]);
  }
  for (const entry of final.values()) if (!placed.has(entry[0])) merged.push(entry);
  return merged.filter((entry) => !(final.has(entry[0]) && entry[2] === NIL));
}

describe('increment', () => {
  test('adds to a field, counts the version up and answers the new value', () => {
    const session = new DataSession();
    expect(session.run('increment', ['n', 5])).toMatchObject({ status: 'ok', body: 5 });
    expect(session.run('increment', ['n', -7])).toMatchObject({ status: 'ok', body: -2 });
    expect(session.run('increment', ['m', 0])).toMatchObject({ status: 'ok', body: 0 });
    expect([session.version, session.value()]).toEqual([3, { n: -2, m: 0 }]);
  });

  test('carries all else byte for byte, and keeps the place of the field', () => {
    for (const value of STUBBORN) {
      const before = concat(textOf('a', 2), value);
      const after = concat(hex('d2 00000001'), value);
      const session = holding(concat(hex('df 00000003'), before, hex('db000000016e 7f'), after));
      session.runBytes('increment', hex('dc 0002 a16e cd0001'));
      expect(session.data).toEqual(concat(hex('83'), before, hex('db000000016e cc80'), after));
      session.runBytes('increment', hex('92 d9016d 01'));
      const grown = concat(hex('84'), before, hex('db000000016e cc80'), after, hex('d9016d 01'));
      expect(session.data).toEqual(grown);
    }
  });

  test('of equal keys it takes the last, as decoders do', () => {
    const session = holding('82 a16e 01 d9016e 05');
    expect(session.run('increment', ['n', 1])).toMatchObject({ body: 6 });
    expect(session.data).toEqual(hex('82 a16e 01 d9016e 06'));
  });

  test('a field is found among keys that are no texts', () => {
    const session = holding('84 01 05 c4016e 05 926e01 05 a16e 01');
    expect(session.run('increment', ['n', 1]).bytes).toEqual(hex('02'));
    expect(session.data).toEqual(hex('84 01 05 c4016e 05 926e01 05 a16e 02'));
  });

  test('writes integers in the shortest form, exact to the ends of safe ones', () => {
    const forms: [number, string][] = [
      [0, '00'],
      [127, '7f'],
      [128, 'cc80'],
      [256, 'cd0100'],
      [65536, 'ce00010000'],
      [2 ** 32 - 1, 'ceffffffff'],
      [2 ** 32, 'cf0000000100000000'],
      [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
      [-1, 'ff'],
      [-32, 'e0'],
      [-33, 'd0df'],
      [-128, 'd080'],
      [-129, 'd1ff7f'],
      [-32768, 'd18000'],
      [-32769, 'd2ffff7fff'],
      [-(2 ** 31), 'd280000000'],
      [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
      [-(2 ** 32), 'd3ffffffff00000000'],
      [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
    ];
    for (const [value, form] of forms) {
      const session = new DataSession();
      expect(session.run('increment', ['n', BigInt(value)]).bytes).toEqual(hex(form));
      expect(session.data).toEqual(hex(`81 a16e ${form}`));
    }
  });

  test.each([
    [2n ** 53n - 1n, 1n],
    [2n ** 53n, 0n],
    [-(2n ** 53n) + 1n, -1n],
    [2n ** 64n - 1n, 1n],
    [-(2n ** 63n), -(2n ** 63n)],
  ])('refuses %s + %s, no safe integer', (value, delta) => {
    const session = new DataSession();
    session.run('put', { n: value });
    const before = session.data;
    const answer = session.run('increment', ['n', delta]);
    expect(answer).toMatchObject({ status: 'invalid_body', body: 'the sum is out of range' });
    expect([session.version, session.data]).toEqual([1, before]);
  });

  test('adds integers that are not safe exactly, if their sum is', () => {
    const session = new DataSession();
    session.run('put', { n: 2n ** 63n - 1n });
    const answer = session.run('increment', ['n', -(2n ** 63n)]);
    expect(answer.bytes).toEqual(hex('ff'));
    session.run('put', { n: 2n ** 53n + 1n });
    expect(session.run('increment', ['n', -3n]).bytes).toEqual(hex('cf 001ffffffffffffe'));
  });

  test('a float on either side makes a float64, also a whole one', () => {
    const cases = [
      ['cb 3ff0000000000000', '01', 'cb 4000000000000000'],
      ['01', 'cb 3ff0000000000000', 'cb 4000000000000000'],
      ['ca 3f000000', 'ca 3f000000', 'cb 3ff0000000000000'],
      ['ca 3dcccccd', '00', 'cb 3fb99999a0000000'],
      ['cb bff0000000000000', '01', 'cb 0000000000000000'],
    ];
    for (const [value, delta, sum] of cases) {
      const session = holding(`81 a16e ${value}`);
      expect(session.runBytes('increment', hex(`92 a16e ${delta}`)).bytes).toEqual(hex(sum));
      expect(session.data).toEqual(hex(`81 a16e ${sum}`));
    }
    const absent = new DataSession();
    expect(absent.runBytes('increment', hex('92 a16e ca3f800000')).bytes[0]).toBe(0xcb);
  });

  test('refuses a sum that is not finite', () => {
    for (const delta of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.7e308]) {
      const session = new DataSession();
      session.run('put', { n: 1.7e308 });
      expect(session.run('increment', ['n', delta]).status).toBe('invalid_body');
      expect(session.version).toBe(1);
    }
  });

  test('refuses a field that holds no number', () => {
    for (const n of [null, true, '1', [1], { n: 1 }, new Uint8Array(1)]) {
      const session = new DataSession();
      session.run('put', { n });
      const answer = session.run('increment', ['n', 1]);
      expect(answer).toMatchObject({ status: 'invalid_body', body: 'the field is not a number' });
      expect(session.version).toBe(1);
    }
  });

  const wrong = [null, 'n', {}, [], ['n'], ['n', 1, 1], [1, 1], ['n', '1'], ['n', null], ['n', []]];
  test.each([...wrong, [null, 1], [new Uint8Array(1), 1]].map((body) => [body]))(
    'refuses %j',
    (body) => {
      const session = new DataSession();
      const answer = session.run('increment', body);
      expect(answer).toMatchObject({ status: 'invalid_body', body: expect.any(String) });
      expect(session.runBytes('increment', new Uint8Array(0)).status).toBe('invalid_body');
      expect(session.version).toBe(0);
    },
  );

  test('is too large where the result is, and changes nothing', () => {
    const session = new DataSession({ dataBytesMax: 4 });
    session.run('put', { n: 127 });
    expect(session.run('increment', ['n', 1]).status).toBe('too_large');
    expect(session.run('increment', ['n', -127])).toMatchObject({ status: 'ok', body: 0 });
  });

  test('gives what a naive model over decoded values gives', () => {
    const integer = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -300n, max: 300n }),
      fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), 2n ** 32n, 2n ** 31n, 2n ** 63n),
    );
    const float = fc.double().filter((value) => !Number.isInteger(value));
    const amount = fc.oneof(integer, integer, float);
    const step = fc.tuple(fc.constantFrom('a', 'b', 'ä'), amount);
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('a', 'b'), amount),
        fc.array(step),
        (data, steps) => {
          const session = new DataSession();
          session.run('put', data);
          const model: Record<string, bigint | number> = { ...data };
          for (const [field, delta] of steps) {
            const value = model[field] ?? 0n;
            const isExact = typeof value === 'bigint' && typeof delta === 'bigint';
            const sum = isExact ? value + delta : Number(value) + Number(delta);
            const isGood = isExact ? Number.isSafeInteger(Number(sum)) : Number.isFinite(sum);
            const answer = session.run('increment', [field, delta]);
            expect(answer.status).toBe(isGood ? 'ok' : 'invalid_body');
            if (!isGood) continue;
            model[field] = sum;
            expect(Number(answer.body)).toBe(Number(sum) + 0);
            expect(answer.bytes[0] === 0xcb).toBe(!isExact);
          }
          const fields = Object.entries(session.value() as object);
          const numbers = fields.map(([name, value]) => [name, Number(value)]);
          const expected = Object.entries(model).map(([name, value]) => [name, Number(value)]);
          expect(new Map(numbers as never)).toEqual(new Map(expected as never));
        },
      ),
      runs(300),
    );
  });
});
