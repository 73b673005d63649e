/** Rate limits, capabilities and first data, for each way in which an engine can run. */
import { describe, expect, test } from 'vitest';
import type { RunPolicy } from '../../dist/workers/router-options.js';
import * as h from './helpers.ts';

const A = h.id(1);
const B = h.id(2);
const service = h.beside('./services/limited.mjs');

const WAYS: { shards: number; run: RunPolicy }[] = [
  { shards: 0, run: 'auto' },
  { shards: 1, run: 'direct' },
  { shards: 1, run: 'worker' },
];

describe.each(WAYS)('rate limits, with $shards shards, run $run', (way) => {
  test('admit a burst and then refuse, consume no number and say how long to wait', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session, rate } = await engine.register(A, { rate: { perSecond: 1, burst: 3 } });
    expect(rate).toEqual({ perSecond: 1, burst: 3 });
    for (let n = 1; n <= 3; n++) await engine.request(A, session, n, 'count');
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const error = await h.failure(engine.request(A, session, 4, 'count'));
      expect(error).toMatchObject({ name: 'RateLimitedError', code: 'rate_limited' });
      waits.push(error.retryAfterMs as number);
    }
    // A denial stores nothing, so the wait only ever falls.
    expect(waits).toEqual([...waits].sort((a, b) => b - a));
    expect(waits[0]).toBeLessThanOrEqual(1000);
    expect(waits.every((ms) => Number.isInteger(ms) && ms >= 1)).toBe(true);
    expect(await engine.call(A, 'read')).toMatchObject({ body: { n: 3 } });
    expect((await engine.register(A)).request).toBe(3);
  });

  test('admit again once the time has passed that they told', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session } = await engine.register(A, { rate: { perSecond: 20, burst: 1 } });
    for (let n = 1; n <= 5; n++) {
      await engine.request(A, session, n, 'count');
      const refused = await engine.request(A, session, n + 1, 'count').catch((error) => error);
      if (refused.code === 'rate_limited') await h.clockPast(refused.retryAfterMs + 1);
      else n += 1;
    }
    expect((await engine.call(A, 'read')).body).toMatchObject({ n: (await last(engine)).n });
  });

  async function last(engine: Awaited<ReturnType<typeof h.startEngine>>): Promise<{ n: number }> {
    return { n: (await engine.register(A)).request };
  }

  test('say never for what costs more than the burst, and let the rest through', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session } = await engine.register(A, { rate: { perSecond: 1, burst: 999 } });
    for (const asked of [
      () => engine.request(A, session, 1, 'huge'),
      () => engine.call(A, 'huge'),
    ]) {
      expect(await h.failure(asked())).toMatchObject({
        code: 'rate_limited',
        retryAfterMs: Number.POSITIVE_INFINITY,
      });
    }
    expect(await engine.request(A, session, 1, 'heavy')).toMatchObject({ body: 1 });
  });

  test('take what an operation costs, of a call as of a request, never nothing', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session } = await engine.register(A, { rate: { perSecond: 1, burst: 10 } });
    await engine.request(A, session, 1, 'heavy');
    await engine.call(A, 'heavy');
    for (let i = 0; i < 30; i++) await engine.call(A, 'free');
    await engine.call(A, 'heavy');
    const error = await h.failure(engine.call(A, 'heavy'));
    // Two of three are missing, less what has passed since the first.
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(error.retryAfterMs).toBeLessThanOrEqual(2000);
    await engine.call(A, 'count');
    expect(await h.failure(engine.call(A, 'count'))).toMatchObject({ code: 'rate_limited' });
    await engine.call(A, 'free');
    // Another session has its own, which is none.
    await engine.register(B);
    for (let i = 0; i < 50; i++) await engine.call(B, 'count');
  });

  test('cost nothing for duplicates, refusals and resumed registers', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session } = await engine.register(A, { rate: { perSecond: 1, burst: 2 } });
    await engine.request(A, session, 1, 'count');
    for (let i = 0; i < 5; i++) {
      expect(await engine.request(A, session, 1, 'count')).toMatchObject({ replayed: true });
      for (const [number, operation] of [
        [1, 'heavy'],
        [0, 'count'],
        [7, 'count'],
        [2, 'reset'],
      ] as const) {
        await h.failure(engine.request(A, session, number, operation));
      }
      await h.failure(engine.request(A, session + 1, 2, 'count'));
      await h.failure(engine.call(A, 'sequenced'));
      await h.failure(engine.call(A, 'reset'));
      await engine.register(A, { rate: { perSecond: 100_000, burst: 1_000_000 } });
    }
    expect(await engine.request(A, session, 2, 'count')).toMatchObject({ replayed: false });
    expect(await engine.request(A, session, 2, 'count')).toMatchObject({ replayed: true });
    expect(await h.failure(engine.request(A, session, 3, 'count'))).toMatchObject({
      code: 'rate_limited',
    });
  });

  test('are the default of the engine where a session asks for none', async () => {
    const engine = await h.startEngine({ ...way, service, rate: { perSecond: 1, burst: 1 } });
    const { session, rate } = await engine.register(A);
    expect(rate).toEqual({ perSecond: 1, burst: 1 });
    expect((await engine.inspect(A))?.rate).toEqual(rate);
    await engine.request(A, session, 1, 'count');
    expect(await h.failure(engine.request(A, session, 2, 'count'))).toMatchObject({
      code: 'rate_limited',
    });
    const own = await engine.register(B, { rate: { perSecond: 7, burst: 50 } });
    expect(own.rate).toEqual({ perSecond: 7, burst: 50 });
    for (let n = 1; n <= 50; n++) await engine.request(B, own.session, n, 'count');
    // A new session of the same client has its burst again.
    await engine.close(A);
    const next = await engine.register(A);
    expect(await engine.request(A, next.session, 1, 'count')).toMatchObject({ body: 1 });
  });

  test('refuse wrong rates by name, of an engine and of a session', async () => {
    const engine = await h.startEngine({ ...way, service });
    for (const [perSecond, burst, option] of [
      [0, 1, 'rate.perSecond'],
      [100_001, 1, 'rate.perSecond'],
      [1.5, 1, 'rate.perSecond'],
      [1, 0, 'rate.burst'],
      [1, 1_000_001, 'rate.burst'],
    ] as const) {
      const wrong = { name: 'InvalidOptionError', option };
      const rate = { perSecond, burst };
      expect(await h.failure(engine.register(A, { rate }))).toMatchObject(wrong);
      expect(await h.failure(h.startEngine({ ...way, rate }))).toMatchObject(wrong);
    }
    expect(engine.sessions).toBe(0);
  });
});

