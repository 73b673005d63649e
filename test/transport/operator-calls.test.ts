/** Calls to the server itself over TCP: by name, without an id. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningServer, serve } from '../../dist/serve.js';
import { LogState } from '../../src/core/log-buffer.ts';
import { OPERATOR_CALLS_MAX } from '../../src/transport/limits.ts';
import { ask } from '../operating/http.ts';
import {
  CALL,
  ERROR,
  EVICTION,
  type Frame,
  frame,
  idOf,
  PING,
  PONG,
  RawClient,
  REGISTER,
  RESULT,
} from './raw-client.ts';

const OK = 0;
const INVALID_BODY = 4;
const A = idOf(1);
const B = idOf(2);

const clients: RawClient[] = [];
let server: RunningServer;

async function greeted(): Promise<RawClient> {
  const client = await RawClient.greeted(server);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.stop();
});

/** A call, and its status and body. */
async function called(client: RawClient, name: string, body: unknown): Promise<unknown[]> {
  client.send(CALL, 0xffffffff, null, name, body);
  const [kind, correlation, status, result] = await client.next();
  expect([kind, correlation]).toEqual([RESULT, 0xffffffff]);
  return [status, result];
}

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  const start = async (options = {}): Promise<RawClient> => {
    server = await serve({ port: 0, shards: 2, run, sessionsMax: 500, ...options });
    return greeted();
  };

  it('answers stats, list, inspect, remove and sweep', async () => {
    const client = await start();
    const other = await greeted();
    const session = await client.register(A, { ttl_ms: 60_000, rate: [5, 6], data: { a: 1 } });
    const scoped = await other.register(B, { ttl_ms: null, scope: 'connection' });
    expect(await called(client, 'stats', null)).toMatchObject([
      OK,
      {
        sessions: 2,
        sessions_max: 500,
        shards: 2,
        registered: 2,
        sweep_lag_ms: expect.any(Number),
      },
    ]);
    const entry = {
      ...{ id: A, session, request: 0, ttl_ms: 60_000, version: 1, data_bytes: 4 },
      ...{ executing: false, connection_scoped: false, idle_ms: expect.any(Number) },
      ...{ created_ms: expect.any(Number), last_activity_ms: expect.any(Number) },
      expires_in_ms: expect.any(Number),
    };
    expect(await called(client, 'inspect', { id: A })).toEqual([
      OK,
      { ...entry, rate: [5, 6], capabilities: [] },
    ]);
    const [status, page] = await called(client, 'list', { prefix: Buffer.from(A).toString('hex') });
    expect([status, page]).toEqual([OK, { sessions: [entry], cursor: null }]);
    const [, all] = (await called(client, 'list', null)) as [number, { sessions: unknown[] }];
    expect(all.sessions).toHaveLength(2);
    expect(all.sessions).toContainEqual(
      expect.objectContaining({
        id: B,
        ttl_ms: null,
        expires_in_ms: null,
        connection_scoped: true,
      }),
    );
    expect(await called(client, 'remove', { id: B })).toEqual([OK, true]);
    expect(await other.next()).toEqual([EVICTION, B, scoped, 'removed']);
    expect(await called(client, 'remove', { id: B })).toEqual([OK, false]);
    expect(await called(client, 'inspect', { id: B })).toEqual([OK, null]);
    expect(await called(client, 'sweep', null)).toEqual([OK, 0]);
  });

  it('answers at once when the engine has stopped', async () => {
    const client = await start();
    await server.engine.stop();
    for (const name of ['remove', 'sweep', 'inspect']) {
      client.send(CALL, 7, null, name, { id: A });
      expect((await client.next()).slice(0, 2)).toEqual([ERROR, 'shutting_down']);
    }
  });

  it('tells of a disk without room, and HTTP does too', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'sessile-operator-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true }));
    const client = await start({ dataDir, operatorPort: 0 });
    for (const { table } of server.engine.router.ports) {
      (table.log!.buffer as { state: number }).state = LogState.NO_ROOM;
    }
    const path = `/sessions/${Buffer.from(A).toString('hex')}`;
    const headers = { 'x-sessile-console': '1' };
    const asks: [string, string, string][] = [
      ['remove', 'DELETE', path],
      ['sweep', 'POST', '/sweep'],
    ];
    for (const [name, method, target] of asks) {
      client.send(CALL, 7, null, name, { id: A });
      expect((await client.next()).slice(0, 2)).toEqual([ERROR, 'storage_failed']);
      const { status, text } = await ask(server.operatorAddress!, target, { method, headers });
      expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'storage_failed' }]);
    }
  });

  it('lists in pages, by every filter', async () => {
    const client = await start();
    for (let n = 1; n <= 25; n++) await client.register(idOf(n));
    const seen: unknown[] = [];
    let cursor: unknown = null;
    do {
      const body = { limit: 4, cursor, age_ms_min: 0, idle_ms_min: 0, prefix: 'A5' };
      const [status, page] = (await called(client, 'list', body)) as [
        number,
        { sessions: { id: Uint8Array }[]; cursor: unknown },
      ];
      expect(status).toBe(OK);
      expect(page.sessions.length).toBeLessThanOrEqual(4);
      seen.push(...page.sessions.map(({ id }) => id[4]));
      cursor = page.cursor;
    } while (cursor !== null);
    const all = Array.from({ length: 25 }, (_, i) => i + 1);
    expect((seen as number[]).sort((a, b) => a - b)).toEqual(all);
    const old = (await called(client, 'list', { idle_ms_min: 3_600_000 })) as [number, object];
    expect(old).toEqual([OK, { sessions: [], cursor: null }]);
  });

  it('refuses bodies that are wrong, in words, and goes on', async () => {
    const client = await start();
    const text = Buffer.from(A).toString('hex');
    const wrong: [string, unknown][] = [
      ...[[], 'text', 5, true, new Uint8Array(0), new Date(0)].map((v): [string, unknown] => [
        'list',
        v,
      ]),
      ...[{ limit: 0 }, { limit: 10_001 }, { limit: '5' }, { cursor: 'x' }, { cursor: 5 }].map(
        (v): [string, unknown] => ['list', v],
      ),
      ...[
        { prefix: 'g' },
        { prefix: 5 },
        { idle_ms_min: -1 },
        { age_ms_min: 0.5 },
        { colour: 1 },
      ].map((v): [string, unknown] => ['list', v]),
      ...[null, [], A, {}, { id: text }, { id: null }, { id: new Uint8Array(15) }].flatMap(
        (v): [string, unknown][] => [
          ['inspect', v],
          ['remove', v],
        ],
      ),
      ['inspect', { id: new Uint8Array(16) }],
      ['remove', { id: new Uint8Array(17) }],
    ];
    for (const [name, body] of wrong) {
      const [status, message] = await called(client, name, body);
      expect([name, body, status]).toEqual([name, body, INVALID_BODY]);
      expect(message).toEqual(expect.any(String));
    }
    expect(await called(client, 'sweep', null)).toEqual([OK, 0]);
  });

  it('does not know other names', async () => {
    const client = await start();
    for (const name of ['', 'Stats', 'constructor', '__proto__', 'run', 'x'.repeat(1_000)]) {
      client.send(CALL, 7, null, name, null);
      const error = await client.next();
      expect([error[0], error[1], error[3], error[4]]).toEqual([
        ERROR,
        'unknown_operation',
        null,
        7,
      ]);
    }
    client.send(PING, 1);
    expect(await client.next()).toEqual([PONG, 1]);
  });

  it('runs a bounded number at a time and refuses the others', async () => {
    const client = await start();
    const count = 3 * OPERATOR_CALLS_MAX;
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: count }, (_, i) => frame(CALL, i, null, 'list', null));
      client.raw(Buffer.concat([...calls, frame(PING, 'end')]));
      const frames = await client.take(count + 1);
      const answers = frames.filter(([kind]) => kind !== PONG);
      const correlation = (f: Frame): unknown => (f[0] === RESULT ? f[1] : f[4]);
      const asked = answers.map((f) => correlation(f) as number).sort((a, b) => a - b);
      expect(asked).toEqual(Array.from({ length: count }, (_, i) => i));
      const refused = answers.filter(([kind]) => kind === ERROR);
      expect(new Set(refused.map((f) => f[1]))).toEqual(new Set(['server_busy']));
      expect(refused).toHaveLength(count - OPERATOR_CALLS_MAX);
    }
    expect(await called(client, 'sweep', null)).toEqual([OK, 0]);
  });
});

// Lists are read by the front end, wherever requests run.
it('does not cut off a client that asks for many long lists at once', async () => {
  const sessions = 10_000;
  const sizes = { sessionsMax: 20_000, dataBytesMax: 16, replyBytesMax: 16 };
  server = await serve({ port: 0, shards: 2, ...sizes });
  const client = await greeted();
  for (let n = 1; n <= sessions; n++) client.send(REGISTER, idOf(n), {});
  await client.take(sessions);
  const calls = Array.from({ length: OPERATOR_CALLS_MAX }, (_, i) =>
    frame(CALL, i, null, 'list', { limit: sessions }),
  );
  client.raw(Buffer.concat(calls));
  for (const [kind, , status, page] of await client.take(OPERATOR_CALLS_MAX)) {
    expect([kind, status]).toEqual([RESULT, OK]);
    expect((page as { sessions: unknown[] }).sessions).toHaveLength(sessions);
  }
});
