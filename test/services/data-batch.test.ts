/** `batch`: several operations as one commit, all or none. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { runs } from '../core/helpers.ts';
import { type ModelState, runModel } from './data-model.ts';
import { concat, DataSession, hex } from './helpers.ts';

/** A session whose data was written twice. */
function session(options = {}): DataSession {
  const made = new DataSession(options);
  made.run('put', {});
  made.run('put', { a: 1 });
  return made;
}

describe('batch', () => {
  test('runs operations in order, each on what those before it left, as one write', () => {
    const s = session();
    const answer = s.run('batch', [
      ['get', null],
      ['merge', { b: 2 }],
      ['increment', ['a', 4]],
      [1, null],
      ['put_if', [3, { c: 3 }]],
      ['peek', null],
      ['put', { d: 4 }],
      [10, null],
      ['echo', ['x']],
      ['touch', null],
    ]);
    expect(answer).toMatchObject({
      status: 'ok',
      body: [
        [2, { a: 1 }],
        3,
        5,
        [3, { a: 5, b: 2 }],
        3,
        [3, { c: 3 }],
        3,
        [3, { d: 4 }],
        ['x'],
        null,
      ],
    });
    expect([s.version, s.value()]).toEqual([3, { d: 4 }]);
  });

  test('changes no version if nothing in it writes', () => {
    const s = session();
    expect(s.run('batch', [])).toMatchObject({ status: 'ok', body: [] });
    expect(s.run('batch', [['get', null]])).toMatchObject({ body: [[2, { a: 1 }]] });
    expect([s.version, s.value()]).toEqual([2, { a: 1 }]);
  });

  test('is all or none: the first failure is its status, and it changes nothing', () => {
    const s = session();
    const before = [
      ['set_ttl', 5],
      ['put', { b: 1 }],
      ['increment', ['b', 1]],
    ];
    const failing: [unknown, string, unknown][] = [
      [['put_if', [2, {}]], 'conflict', 3],
      [['put', 1], 'invalid_body', 'put takes a map'],
      [['merge', null], 'invalid_body', 'merge takes a map'],
      [['get', 1], 'invalid_body', 'get and peek take nil'],
      [['set_ttl', 0], 'invalid_body', expect.any(String)],
      [['increment', ['b', 'x']], 'invalid_body', expect.any(String)],
    ];
    for (const [part, status, body] of failing) {
      const answer = s.run('batch', [...before, part, ['put', { never: 1 }]]);
      expect(answer).toMatchObject({ status, body: [3, body] });
      expect([s.version, s.ttlMs, s.value()]).toEqual([2, TTL_NEVER, { a: 1 }]);
    }
  });

  test('compares a put_if with the version that a get in it would answer', () => {
    const s = session();
    const body = [
      ['put_if', [2, { b: 1 }]],
      ['put_if', [3, { c: 1 }]],
    ];
    expect(s.run('batch', body)).toMatchObject({ status: 'ok', body: [3, 3] });
    expect(s.run('batch', body)).toMatchObject({ status: 'conflict', body: [0, 3] });
    expect([s.version, s.value()]).toEqual([3, { c: 1 }]);
  });

  test('info in it sees the TTL, the version and the data that were set before', () => {
    const s = session();
    Object.assign(s.context, { nowMs: 1500, activeMs: 1000, createdMs: 10, session: 7 });
    Object.assign(s.context, { lastRequest: 9, capabilityNames: ['x', 'y'], capabilities: 2 });
    const parts = [
      ['info', null],
      ['set_ttl', 800],
      ['put', {}],
      ['info', null],
      ['set_ttl', null],
    ];
    const answer = s.run('batch', [...parts, [6, null]]);
    const same = { created_ms: 10, last_activity_ms: 1000, session: 7, request: 9 };
    const first = { ...same, ttl_ms: null, expires_in_ms: null, version: 2, data_bytes: 4 };
    const third = { ...same, version: 3, data_bytes: 1, capabilities: ['y'] };
    expect(answer.body).toMatchObject([
      first,
      null,
      3,
      { ...third, ttl_ms: 800, expires_in_ms: 300 },
      null,
      { ...third, ttl_ms: null, expires_in_ms: null },
    ]);
    expect(s.ttlMs).toBe(TTL_NEVER);
  });

  test('sets the last TTL in it when it commits', () => {
    const s = session();
    const answer = s.run('batch', [
      ['set_ttl', 5],
      [8, 2 ** 32 - 2],
    ]);
    expect(answer).toMatchObject({ status: 'ok', body: [null, null] });
    expect([s.ttlMs, s.version]).toEqual([2 ** 32 - 2, 2]);
  });

  test('takes names and numbers in any width', () => {
    const s = session();
    const names = ['a3 676574', 'd903 676574', 'da0003 676574', 'db00000003 676574'];
    const numbers = ['01', 'cc01', 'cd0001', 'd101', 'cb3ff0000000000000'].map((number) =>
      number === 'd101' ? 'd10001' : number,
    );
    for (const operation of [...names, ...numbers]) {
      const answer = s.runBytes('batch', hex(`dd00000001 dc0002 ${operation} c0`));
      expect(answer).toMatchObject({ status: 'ok', body: [[2, { a: 1 }]] });
    }
  });

  test('refuses operations that it may not contain, also itself', () => {
    const s = session();
    const unknown = ['batch', 9, 'nothing', '', 'get ', 'constructor', 11, 255, -1, 0.5, null, [1]];
    for (const operation of [...unknown, 2n ** 64n - 1n, Number.NaN, new Uint8Array(1), {}]) {
      const answer = s.run('batch', [
        ['put', {}],
        [operation, []],
      ]);
      expect(answer).toMatchObject({ status: 'invalid_body', body: [1, expect.any(String)] });
    }
    expect(s.version).toBe(2);
  });

  test('refuses what is not an array of pairs', () => {
    const s = session();
    for (const body of [null, 1, 'get', {}, { get: null }]) {
      const answer = s.run('batch', body);
      expect(answer).toMatchObject({ status: 'invalid_body', body: expect.any(String) });
    }
    expect(s.runBytes('batch', new Uint8Array(0)).status).toBe('invalid_body');
    for (const part of [null, 1, 'get', [], ['get'], ['get', null, null], {}]) {
      const answer = s.run('batch', [['put', {}], part]);
      expect(answer).toMatchObject({ status: 'invalid_body', body: [1, expect.any(String)] });
    }
    expect(s.version).toBe(2);
  });

  test('takes 64 operations and no more', () => {
    const s = session();
    const parts = Array.from({ length: 64 }, () => ['increment', ['n', 1]]);
    const counted = Array.from({ length: 64 }, (_, i) => i + 1);
    expect(s.run('batch', parts)).toMatchObject({ status: 'ok', body: counted });
    expect([s.version, s.value()]).toEqual([3, { a: 1, n: 64 }]);
    const answer = s.run('batch', [...parts, ['touch', null]]);
    expect(answer).toMatchObject({ status: 'invalid_body', body: expect.any(String) });
    expect(s.version).toBe(3);
  });
});

