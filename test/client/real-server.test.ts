/**
 * The client against a real server: a process that is killed and started again, connections cut
 * between a request and its reply, registers whose answer was lost.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { type LossyProxy, startLossyProxy } from '../../dist/cli/lossy-proxy.js';
import { type ServerProcess, startServerProcess } from '../../dist/cli/server-process.js';
import { SessionEvictedError } from '../../dist/core/session-errors.js';
import { type ServeOptions, serve } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import type { Address } from '../../dist/transport/server.js';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startProcess(args: readonly string[] = []): Promise<ServerProcess> {
  const server = await startServerProcess(args);
  cleanUps.push(() => server.stop());
  return server;
}

/** A server that nobody kills needs no process of its own. */
async function start(options: ServeOptions = {}): Promise<Address> {
  const server = await serve({ port: 0, shards: 1, ...options });
  cleanUps.push(() => server.stop());
  return server.address;
}

async function startProxy(server: Address): Promise<LossyProxy> {
  const proxy = await startLossyProxy(server.host, server.port);
  cleanUps.push(() => proxy.stop());
  return proxy;
}

async function client(port: number): Promise<Connection> {
  const connection = await connect({ port, reconnectMinMs: 1, reconnectMaxMs: 20 });
  cleanUps.push(() => connection.close());
  return connection;
}

async function kill(server: ServerProcess): Promise<void> {
  const exited = new Promise((resolve) => server.process.once('exit', resolve));
  server.process.kill('SIGKILL');
  await exited;
}

describe('many requests in one turn', () => {
  test('each has its own answer, however long it is and its neighbours are', async () => {
    const server = await start({ sessionsMax: 200, replyBytesMax: 50_000 });
    const connections = [await client(server.port), await client(server.port)];
    // Every third is of the second connection: what one of them sends does not lie in one piece.
    const sessions = await Promise.all(
      Array.from({ length: 150 }, (_, i) => connections[i % 3 === 2 ? 1 : 0].session()),
    );
    // Shorter and longer than what frames are written into, and than what bodies are read from.
    const lengths = [0, 1, 40, 127, 128, 1_000, 1_023, 1_024, 1_025, 5_000, 16_300, 20_000];
    for (let turn = 0; turn < 3; turn++) {
      const bodies = sessions.map((_, i) => ({
        text: `${turn} ${i} `.padEnd(lengths[(i * 7 + turn) % lengths.length], 'x'),
        bytes: Buffer.alloc(lengths[(i * 5 + turn) % lengths.length], i),
      }));
      const answers = await Promise.all(
        sessions.map((session, i) => session.request('echo', bodies[i])),
      );
      // Compared as bytes: a walk through so many elements would take seconds.
      const isOwn = (answer: unknown, i: number): boolean => {
        const { text, bytes } = answer as (typeof bodies)[number];
        return text === bodies[i].text && bodies[i].bytes.equals(bytes);
      };
      expect(answers.findIndex((answer, i) => !isOwn(answer, i))).toBe(-1);
    }
  });
});

describe('a server that is killed and started again', () => {
  test('ends its sessions with a typed error and then serves new ones', async () => {
    const first = await startProcess();
    const connection = await client(first.port);
    const session = await connection.session();
    await session.request('put', { before: true });
    await kill(first);
    await startProcess(['--port', String(first.port)]);

    const error = await session.request('get').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SessionEvictedError);
    expect((error as SessionEvictedError).reason).toBe('no_session');
    expect(session.state).toBe('evicted');

    const next = await connection.session({ id: session.id });
    expect(next.resumed).toBe(false);
    expect(next.session).toBeGreaterThan(session.session);
    expect(await next.request('get')).toEqual([0, {}]);
  });

  test('gets a register that waited for it', async () => {
    const first = await startProcess();
    const connection = await client(first.port);
    await kill(first);
    const registering = connection.session();
    await startProcess(['--port', String(first.port)]);
    expect((await registering).state).toBe('active');
  });
});

describe.each(['direct', 'worker'] as const)(
  'a connection cut between request and reply, run %s',
  (run) => {
    test('executes each request once, however often its answer is lost', async () => {
      const server = await start({ run });
      const proxy = await startProxy(server);
      const connection = await client(proxy.port);
      const session = await connection.session();
      for (let version = 1; version <= 20; version++) {
        const lost = proxy.loseNextAnswer();
        const requested = session.request('put', { version });
        await lost;
        expect(await requested).toBe(version);
      }
      expect(await session.request('get')).toEqual([20, { version: 20 }]);
      expect(session.lastRequest).toBe(21);
    });

    test('resumes the session of a register whose answer was lost', async () => {
      const server = await start({ run, sessionsMax: 2 });
      const witness = await client(server.port);
      const other = await witness.session();
      const proxy = await startProxy(server);
      const connection = await client(proxy.port);
      const lost = proxy.loseNextAnswer();
      const registering = connection.session();
      await lost;
      const session = await registering;
      expect(session.resumed).toBe(true);
      expect(await session.request('put', {})).toBe(1);
      // A second session would have evicted this one.
      expect(await other.request('echo', 'still here')).toBe('still here');
    });
  },
);

