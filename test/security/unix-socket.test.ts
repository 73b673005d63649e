/** A Unix socket beside the port: who may use it, and what becomes of its file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { RunningServer } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import type { ConnectOptions } from '../../dist/transport/client/options.js';
import { listenOnPath } from '../../dist/transport/unix-socket.js';
import { errorOf } from '../client/peer.ts';
import { fileWith, temporaryFolder } from './files.ts';
import { BILLING, LIST, start } from './setup.ts';

const pathOf = (): string => join(temporaryFolder(), 'sessile.sock');

async function connected(path: string, options: ConnectOptions = {}): Promise<Connection> {
  const connection = await connect({ path, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

/** The file of a server that was killed. */
async function leftOver(path: string): Promise<void> {
  const script =
    'require("net").createServer().listen(process.argv[1],()=>process.kill(process.pid,9))';
  await once(spawn(process.execPath, ['-e', script, path]), 'close');
  expect(existsSync(path)).toBe(true);
}

describe('a path that is too long for the system', () => {
  const most = process.platform === 'linux' ? 107 : 103;

  test('is refused at the start with its length and the limit', async () => {
    const path = `/tmp/${'ä'.repeat(60)}`;
    const error = await errorOf(start({ socket: path }));
    expect(error).toMatchObject({ code: 'invalid_options', option: 'socket' });
    expect(error.message).toContain(path);
    expect(error.message).toMatch(new RegExp(`at most ${most} bytes.*; it has 125$`));
    const client = await errorOf(connect({ path }));
    expect(client).toMatchObject({ code: 'invalid_options', option: 'path' });
  });

  test('also when only the name that it is made under is', async () => {
    const folder = `/tmp/${'d'.repeat(most - 5 - 9)}`;
    const error = await errorOf(start({ socket: `${folder}/s` }));
    expect(error).toMatchObject({ code: 'invalid_options', option: 'socket' });
    expect(error.message).toMatch(new RegExp(`folder.* at most ${most - 10} bytes; it has`));
  });

  test('is not one of exactly that length', async () => {
    const folder = temporaryFolder();
    const socket = join(folder, 's'.repeat(most - folder.length - 1));
    await start({ socket });
    await (await connected(socket)).ping();
  });
});

describe('a server with a Unix socket', () => {
  test.each(['direct', 'worker'] as const)('serves it beside its port, run %s', async (run) => {
    const socket = pathOf();
    const server: RunningServer = await start({ socket, shards: 1, run });
    const connection = await connected(socket);
    const sessions = await Promise.all(Array.from({ length: 20 }, () => connection.session()));
    const body = 'x'.repeat(1000);
    const bodies = await Promise.all(sessions.map((session) => session.request('echo', body)));
    expect(bodies.every((each) => each === body)).toBe(true);
    const other = await connect({ port: server.address.port });
    await other.ping();
    expect([server.connections, server.accepted]).toEqual([2, 2]);
    await other.close();
  });

  test('lets nobody else but its user in, and takes the file away when it stops', async () => {
    const socket = pathOf();
    const mask = process.umask();
    const server = await start({ socket });
    expect([statSync(socket).mode & 0o777, process.umask()]).toEqual([0o600, mask]);
    await server.stop();
    expect(existsSync(socket)).toBe(false);
    expect(readdirSync(dirname(socket))).toEqual(['sessile.sock.lock']);
  });

  test('asks for tokens there too', async () => {
    const socket = pathOf();
    await start({ socket, tokens: fileWith(LIST) });
    expect(await errorOf(connect({ path: socket }))).toMatchObject({ code: 'unauthorized' });
    await (await connected(socket, { token: BILLING })).session();
  });

  test('takes the place of one that was killed, and not that of one that lives', async () => {
    const socket = pathOf();
    const script = 'require("net").createServer().listen(process.argv[1],()=>console.log("up"))';
    const child = spawn(process.execPath, ['-e', script, socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const error = await errorOf(start({ socket }));
    expect(error).toMatchObject({ code: 'cannot_listen' });
    expect(error.message).toContain('another server listens there');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(existsSync(socket)).toBe(true);
    await start({ socket });
    await (await connected(socket)).ping();
  });

  test('takes the place of one that was killed alone, when two try at a time', async () => {
    const socket = pathOf();
    await leftOver(socket);
    const two = [createServer(), createServer()];
    const tried = await Promise.allSettled(two.map((each) => listenOnPath(each, socket)));
    for (const each of two) if (each.listening) onTestFinished(() => void each.close());
    expect(tried.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const { reason } = tried[1] as PromiseRejectedResult;
    expect(reason).toMatchObject({ code: 'cannot_listen' });
    expect(two.map(({ listening }) => listening)).toEqual([true, false]);
  });

  test('when it stops leaves alone what came in its place, and gives the place up', async () => {
    const socket = pathOf();
    const server = await start({ socket });
    unlinkSync(socket);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(socket, resolve));
    await server.stop();
    expect(existsSync(socket)).toBe(true);
    await new Promise((resolve) => other.close(resolve));
    const next = await start({ socket });
    await next.stop();
    await start({ socket });
    await (await connected(socket)).ping();
  });

  test('needs no flock(1)', async () => {
    const socket = pathOf();
    await leftOver(socket);
    vi.stubEnv('PATH', temporaryFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
    await start({ socket });
    await (await connected(socket)).ping();
  });

  test('does not touch a file of another kind, and says what is wrong with a path', async () => {
    const path = fileWith('precious');
    const error = await errorOf(start({ socket: path }));
    expect(error).toMatchObject({ code: 'cannot_listen' });
    expect(error.message).toContain('a file of another kind');
    expect(existsSync(path)).toBe(true);
    expect(await errorOf(start({ socket: '/nowhere/at/all' }))).toMatchObject({
      code: 'cannot_listen',
    });
    expect(await errorOf(start({ socket: '' }))).toMatchObject({ option: 'socket' });
  });

  test('gives its port back when the socket cannot be had', async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    await errorOf(start({ port, socket: '/nowhere/at/all' }));
    await start({ port });
  });
});

test('a client whose Unix socket is not there hears so at once', async () => {
  const error = await errorOf(connect({ path: '/nowhere/at/all' }));
  expect(error).toMatchObject({ name: 'ConnectionClosedError' });
  expect(error.message).toContain('ENOENT');
});