describe('a batch over a limit', () => {
  test('is too large with its replies together, and changes nothing', () => {
    const s = session({ replyBytesMax: 32 });
    const echo = ['echo', 'x'.repeat(20)];
    expect(s.run('batch', [['set_ttl', 5], echo])).toMatchObject({ status: 'ok' });
    const answer = s.run('batch', [['set_ttl', 6], ['put', {}], echo, echo]);
    expect(answer).toMatchObject({ status: 'too_large', body: null });
    expect([s.version, s.ttlMs, s.value()]).toEqual([2, 5, { a: 1 }]);
  });

  test('is too large with one operation, and says which', () => {
    const s = session({ replyBytesMax: 32, dataBytesMax: 16 });
    const answers = [
      s.run('batch', [
        ['put', {}],
        ['merge', { b: 'x'.repeat(16) }],
        ['put', {}],
      ]),
      s.run('batch', [
        ['put', {}],
        ['echo', 'x'.repeat(32)],
      ]),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'too_large', body: [1, null] });
    }
    expect([s.version, s.value()]).toEqual([2, { a: 1 }]);
  });

  test('a failure keeps its status where its result does not fit with the index', () => {
    const s = session({ replyBytesMax: 17 });
    const alone = s.run('put', 1);
    expect(alone).toMatchObject({ status: 'invalid_body', body: 'put takes a map' });
    expect(s.run('batch', [['put', 1]])).toMatchObject({ status: 'invalid_body', body: null });
  });

  test('a batch that needs more memory than any before gets it, and a small one goes on', () => {
    for (const bytes of [40, 5000, 7, 200_000, 12]) {
      const s = session({ replyBytesMax: bytes * 3 + 99, dataBytesMax: bytes + 99 });
      const value = 'x'.repeat(bytes);
      const answer = s.run('batch', [
        ['merge', { b: value }],
        ['get', null],
        ['echo', value],
      ]);
      expect(answer.body).toEqual([3, [3, { a: 1, b: value }], value]);
      expect(s.value()).toEqual({ a: 1, b: value });
    }
  });
});