test('a session’s data is the same through its session and through its id', async () => {
  const server = await start();
  const session = await (await client(server.port)).session();
  const data = (await client(server.port)).data(session.id);
  expect(await data.get()).toEqual({ version: 0, data: {} });
  expect(await session.put({ cart: ['book'] })).toBe(1);
  expect(await data.get()).toEqual({ version: 1, data: { cart: ['book'] } });
  expect(await data.put(new Map([['n', 1]]))).toBe(2);
  expect(await session.get<{ n: number }>()).toEqual({ version: 2, data: { n: 1 } });
  expect(await data.echo(['x'])).toEqual(['x']);
  // Calls take no request numbers.
  expect(session.lastRequest).toBe(2);
  await session.close();
  await expect(data.get()).rejects.toMatchObject({ code: 'no_session' });
});

test('a client whose session was evicted is told at once and its next request fails', async () => {
  const server = await start({ sessionsMax: 1 });
  const connection = await client(server.port);
  const session = await connection.session();
  const evicted = new Promise((resolve) => session.once('state', resolve));
  await connection.session();
  expect(await evicted).toBe('evicted');
  await expect(session.request('get')).rejects.toBeInstanceOf(SessionEvictedError);
});

test('every method of a session’s data does what it says, on a real server', async () => {
  const server = await start();
  const connection = await client(server.port);
  const session = await connection.session({
    ttlMs: 60_000,
    rate: { perSecond: 1000, burst: 500 },
    data: { cart: [], visits: 1 },
  });
  expect(session.rate).toEqual({ perSecond: 1000, burst: 500 });
  expect(await session.get()).toEqual({ version: 1, data: { cart: [], visits: 1 } });
  expect(await session.merge({ cart: null, theme: 'dark' })).toBe(2);
  expect(await session.increment('visits')).toBe(2);
  expect(await session.increment('score', 2.5)).toBe(2.5);
  await expect(session.putIf(1, {})).rejects.toMatchObject({ version: 4 });
  expect(await session.putIf(4, { n: 1 })).toBe(5);
  const batch = [
    ['merge', { m: 2 }],
    ['increment', ['n', 4]],
    ['get', null],
  ] as const;
  expect(await session.batch(batch)).toEqual([6, 5, [6, { n: 5, m: 2 }]]);
  await session.setTtl(null);
  await session.touch();
  expect(await session.info()).toMatchObject({
    ttlMs: null,
    expiresInMs: null,
    version: 6,
    session: session.session,
  });
  expect((await session.peek()).data).toEqual({ n: 5, m: 2 });
  expect(await connection.inspect(session.id)).toMatchObject({
    version: 6,
    rate: { perSecond: 1000, burst: 500 },
  });
  expect((await connection.list({ prefix: session.id.slice(0, 8) })).sessions).toHaveLength(1);
  expect(await connection.stats()).toMatchObject({ sessions: 1, registered: 1 });
  expect(await connection.sweep()).toBe(0);
  expect(await connection.remove(session.id)).toBe(true);
  await expect(session.get()).rejects.toMatchObject({ reason: 'removed' });
});

test('100 updates at once over 10 connections lose none', async () => {
  const server = await start();
  const { id } = await (await client(server.port)).session();
  const clients = await Promise.all(Array.from({ length: 10 }, () => client(server.port)));
  const add = ({ n = 0 }: { n?: number }) => ({ n: n + 1 });
  const ten = Array.from({ length: 10 });
  await Promise.all(clients.flatMap((each) => ten.map(() => each.data(id).update(add))));
  expect(await clients[0].data(id).get()).toEqual({ version: 100, data: { n: 100 } });
});

test('a session of connection scope ends with its connection, for good', async () => {
  const server = await start();
  const proxy = await startProxy(server);
  const connection = await client(proxy.port);
  const session = await connection.session({ scope: 'connection' });
  const state = new Promise((resolve) => session.once('state', resolve));
  proxy.stop();
  expect(await state).toBe('evicted');
  const other = await client(server.port);
  while (Number((await other.stats()).sessions) > 0) await other.ping();
  expect(await other.inspect(session.id)).toBeNull();
});
