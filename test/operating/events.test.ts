/** A real server tells its operator each thing once, and never what its clients send. */
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import { ConnectionEvents } from '../../dist/transport/connection-events.js';
import { OUTPUT_STALL_MS } from '../../dist/transport/limits.js';
import { VERSION } from '../../dist/version.js';
import { RESTARTS_MAX } from '../../dist/workers/limits.js';
import * as h from '../engine/helpers.ts';
import { fileWith, SECRET } from '../security/files.ts';
import { ECHO, frame, idOf, PING, PONG, PUT, RawClient, REQUEST } from '../transport/raw-client.ts';
import { Recorder } from './recorder.ts';

const fatal = fileURLToPath(new URL('../engine/services/fatal.mjs', import.meta.url));

async function start(options: ServeOptions = {}) {
  const log = new Recorder();
  const server = await serve({ port: 0, shards: 1, sessionsMax: 100, log, ...options });
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await server.stop();
  };
  onTestFinished(stop);
  return { server, log, stop };
}

async function greeted(server: RunningServer): Promise<RawClient> {
  const client = await RawClient.greeted(server);
  onTestFinished(() => client.destroy());
  return client;
}

async function roundTrip(client: RawClient): Promise<void> {
  client.send(PING, 1);
  expect(await client.next()).toEqual([PONG, 1]);
}

test('a life is told from start to stop, with what was done in it', async () => {
  const { server, log, stop } = await start({ connectionsMax: 7, ttlMs: null });
  const client = await greeted(server);
  const session = await client.register(idOf(1));
  client.send(REQUEST, idOf(1), session, 1, ECHO, 'x');
  await client.next();
  await stop();
  expect(log.names).toEqual(['starting', 'listening', 'stopping', 'stopped']);
  const [started, listening, stopping, stopped] = log.events.map(({ fields }) => fields);
  expect(started).toMatchObject({ version: VERSION, connections_max: 7, ttl_ms: null, shards: 1 });
  const { port } = server.address;
  expect(listening).toEqual({ host: '127.0.0.1', port, operator_port: null });
  expect(stopping).toEqual({ connections: 1, sessions: 1 });
  expect(stopped).toMatchObject({ sessions: 1, registered: 1, requests: 1, errors: 0 });
});

test('a start tells which doors are open and what they ask for, and no secret', async () => {
  const plain = (await start()).log.of('starting')[0].fields;
  expect(plain).toMatchObject({
    ...{ socket: null, tls: false, client_certificates: false, tokens: false, jwt: false },
    ...{ insecure: false, operator_host: null, operator_tls: null },
  });
  const fixture = (name: string): string =>
    fileURLToPath(new URL(`../security/certificates/${name}`, import.meta.url));
  const token = 'a-token-of-operators';
  const { log } = await start({
    ...{ tlsCert: fixture('server.pem'), tlsKey: fixture('server.key') },
    ...{ tlsClientCa: fixture('ca.pem'), tokens: fileWith(`${token} ops operator`) },
    ...{ jwtKey: fileWith(SECRET), insecure: true, operatorPort: 0, operatorHost: '0.0.0.0' },
  });
  const { fields } = log.of('starting')[0];
  expect(fields).toMatchObject({
    ...{ socket: null, tls: true, client_certificates: true, tokens: true, jwt: true },
    ...{ insecure: true, operator_host: '0.0.0.0', operator_tls: true },
  });
  expect(JSON.stringify(log.events)).not.toMatch(new RegExp(`${token}|${SECRET}|PRIVATE`));
});

