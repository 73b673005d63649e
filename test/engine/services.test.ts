/** Services whose operations return promises: pinned sessions, and all that others see of them. */
import { describe, expect, test } from 'vitest';
import { EXECUTIONS_MAX } from '../../dist/workers/limits.js';
import * as h from './helpers.ts';

const service = h.beside('./services/gates.mjs');

/** An engine with ids of one shard, where gates are shared; each of them is registered. */
async function start(shards: number, options = {}, ids = 4) {
  const engine = await h.startEngine({ shards, service, ...options });
  const clients = h.idsOfShard(engine, 0, ids);
  const sessions: number[] = [];
  for (const id of clients) sessions.push((await engine.register(id)).session);
  const [a, b] = clients;
  const open = (name: string, by = b) => engine.call(by, 'open', name);
  return { engine, clients, sessions, a, b, session: sessions[0], open };
}

describe.each([0, 2])('an operation that waits, on %i shards', (shards) => {
  test('lets other sessions go on and commits when it settles', async () => {
    const { engine, sessions, a, b, session, open } = await start(shards);
    const waiting = engine.request(a, session, 1, 'wait', 'gate');
    expect(await engine.request(b, sessions[1], 1, 'count')).toMatchObject({ body: { n: 1 } });
    await open('gate');
    expect(await waiting).toEqual({
      status: 'ok',
      body: { n: 1, body: 'gate' },
      replayed: false,
    });
    const again = await engine.request(a, session, 1, 'wait', 'gate');
    expect(again).toMatchObject({ replayed: true, body: { n: 1, body: 'gate' } });
    await h.checkTables(engine);
  });

  test('is joined by a duplicate, and both callers get the one reply', async () => {
    const { engine, a, session, open } = await start(shards);
    const asked = [1, 2, 3].map(() => engine.request(a, session, 1, 'wait', 'gate'));
    const other = engine.request(a, session, 1, 'wait', 'another gate');
    expect(await h.failure(other)).toMatchObject({ code: 'request_in_flight' });
    const gap = await h.failure(engine.request(a, session, 2, 'wait', 'gate'));
    expect(gap).toMatchObject({ code: 'request_gap' });
    await open('gate');
    for (const reply of await Promise.all(asked)) expect(reply.body).toMatchObject({ n: 1 });
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
  });

  test('lets calls read the last commit meanwhile, and refuses those that write', async () => {
    const { engine, a, session, open } = await start(shards);
    await engine.request(a, session, 1, 'count');
    const waiting = engine.request(a, session, 2, 'wait', 'gate');
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
    for (const operation of ['count', 'waitCall', 'waitRead']) {
      const error = await h.failure(engine.call(a, operation, 'other'));
      expect(error).toMatchObject({ code: 'request_in_flight' });
    }
    expect(await h.failure(engine.close(a))).toMatchObject({ code: 'request_in_flight' });
    expect(await engine.register(a)).toMatchObject({ resumed: true, request: 1 });
    await open('gate');
    expect(await waiting).toMatchObject({ body: { n: 2 } });
    expect(await engine.call(a, 'count')).toMatchObject({ body: { n: 3 } });
    await h.checkTables(engine);
  });

  test('may be a call, which pins the session without taking a number', async () => {
    const { engine, a, session, open } = await start(shards);
    const waiting = engine.call(a, 'waitCall', 'gate');
    const refused = await h.failure(engine.request(a, session, 1, 'count'));
    expect(refused).toMatchObject({ code: 'request_in_flight' });
    await open('gate');
    expect(await waiting).toEqual({ status: 'ok', body: { n: 1, body: 'gate' }, replayed: false });
    expect(await engine.request(a, session, 1, 'count')).toMatchObject({ body: { n: 2 } });
    await h.checkTables(engine);
  });

  test('is never evicted or expired, and a register finds no place when all wait', async () => {
    const { engine, clients, sessions, open } = await start(shards, { sessionsMax: 3 }, 3);
    const [a, b, c] = clients;
    await engine.close(c);
    const { session } = await engine.register(c, { ttlMs: 600 });
    const waiting = [
      engine.request(a, sessions[0], 1, 'wait', 'one'),
      engine.request(b, sessions[1], 1, 'wait', 'two'),
      engine.request(c, session, 1, 'wait', 'three'),
    ];
    await h.until(() => engine.stats().executing === 3);
    await h.clockPast(610);
    const other = h.idsOfShard(engine, 0, 4)[3];
    expect(await h.failure(engine.register(other))).toMatchObject({ code: 'server_busy' });
    expect(engine.sessions).toBe(3);
    await open('three');
    expect(await waiting[2]).toMatchObject({ body: { n: 1 } });
    await engine.register(other);
    const gone = await h.failure(engine.request(c, session, 2, 'wait', 'three'));
    expect(gone).toMatchObject({ reason: 'evicted' });
    await Promise.all([open('one'), open('two')]);
    expect(await waiting[0]).toMatchObject({ body: { n: 1 } });
    expect(await waiting[1]).toMatchObject({ body: { n: 1 } });
    await h.checkTables(engine);
  });

  test('is failed and its data rolled back when it throws, at once or later', async () => {
    const { engine, a, session, open } = await start(shards);
    await engine.request(a, session, 1, 'count');
    const failed = { status: 'failed', body: 'failed on purpose', replayed: false };
    expect(await engine.request(a, session, 2, 'fail')).toEqual(failed);
    const waiting = engine.request(a, session, 3, 'waitAndFail', 'gate');
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
    await open('gate');
    expect(await waiting).toEqual(failed);
    const again = await engine.request(a, session, 3, 'waitAndFail', 'gate');
    expect(again).toEqual({ ...failed, replayed: true });
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
  });

  test('fails after executeTimeoutMs, and what it does afterwards harms nobody', async () => {
    const { engine, a, session, open } = await start(shards, { executeTimeoutMs: 20 });
    const failed = await engine.request(a, session, 1, 'wait', 'gate');
    expect(failed.status).toBe('failed');
    expect(failed.body).toContain('20 ms');
    await open('gate');
    expect(await engine.call(a, 'read')).toMatchObject({ body: null });
    expect(await engine.request(a, session, 2, 'count')).toMatchObject({ body: { n: 1 } });
    expect(await engine.request(a, session, 2, 'count')).toMatchObject({ replayed: true });
    await h.checkTables(engine);
  });

  test('is refused when too many wait, until some of them end', async () => {
    const count = EXECUTIONS_MAX + 5;
    const options = { sessionsMax: 2 * count, executeTimeoutMs: 1000 };
    const { engine, clients, sessions } = await start(shards, options, count);
    const waiting = clients.map((id, i) => engine.request(id, sessions[i], 1, 'wait', 'never'));
    const settled = Promise.allSettled(waiting);
    expect(await h.failure(waiting[count - 1])).toMatchObject({ code: 'server_busy' });
    expect(await h.failure(engine.call(clients[0], 'read'))).toMatchObject({ code: 'server_busy' });
    const ends = (await settled).map((s) =>
      s.status === 'fulfilled' ? s.value.status : s.reason.code,
    );
    expect(new Set(ends)).toEqual(new Set(['failed', 'server_busy']));
    expect(ends.filter((end) => end === 'failed').length).toBeGreaterThan(EXECUTIONS_MAX - 8);
    const last = await engine.request(clients[count - 1], sessions[count - 1], 1, 'count');
    expect(last).toMatchObject({ body: { n: 1 } });
    await h.checkTables(engine);
  });

  test('is let finish by a stop, and its caller gets the reply', async () => {
    const { engine, a, b, session, open } = await start(shards, { executeTimeoutMs: 2000 });
    const waiting = engine.request(a, session, 1, 'wait', 'gate').catch((error) => error);
    await engine.call(b, 'read');
    const opened = open('gate').catch(() => {});
    await engine.stop();
    await opened;
    expect(await waiting).toMatchObject({ body: { n: 1 } });
  });
});
