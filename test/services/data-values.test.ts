/** The operations of the built-in service on whole values, on the lifetime, and `info`. */
import { encode } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { checkService } from '../../src/services/service.ts';
import { sessionData } from '../../src/services/session-data.ts';
import { DataSession, hex } from './helpers.ts';

const NOTHING = new Uint8Array(0);

test('the service declares its operations as the protocol lists them', () => {
  const { names, byNumber, service, portable } = checkService(sessionData);
  const declared = Object.entries(names).map(([name, number]) => {
    const { unsequenced, readOnly = false, touches = true } = byNumber[number]!;
    return [number, name, unsequenced, readOnly, touches];
  });
  expect(declared.sort((a, b) => Number(a[0]) - Number(b[0]))).toEqual([
    [0, 'echo', true, true, true],
    [1, 'get', true, true, true],
    [2, 'put', true, false, true],
    [3, 'put_if', true, false, true],
    [4, 'merge', true, false, true],
    [5, 'increment', true, false, true],
    [6, 'info', true, true, true],
    [7, 'touch', true, true, true],
    [8, 'set_ttl', true, false, false],
    [9, 'batch', true, false, true],
    [10, 'peek', true, true, false],
  ]);
  expect([portable, service.initialData]).toEqual([true, true]);
});

describe('get, peek, put and echo', () => {
  test('data is an empty map of version 0 until it is written', () => {
    const session = new DataSession();
    expect(session.run('get').bytes).toEqual(hex('92 00 80'));
    expect(session.run('peek').bytes).toEqual(hex('92 00 80'));
  });

  test('a put replaces the data byte for byte and counts the version up', () => {
    const session = new DataSession();
    const map = hex('de 00 01 d9 01 61 cb 3f f0 00 00 00 00 00 00');
    expect(session.runBytes('put', map)).toMatchObject({ status: 'ok', body: 1 });
    expect(session.data).toEqual(map);
    expect(session.run('get')).toMatchObject({ status: 'ok', body: [1, { a: 1 }] });
    expect(session.run('put', {})).toMatchObject({ body: 2 });
    expect(session.run('peek')).toMatchObject({ body: [2, {}] });
  });

  test.each([[[]], [null], [1], ['a'], [new Uint8Array(2)]])('put refuses %j', (body) => {
    const session = new DataSession();
    expect(session.run('put', body)).toMatchObject({
      status: 'invalid_body',
      body: 'put takes a map',
    });
    expect([session.version, session.data.length]).toEqual([0, 0]);
  });

  test('echo answers with the body, byte for byte', () => {
    const body = hex('da 00 01 61');
    expect(new DataSession().runBytes('echo', body).bytes).toEqual(body);
  });

  test('data above its limit is too large and changes nothing', () => {
    const session = new DataSession({ dataBytesMax: 8 });
    session.run('put', { a: 1 });
    const answer = session.run('put', { a: 'longer than 8' });
    expect(answer).toMatchObject({ status: 'too_large', body: null });
    expect([session.version, session.value()]).toEqual([1, { a: 1 }]);
  });
});

describe('operations that take nothing', () => {
  test.each(['get', 'peek', 'info', 'touch'])('%s takes nil or no body at all', (name) => {
    const session = new DataSession();
    expect(session.runBytes(name, NOTHING).status).toBe('ok');
    expect(session.run(name, null).status).toBe('ok');
    for (const body of [0, false, '', [], {}, [null]]) {
      const answer = session.run(name, body);
      expect(answer).toMatchObject({ status: 'invalid_body', body: expect.any(String) });
    }
  });

  test('touch answers nil', () => {
    expect(new DataSession().run('touch')).toMatchObject({ status: 'ok', body: null });
  });

  test('a refusal keeps its status where its explanation does not fit', () => {
    const session = new DataSession({ replyBytesMax: 4 });
    expect(session.run('put', 1)).toMatchObject({ status: 'invalid_body', body: null });
    const failed = session.run('batch', [['put', 1]]);
    expect(failed).toMatchObject({ status: 'invalid_body', body: [0, null] });
  });
});

