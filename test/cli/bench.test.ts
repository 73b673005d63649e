/** `sessile bench` as a process, against real servers. */
import { rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startLossyProxy } from '../../dist/cli/lossy-proxy.js';
import { type ServeOptions, serve } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import { Command, run } from './command.ts';
import { parseCsv } from './csv.ts';

/** A server in this process, which is what `sessile serve` runs. */
async function startServer(options: ServeOptions = {}) {
  const server = await serve({ port: 0, shards: 1, ...options });
  onTestFinished(() => server.stop());
  const { port } = server.address;
  return { port, connection: await watch(port) };
}

/** A connection that looks at what a server has done. */
async function watch(port: number): Promise<Connection> {
  const connection = await connect({ port });
  onTestFinished(() => connection.close());
  return connection;
}

/** Runs a load that ends by itself; its report. */
async function bench(...args: string[]) {
  const { code, out, err } = await run(['bench', ...args, '--json']);
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out);
}

/** Resolves when the server has executed requests. */
async function underLoad(connection: Connection): Promise<void> {
  while (((await connection.stats()).requests as number) === 0);
}

test('the server counts as many requests as the load, which ends its sessions', async () => {
  const port = await new Command(['serve', '--port', '0', '--shards', '1']).port();
  const connection = await watch(port);
  const args = ['-n', '3000', '-c', '3', '-P', '5', '--sessions', '40', '--operation', 'put'];
  const report = await bench(String(port), ...args);
  expect(report).toMatchObject({ ok: 3000, failed: 0, errors: {}, unanswered: 0, ended: 'done' });
  expect(report).toMatchObject({ registered: 40, retries: 0, operation: 'put', mode: 'closed' });
  const { p50, p90, p99, p999, max } = report.latency_us;
  expect([p50, p90, p99, p999, max]).toEqual([p50, p90, p99, p999, max].sort((a, b) => a - b));
  expect(p50).toBeGreaterThan(0);
  // The closes are the last it sent, and may be under way yet.
  while (((await connection.stats()).closed as number) < 40);
  expect(await connection.stats()).toMatchObject({ requests: 3000, registered: 40, sessions: 0 });
});

test('with a seed and --keep a second run goes on with the sessions of the first', async () => {
  const { port, connection } = await startServer();
  const args = ['-n', '100', '-c', '1', '-P', '4', '--seed', 'one', '--keep'];
  await bench(String(port), ...args, '--operation', 'increment');
  await bench(String(port), ...args, '--operation', 'increment');
  expect(await connection.stats()).toMatchObject({ requests: 200, registered: 4, resumed: 4 });
  const { sessions } = await connection.list();
  const counts = await Promise.all(sessions.map(({ id }) => connection.data(id).get()));
  expect(counts.reduce((sum, { data }) => sum + (data.count as number), 0)).toBe(200);
});

test('what a session may not do is counted by its code, and the load goes on', async () => {
  const { port, connection } = await startServer({ rate: { perSecond: 1, burst: 5 } });
  const report = await bench(String(port), '-n', '24', '-c', '1', '-P', '4');
  expect(report.ok).toBeGreaterThanOrEqual(20);
  expect(report.ok + report.failed).toBe(24);
  expect(report.errors).toEqual(report.failed > 0 ? { rate_limited: report.failed } : {});
  expect(await connection.stats()).toMatchObject({ requests: report.ok, errors: report.failed });
});

test('an evicted session registers anew, and its request counts as evicted', async () => {
  const { port, connection } = await startServer({ sessionsMax: 8 });
  const report = await bench(String(port), '-n', '400', '-c', '2', '-P', '8');
  expect(report.ok + report.failed).toBe(400);
  expect(Object.keys(report.errors).filter((code) => code !== 'evicted')).toEqual([]);
  expect(report.registered).toBeGreaterThan(16);
  const stats = await connection.stats();
  expect(stats.registered).toBe(report.registered);
  // Evicted right after it was executed: the news may come before the reply.
  expect(stats.requests).toBeGreaterThanOrEqual(report.ok);
});

test('sessions that cannot be registered are counted by code; when none can, it ends', async () => {
  const { port, connection } = await startServer({ sessionsMax: 8, onFull: 'reject' });
  const report = await bench(String(port), '-n', '40', '-c', '2', '-P', '5');
  expect(report).toMatchObject({ registered: 8, register_errors: { sessions_exhausted: 2 } });
  expect(report.ok + report.failed).toBe(40);
  while (((await connection.stats()).sessions as number) > 0);
  for (let i = 0; i < 8; i++) await connection.session();
  const { code, out, err } = await run(['bench', String(port), '-d', '600', '-c', '1', '-P', '3']);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(
    /^sessile: none of 3 sessions could be registered: sessions_exhausted=3; .*in use.*\n$/,
  );
});

test('connections that the server has no room for end it with 1 and what it says', async () => {
  const { port } = await startServer({ connectionsMax: 2 });
  const { code, out, err } = await run(['bench', String(port), '-d', '600', '-c', '4']);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/^sessile: .*as many connections as it takes.*\n$/);
});

