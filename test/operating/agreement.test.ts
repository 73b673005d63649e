/**
 * What a server counts is what it was sent, to the last one, and all who tell it tell the same:
 * the engine, the operator call, status.json and the metrics.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import type { EngineStatus } from '../../dist/workers/status.js';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  EVICTION,
  GET,
  idOf,
  PING,
  PUT,
  RawClient,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
} from '../transport/raw-client.ts';
import { asJson, ask, bucketsOf, readMetrics } from './http.ts';

const PROMISES = fileURLToPath(new URL('./promises.mjs', import.meta.url));

async function start(options: ServeOptions): Promise<RunningServer> {
  const server = await serve({ port: 0, operatorPort: 0, sessionsMax: 4, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function rawClient(server: RunningServer): Promise<RawClient> {
  const client = await RawClient.greeted(server);
  onTestFinished(() => client.destroy());
  return client;
}

async function operatorOf(server: RunningServer): Promise<Connection> {
  const connection = await connect({ port: server.address.port });
  onTestFinished(() => connection.close());
  return connection;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-status-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Sends one frame, and expects an answer of a kind, with a text in it if there is one to be. */
async function answered(client: RawClient, frame: unknown[], kind: number, word?: string) {
  client.send(...frame);
  const answer = await client.next();
  expect([frame, answer[0]]).toEqual([frame, kind]);
  if (word !== undefined) expect(answer).toContain(word);
}

/** One of everything. What it comes to is in `EXPECTED`. */
async function useAll(client: RawClient): Promise<void> {
  const session = await client.register(idOf(1));
  const limited = await client.register(idOf(2), { rate: [1, 1] });
  await answered(client, [REGISTER, idOf(1), {}], REGISTERED);
  for (let n = 1; n <= 70; n++) {
    await answered(client, [REQUEST, idOf(1), session, n, PUT, { n }], REPLY);
  }
  await answered(client, [REQUEST, idOf(1), session, 70, PUT, { n: 70 }], REPLY);
  await answered(client, [REQUEST, idOf(1), session, 70, PUT, 0], ERROR, 'request_mismatch');
  await answered(client, [REQUEST, idOf(1), session, 99, PUT, 0], ERROR, 'request_gap');
  // Answered as an invalid body, which is a reply like any other.
  await answered(client, [REQUEST, idOf(1), session, 71, PUT, 'no map'], REPLY);
  await answered(client, [CALL, 5, idOf(1), GET, null], RESULT);
  await answered(client, [CALL, 5, idOf(9), GET, null], ERROR, 'no_session');
  await answered(client, [CALL, 5, idOf(1), 200, null], ERROR, 'unknown_operation');
  await answered(client, [REQUEST, idOf(2), limited, 1, ECHO, 0], REPLY);
  await answered(client, [REQUEST, idOf(2), limited, 2, ECHO, 0], ERROR, 'rate_limited');
  await answered(client, [REQUEST, idOf(3), 7, 1, ECHO, 0], EVICTION, 'no_session');
  const long = new Uint8Array(2_000);
  await answered(client, [CALL, 6, idOf(1), GET, long], ERROR, 'body_too_large');
  await answered(client, [CALL, 6, null, 'nonsense', null], ERROR, 'unknown_operation');
  await answered(client, [CLOSE, idOf(1), session], EVICTION, 'closed');
  // The last one that is full: the one that committed longest ago goes, and its client is told.
  for (const n of [4, 5, 6]) await client.register(idOf(n));
  client.send(REGISTER, idOf(7), {});
  const told = await client.take(2);
  expect(told.map(([kind]) => kind).sort()).toEqual([REGISTERED, EVICTION]);
}

const EXPECTED = {
  sessions: 4,
  sessionsMax: 4,
  executing: 0,
  totals: {
    registered: 6,
    resumed: 1,
    requests: 72,
    calls: 1,
    replays: 1,
    commits: 79,
    errors: 7,
    rateLimited: 1,
    evicted: 1,
    expired: 0,
    closed: 1,
    disconnected: 0,
    removed: 0,
  },
  errors: {
    request_mismatch: 1,
    request_gap: 1,
    rate_limited: 1,
    no_session: 1,
    unknown_operation: 2,
    body_too_large: 1,
  },
};