describe.each(WAYS)('capabilities, with $shards shards, run $run', (way) => {
  test('are those that were asked for and that the service has', async () => {
    const engine = await h.startEngine({ ...way, service });
    const asked = ['admin', 'nobody', 'read', 'admin'];
    const { capabilities } = await engine.register(A, { capabilities: asked });
    expect(capabilities).toEqual(['read', 'admin']);
    expect((await engine.inspect(A))?.capabilities).toEqual(capabilities);
    expect(await engine.call(A, 'granted')).toMatchObject({ body: capabilities });
    const again = await engine.register(A, { capabilities: ['write'] });
    expect(again).toMatchObject({ resumed: true, capabilities });
    expect(await engine.register(B)).toMatchObject({ capabilities: [] });
    expect(await engine.call(B, 'granted')).toMatchObject({ body: [] });
  });

  test('are needed where an operation says so; without, no number is consumed', async () => {
    const engine = await h.startEngine({ ...way, service });
    const { session } = await engine.register(A, { capabilities: ['read', 'write'] });
    const forbidden = { name: 'RefusedError', code: 'forbidden' };
    expect(await h.failure(engine.request(A, session, 1, 'reset'))).toMatchObject(forbidden);
    expect(await h.failure(engine.call(A, 'reset'))).toMatchObject(forbidden);
    expect(await h.failure(engine.call(A, 'sequenced'))).toMatchObject(forbidden);
    expect(await engine.request(A, session, 1, 'count')).toMatchObject({ body: 1 });
    const admin = await engine.register(B, { capabilities: ['admin'] });
    expect(await engine.request(B, admin.session, 1, 'reset')).toMatchObject({ body: 1 });
    expect(await engine.call(B, 'reset')).toMatchObject({ body: 2 });
    await h.checkTables(engine);
  });
});