test('a reply that says no is counted by its status', async () => {
  const { port } = await startServer();
  const { code, out } = await run([
    'bench',
    String(port),
    '-n',
    '50',
    '--operation',
    '2',
    '--body',
    '7',
    '--json',
  ]);
  expect(JSON.parse(out)).toMatchObject({ operation: 'put', ok: 0, errors: { invalid_body: 50 } });
  expect(code).toBe(2);
});

test('requests whose connection is lost are sent again, and executed once', async () => {
  const { port, connection } = await startServer();
  const proxy = await startLossyProxy('127.0.0.1', port);
  onTestFinished(() => proxy.stop());
  const args = ['-n', '20000', '-c', '2', '-P', '4', '--operation', 'increment', '--keep'];
  const running = bench(String(proxy.port), ...args);
  await underLoad(connection);
  await proxy.loseNextAnswer();
  const report = await running;
  expect(report).toMatchObject({ ok: 20_000, failed: 0, reconnects: 1 });
  expect(report.retries).toBeGreaterThan(0);
  const { sessions } = await connection.list();
  const counts = await Promise.all(sessions.map(({ id }) => connection.data(id).get()));
  expect(counts.reduce((sum, { data }) => sum + (data.count as number), 0)).toBe(20_000);
});

test('a server that goes away ends the run with what was seen, and exit code 2', async () => {
  const server = new Command(['serve', '--port', '0', '--shards', '1']);
  const port = await server.port();
  const connection = await watch(port);
  const load = new Command(['bench', String(port), '-d', '600', '--reconnect-ms', '0', '--json']);
  await underLoad(connection);
  server.kill('SIGKILL');
  const { code, out, err } = await load.ended;
  expect(code).toBe(2);
  expect(err).toMatch(/^sessile: the server went away: .+\n$/);
  const report = JSON.parse(out);
  expect(report.ended).toBe('server_gone');
  expect(report.ok).toBeGreaterThan(0);
});

test('SIGINT ends a run early with its report', async () => {
  const { port, connection } = await startServer();
  const load = new Command(['bench', String(port), '-d', '600', '--csv']);
  await underLoad(connection);
  load.kill('SIGINT');
  const { code, out, err } = await load.ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const report = parseCsv(out);
  expect(report).toMatchObject({ ended: 'interrupted', unanswered: '0', errors: '' });
  expect(Number(report.ok)).toBe((await connection.stats()).requests);
});

test('an open loop sends as many as its schedule has, with another load beside', async () => {
  const { port, connection } = await startServer();
  const report = await bench(String(port), '-n', '200', '--rate', '4000', '--size', '0');
  expect(report).toMatchObject({ ok: 200, mode: 'open', rate: 4000, not_sent: 0 });
  expect(await connection.stats()).toMatchObject({ requests: 200 });
});

test('without an address it starts a server and says so; the server ends with it', async () => {
  const { code, out, err } = await run(['bench', '-n', '500', '-c', '1', '-P', '2']);
  expect(code).toBe(0);
  const port = /^started a server on 127\.0\.0\.1:(\d+) for this run\n$/.exec(err)?.[1];
  expect(out).toMatch(/requests +500 +in/);
  expect(out).not.toMatch(/NaN|Infinity|undefined/);
  expect(out).not.toContain('\u001b');
  await expect(connect({ port: Number(port) })).rejects.toMatchObject({
    code: 'connection_closed',
  });
});

test('speaks over a Unix socket', async () => {
  const { port } = await startServer();
  const path = join(tmpdir(), `sessile-bench-${process.pid}.sock`);
  const sockets = new Set<Socket>();
  const door = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => socket.destroy()));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => door.listen(path, resolve));
  onTestFinished(() => {
    door.close();
    for (const socket of sockets) socket.destroy();
    rmSync(path, { force: true });
  });
  expect(await bench('--socket', path, '-n', '100')).toMatchObject({ ok: 100, address: path });
});

test.each([
  [['127.0.0.1:1'], 'ECONNREFUSED'],
  [['1:2:3'], 'host:port'],
  [['-c', '0'], '-c is 0'],
  [['--socket', 'nowhere', '127.0.0.1:1'], '--socket'],
  [['--socket', `/${'n'.repeat(120)}`], 'bytes, which the system allows; it has 121'],
])('%j ends with 1 and one line', async (args, said) => {
  const { code, out, err } = await run(['bench', ...args]);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(said);
  expect(err.trimEnd()).not.toContain('\n');
});

test('an operation that the server has not, or a body too large for it, ends with 1', async () => {
  const { port } = await startServer();
  const wrong = await run(['bench', String(port), '--operation', 'sing']);
  expect(wrong).toMatchObject({ code: 1, out: '' });
  expect(wrong.err).toMatch(/^sessile: --operation is "sing"; it must be one of echo, get.*\n$/);
  const large = await run(['bench', String(port), '--size', '65001']);
  expect(large).toMatchObject({ code: 1, out: '' });
  expect(large.err).toMatch(/^sessile: --size is 65001.*\n$/);
});