/** Requests and calls on sessions that were answered, whatever with. */
const ANSWERED = 72 + 1 + 1 + 2 + 2 + 1 + 1 + 1;

/** All shards and the totals say the same, but for what no shard knows of. */
function checkSums(status: EngineStatus, ofFrontEnd: number): void {
  for (const [name, total] of Object.entries(status.totals)) {
    const shards = status.shards.map((shard) => (shard as unknown as Record<string, number>)[name]);
    const sum = shards.reduce((all, each) => all + each, 0);
    expect([name, sum]).toEqual([name, total - (name === 'errors' ? ofFrontEnd : 0)]);
  }
  const live = status.shards.reduce((all, each) => all + each.sessions, 0);
  expect(live).toBe(status.sessions);
}

describe.each([
  ['run directly', { shards: 2, run: 'direct' }, false],
  ['run by workers', { shards: 2, run: 'worker' }, false],
  ['run without workers', { shards: 0 }, false],
  ['on disk before their answers', { shards: 2, run: 'worker' }, true],
  ['on disk, run directly', { shards: 0 }, true],
] as const)('sessions %s', (_, options, hasJournal) => {
  it('are counted as they were sent, and told alike by all', async () => {
    const dataDir = hasJournal ? { dataDir: folder() } : {};
    const server = await start({ ...options, ...dataDir, bodyBytesMax: 1_000 });
    const client = await rawClient(server);
    await useAll(client);
    const status = server.engine.status();
    expect(status).toMatchObject(EXPECTED);
    expect(status.errors).toEqual(EXPECTED.errors);
    checkSums(status, 2);
    expect(status.duration.count).toBe(ANSWERED);
    const counted = status.duration.buckets.reduce((sum, [, count]) => sum + count, 0);
    expect(counted).toBe(ANSWERED);
    // The first execution is timed, and then one in a millisecond at most.
    expect(status.operations).toMatchObject([
      { name: 'echo', number: ECHO, count: 1, failed: 0, sampled: 1 },
      { name: 'get', number: GET, count: 1, failed: 0, sampled: 1 },
      { name: 'put', number: PUT, count: 71, failed: 0, sampled: expect.any(Number) },
    ]);

    const operator = await operatorOf(server);
    const called = await operator.status();
    const written = (await asJson(server.operatorAddress!, '/status.json')) as Record<
      string,
      never
    >;
    const told = [called.totals, called.errors, called.operations, called.duration];
    expect(told).toEqual([status.totals, status.errors, status.operations, status.duration]);
    expect(written.errors).toEqual(EXPECTED.errors);
    expect(written.totals).toMatchObject({ requests: 72, rate_limited: 1, evicted: 1 });
    expect(written.duration).toMatchObject({ count: ANSWERED, sum_us: status.duration.sumUs });
    expect(written.front_end).toMatchObject({ connections: 2, accepted: 2, refused: 0 });
    expect(Object.keys(written)).toEqual(
      Object.keys(status).map((name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)),
    );

    const samples = readMetrics((await ask(server.operatorAddress!, '/metrics')).text);
    const expected = {
      'sessile_requests_total{result="executed"}': 72,
      'sessile_requests_total{result="called"}': 1,
      'sessile_requests_total{result="replayed"}': 1,
      'sessile_requests_total{result="refused"}': 7,
      'sessile_errors_total{code="unknown_operation"}': 2,
      'sessile_errors_total{code="rate_limited"}': 1,
      'sessile_evictions_total{reason="evicted"}': 1,
      'sessile_evictions_total{reason="closed"}': 1,
      'sessile_registrations_total{result="resumed"}': 1,
      'sessile_operations_total{operation="put"}': 71,
      'sessile_operation_duration_seconds_count{operation="put"}': sampledOf(status, 'put'),
      sessile_commits_total: 79,
      sessile_sessions: 4,
      sessile_connections: 2,
      sessile_request_duration_seconds_count: ANSWERED,
      sessile_request_duration_seconds_sum: status.duration.sumUs / 1e6,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect([name, samples.get(name)]).toEqual([name, value]);
    }
    const buckets = bucketsOf(samples, 'sessile_request_duration_seconds');
    expect(buckets.at(-1)).toEqual([Number.POSITIVE_INFINITY, ANSWERED]);
    for (const [index, [bound, below]] of buckets.entries()) {
      if (index > 0) expect(bound).toBeGreaterThan(buckets[index - 1][0]);
      const exact = status.duration.buckets.filter(([upper]) => upper < bound * 1e6);
      expect(below).toBe(exact.reduce((sum, [, count]) => sum + count, 0));
    }
  });
});

