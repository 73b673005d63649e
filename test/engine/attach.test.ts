/** Views of the same shards in several threads: nothing is lost, nothing happens twice. */
import { describe, expect, test, vi } from 'vitest';
import type { Engine } from '../../dist/engine.js';
import { serve } from '../../dist/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import * as h from './helpers.ts';
import { AttachedThread } from './thread.ts';

const service = h.beside('./services/counter.mjs');
const A = h.id(1);
const B = h.id(2);

async function start(shards: number, threads: number, options = {}) {
  const engine = await h.startEngine({ shards, service, ...options });
  const made: AttachedThread[] = [];
  for (let i = 0; i < threads; i++) made.push(await AttachedThread.start(engine));
  return { engine, threads: made };
}

describe.each([0, 2])('threads that attach to an engine of %i shards', (shards) => {
  test('that end having begun a request whose client has gone: the session ends too', async () => {
    const { engine, threads } = await start(shards, 1);
    const { session } = await engine.register(A);
    await threads[0].run('begin', { id: A });
    engine.router.disconnect(h.scopedSession(A, session));
    for (let turn = 0; turn < 50; turn++) await h.nextTurn();
    expect(engine.sessions).toBe(1);
    await threads[0].end();
    await h.until(() => engine.sessions === 0);
    expect(engine.stats()).toMatchObject({ disconnected: 1, executing: 0 });
    await h.checkTables(engine);
  });

  test('lose no update of a session that all of them change by calls', async () => {
    const { engine, threads } = await start(shards, 2);
    await engine.register(A);
    const count = 2000;
    const seen = threads.map((t) => t.run<number[]>('shared', { id: A, count }));
    const mine: unknown[] = [];
    const view = engine.view();
    for (let i = 0; i < count; i++) {
      mine.push(view.call(A, 'increment').body);
      if (i % 64 === 0) mine.push((await engine.call(A, 'increment')).body);
    }
    const all = [...(await Promise.all(seen)).flat(), ...mine] as number[];
    expect(all.filter((n) => typeof n !== 'number')).toEqual([]);
    const total = view.call(A, 'get').body as number;
    expect(total).toBe(all.length);
    expect(new Set(all).size).toBe(total);
    await h.checkTables(engine);
  });

  test('execute each request of their own sessions exactly once', async () => {
    const { engine, threads } = await start(shards, 2);
    const ends = threads.map((t, i) => t.run('own', { id: h.id(10 + i), count: 1000 }));
    const { session } = await engine.register(A);
    for (let n = 1; n <= 200; n++) {
      expect(await engine.request(A, session, n, 'increment')).toMatchObject({ body: n });
    }
    expect(await Promise.all(ends)).toEqual([1000, 1000]);
    for (const i of [10, 11])
      expect(await engine.call(h.id(i), 'get')).toMatchObject({ body: 1000 });
    await h.checkTables(engine);
  });

  test('commit each number of one session once, whoever wins it', async () => {
    const { engine, threads } = await start(shards, 2);
    const until = 1000;
    const won = await Promise.all(
      threads.map((t, i) => t.run<number>('contend', { id: A, name: `thread ${i}`, until })),
    );
    expect(won[0] + won[1]).toBe(until);
    expect(await engine.call(A, 'get')).toMatchObject({ body: until });
    expect(await engine.register(A)).toMatchObject({ request: until });
  });

  test('hear their own answers while others use the same shard', async () => {
    const { engine, threads } = await start(shards, 2);
    const ids = h.idsOfShard(engine, 0, 2);
    for (const id of ids) await engine.register(id);
    const heard = threads.map((t, i) => {
      return t.run('echo', { id: ids[i], name: `thread ${i}`, count: 8_000 });
    });
    expect(await Promise.all(heard)).toEqual(['its own', 'its own']);
  });

  test('that end between begin and commit let their sessions go', async () => {
    const { engine, threads } = await start(shards, 2);
    expect(await threads[0].run('begin', { id: A })).toBe('execute');
    expect(await threads[1].run('begin', { id: B })).toBe('execute');
    const { session } = await engine.register(A);
    const other = engine.request(A, session, 1, 'increment');
    expect(await h.failure(other)).toMatchObject({ code: 'request_in_flight' });
    await threads[0].end();
    const view = engine.view();
    let begun = view.begin(A, session, 1);
    await h.until(() => {
      if (begun.verdict !== 'execute') begun = view.begin(A, session, 1);
      return begun.verdict === 'execute';
    });
    await threads[1].run('commit');
    const b = view.register(B);
    expect(view.begin(B, b.session, 1, 0, 'begun')).toMatchObject({
      reply: { body: 'by the thread' },
    });
    // An engine that stops waits for what was begun.
    view.abort(begun);
    await h.checkTables(engine);
  });

  test('may end anywhere under load, and the engine goes on', async () => {
    const random = new h.Random(`threads that end, ${shards} shards`);
    const { engine } = await start(shards, 0, { sessionsMax: 12 });
    await engine.register(A);
    const ids = Array.from({ length: 16 }, (_, i) => h.id(10 + i));
    for (let round = 0; round < 2; round++) {
      const threads = [await AttachedThread.start(engine), await AttachedThread.start(engine)];
      for (const [i, t] of threads.entries()) {
        t.run('load', { name: `${round} ${i}`, shared: A, ids }).catch(() => {});
      }
      const { session, request } = await engine.register(A);
      let n = request;
      for (let steps = 20 + random.below(400); steps > 0; steps--) {
        const reply = await engine.request(A, session, ++n, 'increment').catch((e) => e);
        // Even this session may be the oldest when others register without a pause.
        if (reply.name === 'SessionEvictedError') break;
        expect(reply).toMatchObject({ status: 'ok' });
      }
      await Promise.all(threads.map((t) => t.end()));
    }
    await h.until(() => pinned(engine) === 0);
    await h.checkTables(engine);
    for (const id of ids) {
      const { session, request } = await engine.register(id);
      expect(await engine.request(id, session, request + 1, 'increment', 'end')).toMatchObject({
        status: 'ok',
      });
    }
    expect(engine.sessions).toBeLessThanOrEqual(12);
  });

  test('push an eviction at once to the TCP client whose session they evict', async () => {
    const server = await serve({ shards, service, sessionsMax: 1, port: 0 });
    const connection = await connect({ port: server.address.port });
    try {
      const thread = await AttachedThread.start(server.engine);
      for (const how of ['a thread', 'a view in the main thread'] as const) {
        const session = await connection.session({ id: A });
        const states: string[] = [];
        session.on('state', (state) => states.push(state));
        if (how === 'a thread') await thread.run('register', { id: B });
        else server.engine.view().register(B);
        await h.until(() => states.length > 0);
        expect(states, how).toEqual(['evicted']);
      }
    } finally {
      await connection.close();
      await server.stop();
    }
  });

  test('are not let in when the service is not portable', async () => {
    const gates = h.beside('./services/gates.mjs');
    const engine = await h.startEngine({ shards, service: gates });
    await expect(AttachedThread.start(engine)).rejects.toThrow('SessileError service_not_portable');
    const error = h.thrown(() => engine.view());
    expect(error).toMatchObject({ name: 'SessileError', code: 'service_not_portable' });
    await engine.register(A);
  });

  test('give their place back by release and by their end; too many are refused', async () => {
    const { engine, threads } = await start(shards, 1);
    const views: ReturnType<Engine['view']>[] = [];
    let error: unknown;
    while (error === undefined && views.length < 300) {
      try {
        views.push(engine.view());
      } catch (thrown) {
        error = thrown;
      }
    }
    expect(error).toMatchObject({ name: 'SessileError', code: 'too_many_threads' });
    expect(h.thrown(() => engine.share())).toMatchObject({ code: 'too_many_threads' });
    const [first] = views;
    first.release();
    first.release();
    expect(h.thrown(() => first.register(A)).name).toBe('AssertionFailure');
    const last = engine.view();
    expect(h.thrown(() => engine.view())).toMatchObject({ code: 'too_many_threads' });
    last.register(A);
    await threads[0].run('release');
    expect(await threads[0].ended).toBe(0);
    await vi.waitUntil(() => h.isDone(() => engine.view()));
  });
});

function pinned(engine: Engine): number {
  let count = 0;
  for (const memory of engine.memory.arenas) count += new Int32Array(memory)[65];
  return count;
}