describe.each(WAYS)('first data, with $shards shards, run $run', (way) => {
  test('is what the session begins with, at version 1', async () => {
    const engine = await h.startEngine({ ...way, dataBytesMax: 64, bodyBytesMax: 16 });
    const data = { name: 'Ada', list: [1, 2, 3], text: 'x'.repeat(30) };
    const { session } = await engine.register(A, { data });
    expect(await engine.call(A, 'get')).toMatchObject({ body: [1, data] });
    expect(await engine.inspect(A)).toMatchObject({ session, version: 1, request: 0 });
    expect(await engine.register(A, { data: { other: 1 } })).toMatchObject({ resumed: true });
    expect(await engine.call(A, 'get')).toMatchObject({ body: [1, data] });
    await engine.register(B, { data: new Map([['a', 1]]) });
    expect(await engine.request(B, (await engine.register(B)).session, 1, 'put', {})).toMatchObject(
      { body: 2 },
    );
  });

  test('is refused where it is no map, too long, or the data is the service’s own', async () => {
    const engine = await h.startEngine({ ...way, dataBytesMax: 64 });
    const wrong = [[1], 'text', 5, null, new Date(0), new Uint8Array(3), new Set([1])];
    for (const data of [...wrong, { long: 'x'.repeat(64) }] as object[]) {
      const error = await h.failure(engine.register(A, { data }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'data' });
    }
    expect(engine.sessions).toBe(0);
    const other = await h.startEngine({ ...way, service });
    expect(await h.failure(other.register(A, { data: {} }))).toMatchObject({ option: 'data' });
    expect(other.sessions).toBe(0);
  });
});

test('a two-phase request costs 1, whatever ran on the view before', async () => {
  const engine = await h.startEngine({ shards: 1, service });
  const view = engine.view();
  const { session } = view.register(A, { rate: { perSecond: 1, burst: 2 } });
  expect(h.thrown(() => view.call(A, 'huge'))).toMatchObject({ code: 'rate_limited' });
  const first = view.begin(A, session, 1);
  expect(first).toMatchObject({ verdict: 'execute' });
  view.commit(first, 'done');
  expect(view.call(A, 'free')).toMatchObject({ status: 'ok' });
  const second = view.begin(A, session, 2);
  view.abort(second);
  view.call(A, 'free');
  const third = view.begin(A, session, 2);
  expect(third).toMatchObject({ verdict: 'refused', error: 'rate_limited' });
  view.release();
});

describe.each([0, 1])(
  'a call that is refused since its session executes, on %i shards',
  (shards) => {
    test('costs nothing, even if only its promise showed that it cannot run', async () => {
      const engine = await h.startEngine({ shards, service: h.beside('./services/gates.mjs') });
      const [a, b] = h.idsOfShard(engine, 0, 2);
      const { session } = await engine.register(a, { rate: { perSecond: 1, burst: 4 } });
      await engine.register(b);
      const waiting = engine.request(a, session, 1, 'wait', 'gate');
      for (let i = 0; i < 10; i++) {
        for (const operation of ['waitRead', 'count']) {
          const error = await h.failure(engine.call(a, operation, 'gate'));
          expect(error).toMatchObject({ code: 'request_in_flight' });
        }
      }
      await engine.call(b, 'open', 'gate');
      expect(await waiting).toMatchObject({ body: { n: 1 } });
      for (let n = 2; n <= 4; n++) await engine.request(a, session, n, 'count');
      expect(await h.failure(engine.request(a, session, 5, 'count'))).toMatchObject({
        code: 'rate_limited',
      });
    });
  },
);