it('counts each sync of the journal, and what it takes on the disk', async () => {
  const dataDir = folder();
  const server = await start({ shards: 1, run: 'worker', dataDir });
  const client = await rawClient(server);
  const session = await client.register(idOf(1));
  for (let n = 1; n <= 20; n++) {
    await answered(client, [REQUEST, idOf(1), session, n, PUT, { n }], REPLY);
  }
  const status = server.engine.status();
  expect(status.journal).toEqual({ folder: dataDir, durability: 'commit' });
  const journal = status.shards[0].journal!;
  // Each was sent when the one before was on disk, so each is a batch of its own.
  expect(journal).toMatchObject({ batches: 21, segments: 1, bufferedBytes: 0, state: 'ok' });
  expect(journal.sync.count).toBe(21);
  expect(journal.sync.sumUs).toBeGreaterThan(0);
  const files = readdirSync(dataDir).filter((name) => name.endsWith('.log'));
  const sizes = files.map((name) => statSync(join(dataDir, name)).size);
  expect([files.length, sizes[0]]).toEqual([1, journal.diskBytes]);
  expect(journal.syncedBytes).toBeLessThan(journal.diskBytes);
  const samples = readMetrics((await ask(server.operatorAddress!, '/metrics')).text);
  expect(samples.get('sessile_journal_sync_duration_seconds_count')).toBe(21);
  expect(samples.get('sessile_journal_batches_total{shard="0"}')).toBe(21);
  expect(samples.get('sessile_journal_disk_bytes{shard="0"}')).toBe(journal.diskBytes);
  expect(samples.get('sessile_journal_writable{shard="0"}')).toBe(1);
});

it('counts operations that return promises, their failures, and how long each took', async () => {
  const server = await start({ shards: 1, service: PROMISES });
  const client = await rawClient(server);
  const session = await client.register(idOf(1));
  for (let n = 1; n <= 10; n++) {
    await answered(client, [REQUEST, idOf(1), session, n, n % 2, null], REPLY);
  }
  const status = server.engine.status();
  expect(status.operations).toMatchObject([
    { name: 'later', count: 5, failed: 0, sampled: 5 },
    { name: 'broken', count: 5, failed: 5, sampled: 5 },
  ]);
  expect(status.duration.count).toBe(10);
});

it('counts connections that were turned away, and frames that were no frames', async () => {
  const server = await start({ shards: 0, connectionsMax: 1 });
  const first = await rawClient(server);
  const second = await RawClient.open(server);
  expect((await second.rest())[0]).toContain('server_busy');
  first.send(PING, 1);
  await first.next();
  const { frontEnd } = server.engine.status();
  expect(frontEnd).toMatchObject({ connectionsMax: 1, accepted: 1, refused: 1 });
  expect(frontEnd.bytesIn).toBe(first.socket.bytesWritten);
  expect(frontEnd.bytesOut).toBe(first.socket.bytesRead + second.socket.bytesRead);
  first.raw([1, 2, 3, 4, 5, 6, 7, 8]);
  await first.rest();
  expect(server.engine.status().errors).toEqual({ server_busy: 1, malformed_frame: 1 });
});

/** How many executions of an operation were timed. */
function sampledOf({ operations }: EngineStatus, name: string): number | undefined {
  return operations.find((operation) => operation.name === name)?.sampled;
}