describe('connections', () => {
  test('that break the protocol are told with the code and where they come from', async () => {
    const { server, log, stop } = await start();
    const stay = await greeted(server);
    for (const bytes of [[0xc1], [0xc1], [0xc1]]) {
      const bad = await greeted(server);
      bad.raw(bytes);
      // The server ends a connection once, whatever else comes on it.
      bad.send(PING, 1);
      await bad.rest();
    }
    const early = await RawClient.open(server);
    early.raw(frame(PING, 1));
    await early.rest();
    await roundTrip(stay);
    expect(log.of('protocol_error').map(({ fields }) => fields)).toEqual([
      {
        code: 'malformed_frame',
        address: '127.0.0.1',
        why: 'a frame begins with its length, above 0',
      },
      { code: 'hello_required', address: '127.0.0.1' },
    ]);
    await stop();
    expect(log.of('protocol_error')[2].fields).toMatchObject({
      code: 'malformed_frame',
      count: 2,
      addresses: ['127.0.0.1'],
    });
    expect(log.of('protocol_error')).toHaveLength(3);
  });

  test('that are too many are told as refused', async () => {
    const { server, log } = await start({ connectionsMax: 1 });
    const stay = await greeted(server);
    const refused = await RawClient.open(server);
    await refused.rest();
    await roundTrip(stay);
    expect(log.of('connection_refused')).toEqual([
      {
        level: 'warn',
        event: 'connection_refused',
        fields: { code: 'server_busy', address: '127.0.0.1' },
      },
    ]);
    expect(log.of('protocol_error')).toEqual([]);
  });

  test('that do not take their answers are told when they are cut off', async () => {
    const { server, log } = await start();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => timers.mockRestore());
    const patience = () => timers.mock.calls.find(([, ms]) => ms === OUTPUT_STALL_MS)?.[0];
    const slow = await greeted(server);
    const other = await greeted(server);
    slow.socket.pause();
    const body = Buffer.alloc(60_000, 'x');
    while (patience() === undefined) {
      slow.send(PING, body);
      await roundTrip(other);
    }
    expect(log.of('slow_reader')).toEqual([]);
    patience()!();
    const [{ fields }] = log.of('slow_reader');
    expect(fields.address).toBe('127.0.0.1');
    expect(fields.unsent_bytes).toBeGreaterThan(60_000);
    while (server.connections > 1) await roundTrip(other);
    // Again, as the timer of a connection that has gone would.
    patience()!();
    expect(log.of('slow_reader')).toHaveLength(1);
  });

  test('that the system would not hand over are told with its reason', () => {
    const log = new Recorder();
    const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
    new ConnectionEvents(log).acceptFailed(error);
    expect(log.events).toEqual([
      {
        level: 'warn',
        event: 'accept_failed',
        fields: { code: 'EMFILE', message: 'accept EMFILE' },
      },
    ]);
  });
});

describe('a service', () => {
  test.each([0, 1])('whose hooks throw is told of, once, with %i shards', async (shards) => {
    const hook = "opened() { throw new Error('no hook today'); }";
    const service = `data:text/javascript,export default { name: 'x', operations: {}, ${hook} }`;
    const { server, log, stop } = await start({ shards, service });
    const client = await greeted(server);
    for (let n = 1; n <= 5; n++) await client.register(idOf(n));
    await h.until(() => log.of('hook_failed').length === 1);
    expect(log.of('hook_failed')[0].fields).toEqual({ message: 'no hook today' });
    await stop();
    expect(log.of('hook_failed').length).toBeLessThanOrEqual(2);
  });

  test('that ends its worker is told of each time, and of the end', async () => {
    const { server, log } = await start({ service: fatal });
    const failed = new Promise<Error>((resolve) => server.engine.onFailure(resolve));
    const client = await greeted(server);
    const session = await client.register(idOf(1));
    // The death of the last worker is that of the engine, so nobody answers it.
    for (let n = 1; n <= RESTARTS_MAX + 1; n++) {
      client.send(REQUEST, idOf(1), session, n, 2, null);
      if (n <= RESTARTS_MAX) await client.next();
    }
    const error = await failed;
    const replaced = log.of('worker_replaced');
    expect(replaced.map(({ fields }) => fields)).toEqual([
      { shard: 0, message: 'worker exited with code: 1' },
    ]);
    expect(log.of('shard_failed')).toEqual([
      { level: 'error', event: 'shard_failed', fields: { message: error.message } },
    ]);
  });
});

test('nothing that clients send or are sent is told', async () => {
  const secret = 'the-payload-that-no-log-may-have';
  const { server, log, stop } = await start();
  const client = await greeted(server);
  for (let n = 1; n <= 50; n++) {
    const session = await client.register(idOf(n), { data: { secret } });
    client.send(REQUEST, idOf(n), session, 1, PUT, { secret });
    client.send(REQUEST, idOf(n), session, 9, ECHO, secret);
    client.send(REQUEST, idOf(n), session, 2, 250, secret);
    await client.take(3);
  }
  for (const values of [
    [secret],
    [99, secret],
    [REQUEST, secret, 1, 1, 1, 1],
    [1, idOf(1), { [secret]: 1 }],
    [0, 1, { token: secret }],
  ]) {
    const bad = await greeted(server);
    bad.send(...values);
    bad.raw(Buffer.from(secret.repeat(10)));
    await bad.rest();
  }
  await stop();
  expect(log.of('protocol_error').length).toBeGreaterThan(0);
  const told = JSON.stringify(log.events);
  expect(told).not.toContain(secret);
  expect(told).not.toContain(Buffer.from(secret).toString('hex'));
  expect(told).not.toContain(Buffer.from(secret).toString('base64'));
});
