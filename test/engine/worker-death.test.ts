/** Workers that die: their sessions live on, and every request is answered and executed once. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { EngineOptions } from '../../dist/embedding/options.js';
import type { Engine } from '../../dist/engine.js';
import { serve } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import { RESTARTS_MAX } from '../../dist/workers/limits.js';
import * as h from './helpers.ts';

const fatal = h.beside('./services/fatal.mjs');
const counter = h.beside('./services/counter.mjs');

describe.each(['worker', 'auto'] as const)('a worker that ends itself, run %s', (run) => {
  async function start() {
    const engine = await h.startEngine({ shards: 2, run, service: fatal });
    const [a, b] = h.idsOfShard(engine, 0, 2);
    const [c] = h.idsOfShard(engine, 1, 1);
    const sessions: Record<string, number> = {};
    for (const id of [a, b, c]) sessions[id] = (await engine.register(id)).session;
    return { engine, a, b, c, sessions };
  }

  test.each(['die', 'dieLater'])(
    'in %s fails only that request, which never runs again',
    async (how) => {
      const { engine, a, b, c, sessions } = await start();
      await engine.request(a, sessions[a], 1, 'add');
      await engine.request(b, sessions[b], 1, 'add');
      const dying = engine.request(a, sessions[a], 2, how);
      const others: Promise<unknown>[] = [
        engine.request(b, sessions[b], 2, 'add'),
        engine.request(c, sessions[c], 1, 'add'),
        engine.register(h.id(1000)),
      ];
      expect(await h.success(dying)).toMatchObject({ status: 'failed', replayed: false });
      for (const other of others) await h.success(other);
      const again = await h.success(engine.request(a, sessions[a], 2, how));
      expect(again).toMatchObject({ status: 'failed', replayed: true });
      expect(await engine.call(a, 'get')).toMatchObject({ body: { n: 1, last: 1 } });
      expect(await engine.call(b, 'get')).toMatchObject({ body: { n: 2, wrong: 0 } });
      expect(await engine.request(a, sessions[a], 3, 'add')).toMatchObject({ body: 2 });
      expect(await engine.register(a)).toMatchObject({ session: sessions[a], resumed: true });
      expect(engine.sessions).toBe(4);
      await h.checkTables(engine);
    },
  );

  test.each(['die', 'dieLater'])('in a call of %s fails only that call', async (how) => {
    const { engine, a, b, sessions } = await start();
    await engine.request(a, sessions[a], 1, 'add');
    // What a call that began has done is unknown, so its caller must not hear `not executed`.
    const reply = await h.success(engine.call(a, how));
    expect(reply).toMatchObject({ status: 'failed' });
    expect(await engine.call(a, 'get')).toMatchObject({ body: { n: 1 } });
    expect(await engine.request(a, sessions[a], 2, 'add')).toMatchObject({ body: 2 });
    expect(await engine.request(b, sessions[b], 1, 'add')).toMatchObject({ body: 1 });
    await h.checkTables(engine);
  });

  test('answers whoever asked last for what was executing, and all that waited', async () => {
    const { engine, a, b, sessions } = await start();
    const never = [1, 2].map(() => engine.request(a, sessions[a], 1, 'never'));
    const call = engine.call(b, 'never');
    await engine.call(a, 'get');
    const dying = engine.request(h.idsOfShard(engine, 0, 3)[2], 1, 1, 'die').catch(() => {});
    await dying;
    const [worker] = engine.threads;
    for (const thread of engine.threads) if (thread !== worker) await thread.terminate();
    await worker.terminate();
    for (const reply of never) expect(await h.success(reply)).toMatchObject({ status: 'failed' });
    expect(await h.success(call)).toMatchObject({ status: 'failed' });
    expect(await engine.request(b, sessions[b], 1, 'add')).toMatchObject({ body: 1 });
    await h.checkTables(engine);
  });
});

/** Resolves when every worker of an engine that does nothing has come to rest. */
async function workersRest(engine: Engine): Promise<void> {
  const bells = engine.memory.doorbells.map((memory) => new Int32Array(memory));
  await h.until(() => bells.every((words) => Atomics.load(words, 1) === 1));
}

/** Ends a worker, and resolves when the one that takes its place has begun. */
async function endWorker(engine: Engine, thread: Engine['threads'][number]): Promise<void> {
  const known = new Set(engine.threads);
  await thread.terminate();
  await h.until(() => engine.threads.some((t) => !known.has(t)));
  for (const next of engine.threads) if (!known.has(next)) await once(next, 'message');
}

/** What the callers of one session counted. */
interface Counted {
  ok: number;
  failed: number;
}