test('operations in a batch carry values byte for byte, wherever in it they start', () => {
  const value = hex('cf 0000000000000001');
  for (let shift = 0; shift < 5; shift++) {
    const s = new DataSession();
    const shifter = concat(hex('92 00'), encode('x'.repeat(shift)));
    const put = concat(hex('92 02 81 d90161'), value);
    const merge = concat(hex('92 04 81 d90162'), value);
    s.runBytes('batch', concat(hex('94'), shifter, put, merge, shifter));
    expect(s.data).toEqual(concat(hex('82 d90161'), value, hex('d90162'), value));
  }
});

test('bytes that end inside a value are an assertion, and the next batch works', () => {
  const s = session();
  for (const body of ['91 92 01', '91 92 04 82 a1', '92 92 01 c0', '91 92 a3 67', '91 dc00']) {
    expect(() => s.runBytes('batch', hex(body))).toThrow('a value lies within its bytes');
  }
  expect(s.run('batch', [['get', null]])).toMatchObject({ body: [[2, { a: 1 }]] });
});

describe('operations and batches at random', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const number = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constant(0.5));
  const value = fc.oneof(number, number, fc.constantFrom(null, 'text', true));
  const map = fc.dictionary(name, value, { maxKeys: 3 });
  const version = fc.integer({ min: 0, max: 12 });
  const nothing = fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, value);
  const body: Record<string, fc.Arbitrary<unknown>> = {
    echo: value,
    get: nothing,
    put: fc.oneof({ weight: 9, arbitrary: map }, value),
    put_if: fc.tuple(version, map),
    merge: fc.oneof({ weight: 9, arbitrary: map }, value),
    increment: fc.tuple(name, number),
    touch: nothing,
    set_ttl: fc.oneof(fc.integer({ min: -1, max: 99 }), fc.constant(null)),
    peek: nothing,
  };
  const numbers: Record<string, number> = { echo: 0, get: 1, put: 2, put_if: 3, merge: 4 };
  const single = fc.oneof(...Object.keys(body).map((key) => fc.tuple(fc.constant(key), body[key])));
  const part = fc.oneof(
    { weight: 40, arbitrary: single },
    { weight: 20, arbitrary: single.map(([key, given]) => [numbers[key] ?? key, given]) },
    { weight: 1, arbitrary: fc.constantFrom(['batch', []], ['get'], 5, ['what', null]) },
  );
  const batch = fc.tuple(fc.constant('batch'), fc.array(part, { maxLength: 8 }));
  const steps = fc.array(fc.oneof(single, batch, batch), { maxLength: 12 });

  test('answer and leave what a naive model does', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const s = new DataSession();
        const model: ModelState = { version: 0, ttlMs: null, data: {} };
        for (const [operation, given] of steps) {
          const answer = s.run(operation, given);
          const expected = runModel(model, operation, given);
          expect(answer.status).toBe(expected.status);
          expect(answer.body).toEqual(explained(expected.body));
          expect(s.version).toBe(model.version);
          expect(s.ttlMs).toBe(model.ttlMs ?? TTL_NEVER);
          expect(s.data.length === 0 ? {} : s.value()).toEqual(model.data);
        }
      }),
      runs(1000),
    );
  });
});

/** What the model leaves open is a text, alone or as the result of a part of a batch. */
function explained(body: unknown): unknown {
  if (body === undefined) return expect.any(String);
  return Array.isArray(body) && body[1] === undefined && body.length === 2
    ? [body[0], expect.any(String)]
    : body;
}