describe('put_if', () => {
  test('writes if the version is the expected one', () => {
    const session = new DataSession();
    expect(session.run('put_if', [0, { a: 1 }])).toMatchObject({ status: 'ok', body: 1 });
    expect(session.run('put_if', [1, { a: 2 }])).toMatchObject({ status: 'ok', body: 2 });
    expect(session.value()).toEqual({ a: 2 });
  });

  test('answers the current version if it is another one, and changes nothing', () => {
    const session = new DataSession();
    session.run('put', { a: 1 });
    for (const expected of [0, 2, 2 ** 53 - 1]) {
      const answer = session.run('put_if', [expected, { a: 2 }]);
      expect(answer).toMatchObject({ status: 'conflict', body: 1 });
    }
    expect([session.version, session.value()]).toEqual([1, { a: 1 }]);
  });

  test('takes the version in any width, also as a whole float, and any header of the pair', () => {
    for (const version of ['cc 01', 'cd 0001', 'd3 0000000000000001', 'cb 3ff0000000000000']) {
      const session = new DataSession();
      session.run('put', {});
      const body = hex(`dd 00000002 ${version} df 00000001 a1 62 ca 40000000`);
      expect(session.runBytes('put_if', body).status).toBe('ok');
      expect(session.data).toEqual(hex('df 00000001 a1 62 ca 40000000'));
    }
  });

  test.each([
    [null],
    [{}],
    [[]],
    [[0]],
    [[0, {}, 0]],
    [[0, []]],
    [[0, null]],
    [['0', {}]],
    [[-1, {}]],
    [[0.5, {}]],
    [[Number.NaN, {}]],
    [[2 ** 53, {}]],
    [[2n ** 64n - 1n, {}]],
    [[{}, {}]],
  ])('refuses %s', (body) => {
    const session = new DataSession();
    expect(session.run('put_if', body).status).toBe('invalid_body');
    expect(session.version).toBe(0);
  });

  test('refuses a body that is absent', () => {
    expect(new DataSession().runBytes('put_if', NOTHING).status).toBe('invalid_body');
  });
});

describe('set_ttl', () => {
  test.each([1, 60_000, 2 ** 32 - 2])('sets %i milliseconds', (ttlMs) => {
    const session = new DataSession();
    expect(session.run('set_ttl', ttlMs)).toMatchObject({ status: 'ok', body: null });
    expect([session.ttlMs, session.version]).toEqual([ttlMs, 0]);
    session.runBytes('set_ttl', encode(BigInt(ttlMs), { useBigInt64: true }));
    expect(session.ttlMs).toBe(ttlMs);
  });

  test('takes nil for never', () => {
    const session = new DataSession();
    session.run('set_ttl', 5);
    expect(session.run('set_ttl', null)).toMatchObject({ status: 'ok', body: null });
    expect(session.ttlMs).toBe(TTL_NEVER);
  });

  const wrong = [0, -1, 0.5, 2 ** 32 - 1, 2 ** 32, 2n ** 63n, Number.NaN, Number.POSITIVE_INFINITY];
  test.each([...wrong, '5', true, [5], {}])('refuses %s', (body) => {
    const session = new DataSession();
    session.run('set_ttl', 5);
    const answer = session.run('set_ttl', body);
    expect(answer).toMatchObject({ status: 'invalid_body', body: expect.any(String) });
    expect(session.ttlMs).toBe(5);
  });
});

describe('info', () => {
  /** A session that is 2.5 s old on its clock and was active 1.25 s ago. */
  function aged(ttlMs: number): DataSession {
    const session = new DataSession();
    session.ttlMs = ttlMs;
    Object.assign(session.context, {
      createdMs: 500.25,
      activeMs: 1750.5,
      nowMs: 3000.75,
      wallOffsetMs: 1_700_000_000_000.5,
      session: 2 ** 40,
      lastRequest: 2 ** 32 - 1,
    });
    return session;
  }

  test('tells what is known about a session that never expires', () => {
    const session = aged(TTL_NEVER);
    session.run('put', { a: 1 });
    const { body } = session.run('info');
    expect(body).toEqual({
      created_ms: 1_700_000_000_500n,
      last_activity_ms: 1_700_000_001_751n,
      ttl_ms: null,
      expires_in_ms: null,
      version: 1,
      data_bytes: 4,
      session: 2n ** 40n,
      request: 2 ** 32 - 1,
      capabilities: [],
    });
  });

  test.each([
    [5000, 3750],
    [1251, 1],
    [1250, 0],
    [1, 0],
    [2 ** 32 - 2, 2 ** 32 - 1252],
  ])('a TTL of %i ms leaves %i ms, rounded up and never below 0', (ttlMs, left) => {
    expect(aged(ttlMs).run('info').body).toMatchObject({ ttl_ms: ttlMs, expires_in_ms: left });
  });

  test('lists the capabilities that were granted, in the order of their bits', () => {
    const session = aged(1000);
    const names = Array.from({ length: 31 }, (_, bit) => `capability ${bit}`);
    Object.assign(session.context, { capabilityNames: names, capabilities: 0x40000005 });
    const granted = ['capability 0', 'capability 2', 'capability 30'];
    expect(session.run('info').body).toMatchObject({ capabilities: granted });
    session.context.capabilities = 0x7fffffff;
    expect(session.run('info').body).toMatchObject({ capabilities: names });
  });

  test('is too large for a reply limit below its length', () => {
    const session = new DataSession({ replyBytesMax: 64 });
    expect(session.run('info')).toMatchObject({ status: 'too_large', body: null });
  });
});