async function embedded(engine: Engine, id: string, operations: string[], count: number) {
  const counted: Counted = { ok: 0, failed: 0 };
  const { session } = await engine.register(id);
  for (let n = 1; n <= count; n++) {
    const operation = operations[n % operations.length];
    const { status } = await engine.request(id, session, n, operation, n);
    counted[status === 'ok' ? 'ok' : 'failed'] += 1;
  }
  return counted;
}

async function overTcp(connection: Connection, id: string, operations: string[], count: number) {
  const counted: Counted = { ok: 0, failed: 0 };
  const session = await connection.session({ id });
  for (let n = 1; n <= count; n++) {
    try {
      await session.request(operations[n % operations.length], n, { timeoutMs: 20_000 });
      counted.ok += 1;
    } catch (error) {
      expect(error).toMatchObject({ name: 'ReplyStatusError', status: 'failed' });
      counted.failed += 1;
    }
  }
  expect(session.lastRequest).toBe(count);
  return counted;
}

const LOADS: [EngineOptions, string[]][] = [
  [{ run: 'worker', service: counter }, ['increment']],
  [{ run: 'auto', service: counter }, ['increment']],
  [{ run: 'auto', service: fatal }, ['add', 'addLater']],
];

test.each(LOADS)(
  'workers with %j may be ended anywhere under load',
  async (options, operations) => {
    const random = new h.Random(`deaths ${JSON.stringify(options.run)}`);
    const server = await serve({ ...options, shards: 2, port: 0, sessionsMax: 64 });
    const connection = await connect({ port: server.address.port });
    const { engine } = server;
    try {
      await workersRest(engine);
      const callers: Promise<Counted>[] = [];
      const count = 200;
      for (let n = 1; n <= 8; n++) callers.push(embedded(engine, h.id(n), operations, count));
      for (let n = 9; n <= 16; n++) callers.push(overTcp(connection, h.id(n), operations, count));
      let isDone = false;
      const done = Promise.all(callers).finally(() => {
        isDone = true;
      });
      for (let deaths = 0; deaths < RESTARTS_MAX - 1 && !isDone; deaths++) {
        for (let turns = random.below(400); turns > 0; turns--) await h.nextTurn();
        await endWorker(engine, engine.threads[random.below(2)]);
      }
      for (const [i, { ok, failed }] of (await done).entries()) {
        expect(ok + failed).toBe(count);
        const get = await engine.call(h.id(i + 1), 'get');
        const n = (get.body as { n: number })?.n ?? get.body;
        // What failed was executed at most once, and counted not at all: its data was dropped.
        expect(n, `session ${i + 1} with ${failed} failed`).toBe(ok);
        expect((get.body as { wrong: number }).wrong ?? 0).toBe(0);
      }
      expect(engine.sessions).toBe(16);
      await h.checkTables(engine);
    } finally {
      await connection.close();
      await server.stop();
    }
  },
);

test('a worker that ends before it began makes the engine fail, and nothing hangs', async () => {
  const engine = await h.startEngine({ shards: 2, run: 'worker' });
  const failures: Error[] = [];
  engine.onFailure((error) => failures.push(error));
  await workersRest(engine);
  const first = [...engine.threads];
  await first[0].terminate();
  await h.until(() => engine.threads.some((thread) => !first.includes(thread)));
  for (const thread of engine.threads) if (!first.includes(thread)) await thread.terminate();
  await h.until(() => failures.length > 0);
  expect(failures[0]).toMatchObject({ code: 'shard_failed' });
  await expect(engine.register(h.id(1))).rejects.toMatchObject({ code: 'shutting_down' });
});

test('an engine whose workers die again and again gives up and says so', async () => {
  const engine = await h.startEngine({ shards: 2, service: fatal });
  const failures: Error[] = [];
  engine.onFailure((error) => failures.push(error));
  const [a, b] = h.idsOfShard(engine, 0, 2);
  const { session } = await engine.register(a);
  const other = (await engine.register(b)).session;
  for (let n = 1; n <= RESTARTS_MAX; n++) {
    expect(await h.success(engine.request(a, session, n, 'die'))).toMatchObject({
      status: 'failed',
    });
    expect(failures).toEqual([]);
  }
  const pending = [
    engine.request(a, session, RESTARTS_MAX + 1, 'die'),
    engine.request(b, other, 1, 'add'),
  ];
  const settled = await Promise.allSettled(pending);
  expect(settled[0]).toMatchObject({ status: 'rejected', reason: { code: 'shutting_down' } });
  await h.until(() => failures.length > 0);
  expect(failures).toMatchObject([{ name: 'SessileError', code: 'shard_failed' }]);
  let late: Error | undefined;
  engine.onFailure((error) => {
    late = error;
  });
  expect(late).toBe(failures[0]);
  expect(await h.failure(engine.register(a))).toMatchObject({ code: 'shutting_down' });
  await engine.stop();
});
