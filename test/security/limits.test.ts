/** What one connection, or many of them, may take from the others: time, places, descriptors. */
import { readdirSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { Command } from '../cli/command.ts';
import {
  ECHO,
  ERROR,
  frame,
  idOf,
  PING,
  PONG,
  type RawClient,
  REPLY,
  REQUEST,
} from '../transport/raw-client.ts';
import { temporaryFolder } from './files.ts';
import { bearer, opened, start } from './setup.ts';

const ID = idOf(1);

/** A neighbour who must not notice anything. */
async function expectServed(client: RawClient, session: number, request: number): Promise<void> {
  client.send(REQUEST, ID, session, request, ECHO, request);
  expect(await client.next()).toEqual([REPLY, ID, session, request, 0, request]);
}

describe('a frame that comes byte by byte', () => {
  test('is cut off when it is not whole in time, and others go on', async () => {
    const server = await start({ frameTimeoutMs: 100 });
    const neighbour = await bearer(server, '');
    const session = await neighbour.register(ID);
    const slow = await bearer(server, '');
    const bytes = frame(PING, 'x'.repeat(10_000));
    let at = 0;
    const drip = setInterval(() => {
      if (at < bytes.length) slow.raw(bytes.subarray(at, ++at));
    }, 5);
    const rest = await slow.rest();
    clearInterval(drip);
    expect(rest.map((each) => each.slice(0, 3))).toEqual([
      [ERROR, 'timed_out', 'a frame was not whole within 100 ms; connect again'],
    ]);
    expect(at).toBeGreaterThan(1);
    await expectServed(neighbour, session, 1);
  });

  test.each([1, 3, 5, 9])('is cut off also with %i bytes of it alone', async (length) => {
    const server = await start({ frameTimeoutMs: 40 });
    const slow = await bearer(server, '');
    slow.send(PING, 1);
    slow.raw(frame(PING, 'x'.repeat(100)).subarray(0, length));
    const [pong, error] = await slow.rest();
    expect([pong, error.slice(0, 2)]).toEqual([
      [PONG, 1],
      [ERROR, 'timed_out'],
    ]);
  });
});

describe('a connection on which nothing comes', () => {
  test('is closed after the time that it may be idle, and one that pings is not', async () => {
    const server = await start({ idleTimeoutMs: 200 });
    const silent = await bearer(server, '');
    const pinging = await bearer(server, '');
    let isOver = false;
    const ended = silent.rest().then((rest) => {
      isOver = true;
      return rest;
    });
    for (let i = 0; !isOver; i++) {
      pinging.send(PING, i);
      expect(await pinging.next()).toEqual([PONG, i]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await ended).map((each) => each.slice(0, 2))).toEqual([[ERROR, 'timed_out']]);
    pinging.send(PING, 'still');
    expect(await pinging.next()).toEqual([PONG, 'still']);
  });

  test('comes back by itself in the library', async () => {
    const server = await start({ idleTimeoutMs: 50 });
    const connection = await connect({ port: server.address.port, reconnectMinMs: 1 });
    const session = await connection.session();
    while (server.accepted < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await session.request('echo', 1)).toBe(1);
    await connection.close();
  });

  test('is closed when it says no hello, hundreds of them, while others are served', async () => {
    const server = await start({ helloTimeoutMs: 300, connectionsMax: 320 });
    const neighbour = await bearer(server, '');
    const session = await neighbour.register(ID);
    const silent = await Promise.all(Array.from({ length: 300 }, () => opened(server)));
    await expectServed(neighbour, session, 1);
    const rests = await Promise.all(silent.map((client) => client.rest()));
    for (const rest of rests) {
      expect(rest.map((each) => each.slice(0, 2))).toEqual([[ERROR, 'hello_required']]);
    }
    await expectServed(neighbour, session, 2);
    await vi.waitFor(() => expect(server.connections).toBe(1));
  });
});

describe('too many connections', () => {
  test('are refused and counted, and a place that is free again is given', async () => {
    const server = await start({ connectionsMax: 2 });
    const first = await bearer(server, '');
    await bearer(server, '');
    for (let i = 0; i < 3; i++) {
      const late = await opened(server);
      expect((await late.rest()).map((each) => each.slice(0, 2))).toEqual([[ERROR, 'server_busy']]);
    }
    expect([server.accepted, server.refused]).toEqual([2, 3]);
    first.destroy();
    await vi.waitFor(() => expect(server.connections).toBe(1));
    await bearer(server, '');
  });

  test('for the open files of the process do not end it, nor its journal', async () => {
    const folder = temporaryFolder();
    const args = ['serve', '--port', '0', '--shards', '0', '--data-dir', folder];
    // Small segments: the journal opens file after file meanwhile.
    args.push('--segment-bytes-max', '65536');
    const command = new Command(args, { SESSILE_LOG_FORMAT: 'json' }, 'ulimit -n 120');
    let errors = '';
    command.child.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const port = await command.port();
    const segments = readdirSync(folder);
    const before = await connect({ port });
    const session = await before.session();
    const sockets = Array.from({ length: 300 }, () => {
      const socket = connectPlain({ port });
      socket.on('error', () => {});
      socket.resume();
      return socket;
    });
    await vi.waitFor(() => expect(errors).toContain('connection_refused'), 10_000);
    const body = 'x'.repeat(900);
    for (let i = 0; i < 150; i++) expect(await session.request('echo', body)).toBe(body);
    const added = readdirSync(folder).filter((name) => !segments.includes(name));
    expect(added.length).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(async () => (await connect({ port })).close(), 10_000);
    await before.close();
    command.kill('SIGTERM');
    expect((await command.ended).code).toBe(0);
    expect(errors.match(/the limit of open files leaves room for \d+ conn/g)).toHaveLength(1);
  });
});
