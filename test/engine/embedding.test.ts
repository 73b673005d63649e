/** The asynchronous interface of an embedded engine, for each way in which it can run. */
import { describe, expect, test } from 'vitest';
import type { RunPolicy } from '../../dist/workers/router-options.js';
import * as h from './helpers.ts';

const A = h.id(1);
const B = h.id(2);

const WAYS: { shards: number; run: RunPolicy }[] = [
  { shards: 0, run: 'auto' },
  { shards: 1, run: 'auto' },
  { shards: 1, run: 'worker' },
  { shards: 4, run: 'auto' },
  { shards: 2, run: 'worker' },
  { shards: 2, run: 'direct' },
];

describe.each(WAYS)('an engine with $shards shards, run $run', (way) => {
  test('registers, resumes and registers anew with a higher session number', async () => {
    const engine = await h.startEngine({ ...way, ttlMs: 5000 });
    const first = await engine.register(A);
    expect(first).toMatchObject({ request: 0, resumed: false, ttlMs: 5000 });
    await engine.request(A, first.session, 1, 'put', { n: 1 });
    const again = await engine.register(A, { ttlMs: 7 });
    expect(again).toEqual({
      session: first.session,
      request: 1,
      resumed: true,
      ttlMs: 5000,
      rate: null,
      capabilities: [],
    });
    await engine.close(A, first.session);
    expect(engine.sessions).toBe(0);
    const next = await engine.register(A, { ttlMs: null });
    expect(next).toMatchObject({ request: 0, resumed: false, ttlMs: null });
    expect(next.session).toBeGreaterThan(first.session);
    expect(await engine.call(A, 'get')).toMatchObject({ body: [0, {}] });
  });

  test('executes each request once and answers a duplicate with the same bytes', async () => {
    const engine = await h.startEngine(way);
    const { session } = await engine.register(A);
    const body = { list: [1, 2, 3], deep: { text: 'ü', none: null, float: 1.5 } };
    const reply = await engine.request(A, session, 1, 'echo', body);
    expect(reply).toEqual({ status: 'ok', body, replayed: false });
    await engine.request(B, (await engine.register(B)).session, 1, 'echo', 'other');
    const again = await engine.request(A, session, 1, 'echo', body);
    expect(again).toEqual({ status: 'ok', body, replayed: true });
    expect(await engine.request(A, session, 2, 'put', { n: 1 })).toMatchObject({ body: 1 });
    expect(await engine.request(A, session, 2, 'put', { n: 1 })).toMatchObject({ body: 1 });
    expect(await engine.call(A, 'get')).toEqual({
      status: 'ok',
      body: [1, { n: 1 }],
      replayed: false,
    });
  });

  test('refuses what is out of sequence, and consumes no number for it', async () => {
    const engine = await h.startEngine(way);
    const { session } = await engine.register(A);
    await engine.request(A, session, 1, 'put', { n: 1 });
    await engine.request(A, session, 2, 'put', { n: 2 });
    const refused = async (request: number, body: unknown, of = session) =>
      (await h.failure(engine.request(A, of, request, 'put', body))).code;
    expect(await refused(2, { n: 3 })).toBe('request_mismatch');
    expect(await refused(1, { n: 1 })).toBe('request_stale');
    expect(await refused(0, { n: 1 })).toBe('request_stale');
    expect(await refused(4, { n: 4 })).toBe('request_gap');
    expect(await refused(2 ** 32 - 1, {})).toBe('request_gap');
    expect(await refused(3, {}, session + 1)).toBe('session_too_high');
    expect(await refused(3, {}, session + 2 ** 32)).toBe('session_too_high');
    const low = await h.failure(engine.request(A, session - 1, 3, 'put', {}));
    expect(low).toMatchObject({ name: 'SessionEvictedError', reason: 'session_too_low' });
    expect(await engine.request(A, session, 3, 'put', { n: 3 })).toMatchObject({ body: 3 });
  });

  test('answers an id without a session, and one whose session was closed', async () => {
    const engine = await h.startEngine(way);
    const none = await h.failure(engine.request(A, 1, 1, 'echo'));
    expect(none).toMatchObject({ name: 'SessionEvictedError', reason: 'no_session', id: A });
    expect(await h.failure(engine.call(A, 'get'))).toMatchObject({ code: 'no_session' });
    await engine.close(A);
    const { session } = await engine.register(A);
    await engine.close(A, session + 1).catch((error) => {
      expect(error).toMatchObject({ code: 'session_too_high' });
    });
    await engine.close(A);
    expect(engine.sessions).toBe(0);
    const closed = await h.failure(engine.request(A, session, 1, 'echo'));
    expect(closed).toMatchObject({ reason: 'closed', session });
    await h.checkTables(engine);
  });

  test('refuses unknown operations and long bodies; keeps data when new is too long', async () => {
    const engine = await h.startEngine({ ...way, bodyBytesMax: 200, dataBytesMax: 64 });
    const { session } = await engine.register(A);
    await engine.request(A, session, 1, 'put', { kept: true });
    for (const operation of ['nothing', 'constructor', '__proto__', 77, 1.5, -1, 256]) {
      const error = await h.failure(engine.request(A, session, 2, operation));
      expect(error).toMatchObject({ name: 'RefusedError', code: 'unknown_operation' });
      expect(await h.failure(engine.call(A, operation))).toMatchObject({ code: error.code });
    }
    const long = await h.failure(engine.request(A, session, 2, 'echo', 'x'.repeat(199)));
    expect(long).toMatchObject({ code: 'body_too_large' });
    expect(await engine.request(A, session, 2, 'put', { long: 'x'.repeat(80) })).toEqual({
      status: 'too_large',
      body: null,
      replayed: false,
    });
    expect(await engine.request(A, session, 3, 'get')).toMatchObject({ body: [1, { kept: true }] });
  });

  test('evicts the session that committed longest ago when it is full', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 3 });
    const sessions: number[] = [];
    for (const n of [1, 2, 3]) sessions.push((await engine.register(h.id(n))).session);
    await engine.request(h.id(1), sessions[0], 1, 'echo');
    await engine.call(h.id(2), 'get');
    await engine.register(h.id(3));
    await engine.register(h.id(4));
    expect(engine.sessions).toBe(3);
    const error = await h.failure(engine.request(h.id(3), sessions[2], 1, 'echo'));
    expect(error).toMatchObject({ reason: 'evicted', session: sessions[2] });
    await engine.request(h.id(1), sessions[0], 2, 'echo');
    await engine.request(h.id(2), sessions[1], 1, 'echo');
    await h.checkTables(engine);
  });

  test('refuses instead of evicting, but takes the place of an expired session', async () => {
    const engine = await h.startEngine({ ...way, sessionsMax: 2, onFull: 'reject' });
    const { session } = await engine.register(A, { ttlMs: 1 });
    await engine.register(B);
    await h.clockPast(3);
    await engine.register(h.id(3));
    expect(await h.failure(engine.register(h.id(4)))).toMatchObject({ code: 'sessions_exhausted' });
    expect(await engine.register(B)).toMatchObject({ resumed: true });
    const error = await h.failure(engine.request(A, session, 1, 'echo'));
    expect(error).toMatchObject({ reason: 'expired' });
    expect(engine.sessions).toBe(2);
  });

  test('stops once, refuses what comes later and leaves nothing pending', async () => {
    const engine = await h.startEngine(way);
    const { session } = await engine.register(A);
    const pending = [
      engine.request(A, session, 1, 'put', { n: 1 }),
      engine.register(B),
      engine.call(A, 'get'),
    ];
    const settled = Promise.allSettled(pending);
    const stopped = engine.stop();
    const during = Promise.allSettled([engine.register(h.id(3)), engine.close(A)]);
    expect(engine.stop()).toBe(stopped);
    await stopped;
    for (const { status } of await settled) expect(status).toBe('fulfilled');
    expect(await during).toHaveLength(2);
    expect(await h.failure(engine.register(A))).toMatchObject({ code: 'shutting_down' });
    const late = await h.failure(engine.request(A, session, 2, 'echo'));
    expect(late).toMatchObject({ name: 'RefusedError', code: 'shutting_down' });
    expect(await h.failure(engine.call(A, 'get'))).toMatchObject({ code: 'shutting_down' });
    expect(await h.failure(engine.close(A))).toMatchObject({ code: 'shutting_down' });
    await engine.stop();
  });
});

test('an argument that is wrong is refused by name, and the engine goes on', async () => {
  const engine = await h.startEngine({ shards: 0 });
  const { session } = await engine.register(A);
  const wrong: [string, () => Promise<unknown>][] = [
    ['id', () => engine.register('')],
    ['id', () => engine.register('0'.repeat(32))],
    ['id', () => engine.register(new Uint8Array(15))],
    ['ttlMs', () => engine.register(B, { ttlMs: 0 })],
    ['ttlMs', () => engine.register(B, { ttlMs: 2 ** 32 - 1 })],
    ['session', () => engine.request(A, -1, 1, 'echo')],
    ['session', () => engine.request(A, 2 ** 53, 1, 'echo')],
    ['request', () => engine.request(A, session, 2 ** 32, 'echo')],
    ['request', () => engine.request(A, session, 1.5, 'echo')],
    ['session', () => engine.close(A, 0.5)],
  ];
  for (const [option, call] of wrong) {
    expect(await h.failure(call())).toMatchObject({ name: 'InvalidOptionError', option });
  }
  expect(engine.sessions).toBe(1);
  expect(await engine.request(A, session, 1, 'echo', 5)).toMatchObject({ body: 5 });
});
