/**
 * Clients that stop in the middle, do not read, or are too many: what a server keeps for each is
 * bounded, and its neighbours are served as before.
 */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { serve } from '../../dist/serve.js';
import { SharedInput } from '../../dist/transport/shared-input.js';
import { ECHO, ERROR, idOf, PING, PONG, RawClient, REPLY, REQUEST } from './raw-client.ts';
import { FRAME_BYTES_MAX, frameOf, ID, setUp } from './setup.ts';

/** Unsent output at which a connection is cut off, and one output buffer on top. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024 + 64 * 1024;

/** The server's ends of connections, by the port of the client. */
const sockets = new Map<number | undefined, Socket>();
const { read } = SharedInput.prototype;

beforeAll(() => {
  vi.spyOn(SharedInput.prototype, 'read').mockImplementation(function (this: SharedInput, ...args) {
    const socket = read.apply(this, args);
    sockets.set(socket.remotePort, socket);
    return socket;
  });
});
afterAll(() => {
  vi.restoreAllMocks();
});

const serverEnd = (client: RawClient): Socket => sockets.get(client.socket.localPort) as Socket;

/** As many round trips of another client, between which the server's turns come and go. */
async function roundTrips(client: RawClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    client.send(PING, i);
    expect(await client.next()).toEqual([PONG, i]);
  }
}

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  const on = setUp(run);

  it('waits for the rest of a frame, and serves others meanwhile', async () => {
    const bytes = frameOf(REQUEST, ID, on.session, 1, ECHO, 'in two parts');
    for (const cut of [1, 4, 5, 6, bytes.length - 1]) {
      const number = [1, 4, 5, 6].indexOf(cut) + 1 || 5;
      const whole = frameOf(REQUEST, ID, on.session, number, ECHO, 'in two parts');
      on.client.raw(whole.subarray(0, cut));
      const other = await RawClient.greeted(on.server);
      await roundTrips(other, 5);
      other.destroy();
      on.client.raw(whole.subarray(cut));
      expect(await on.client.next()).toEqual([REPLY, ID, on.session, number, 0, 'in two parts']);
    }
  });

  it('forgets a client that leaves in the middle of a frame', async () => {
    const before = on.server.connections;
    const leaving = await RawClient.greeted(on.server);
    leaving.raw([0xce, 0, 0, 4, 0, 1, 2, 3]);
    await roundTrips(on.client, 5);
    leaving.destroy();
    while (on.server.connections > before) await roundTrips(on.client, 1);
  });

  it('executes once what a client sent before it left, and tells it later', async () => {
    const count = 50;
    const frames: Buffer[] = [];
    for (let n = 1; n <= count; n++) frames.push(frameOf(REQUEST, ID, on.session, n, ECHO, n));
    on.client.raw(Buffer.concat(frames));
    const last = await on.client.next();
    expect(last).toEqual([REPLY, ID, on.session, 1, 0, 1]);
    on.client.destroy();
    const again = await RawClient.greeted(on.server);
    again.send(REQUEST, ID, on.session, count, ECHO, count);
    const answer = await again.next();
    // The same reply again, or, if its frames were lost with the connection, how far it came.
    if (answer[0] === ERROR) expect(answer[1]).toBe('request_gap');
    else expect(answer).toEqual([REPLY, ID, on.session, count, 0, count]);
    again.destroy();
  });

  it('keeps little for a client that does not read, and answers all once it does', async () => {
    const count = 12_000;
    const body = 'x'.repeat(800);
    const frames: Buffer[] = [];
    for (let n = 1; n <= count; n++) frames.push(frameOf(REQUEST, ID, on.session, n, ECHO, body));
    on.client.socket.pause();
    on.client.raw(Buffer.concat(frames));
    const other = await RawClient.greeted(on.server);
    for (let i = 0; i < 200; i++) {
      await roundTrips(other, 1);
      const { writableLength, readableLength } = serverEnd(on.client);
      expect(writableLength).toBeLessThanOrEqual(UNSENT_BYTES_MAX);
      expect(readableLength).toBeLessThan(1024 * 1024);
    }
    expect(serverEnd(on.client).destroyed).toBe(false);
    on.client.socket.resume();
    for (let n = 1; n <= count; n++) {
      const answer = await on.client.next();
      if (answer[3] !== n || answer[5] !== body) throw new Error(`answer ${n}: ${answer}`);
    }
    other.destroy();
  });

  it('takes the longest frame byte by byte', async () => {
    const whole = frameOf(PING, 'x'.repeat(FRAME_BYTES_MAX - 5));
    for (const byte of whole) on.client.raw([byte]);
    expect((await on.client.next())[0]).toBe(PONG);
  });
});

describe('a server with as many connections as it takes', () => {
  it('refuses a further one with server_busy, and takes another once one has left', async () => {
    const options = { port: 0, shards: 1, sessionsMax: 10, connectionsMax: 2 };
    const server = await serve(options);
    const [first, second] = [await RawClient.greeted(server), await RawClient.greeted(server)];
    const third = await RawClient.open(server);
    const text = 'the server has as many connections as it takes';
    expect(await third.rest()).toEqual([[ERROR, 'server_busy', text, null, null, null]]);
    const session = await first.register(idOf(1));
    first.send(REQUEST, idOf(1), session, 1, ECHO, 'still served');
    expect(await first.next()).toEqual([REPLY, idOf(1), session, 1, 0, 'still served']);
    second.destroy();
    while (server.connections > 1) await roundTrips(first, 1);
    const fourth = await RawClient.greeted(server);
    await roundTrips(fourth, 1);
    for (const client of [first, fourth]) client.destroy();
    await server.stop();
  });
});

describe('a server whose clients come and go', () => {
  it('takes back the address of every connection, however it ended', async () => {
    const server = await serve({ port: 0, shards: 1, sessionsMax: 10 });
    const open = vi.spyOn(server.engine.router, 'open');
    const close = vi.spyOn(server.engine.router, 'close');
    const stay = await RawClient.greeted(server);
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.greeted(server);
      await client.register(idOf(i));
      if (i % 3 === 0) client.destroy();
      else if (i % 3 === 1) client.socket.end();
      else client.raw([0xc1]);
    }
    while (server.connections > 1) await roundTrips(stay, 1);
    const tokens = open.mock.results.map(({ value }) => value as number).sort();
    const own = tokens.filter((token) => !close.mock.calls.some(([closed]) => closed === token));
    expect([tokens.length, close.mock.calls.length, own.length]).toEqual([21, 20, 1]);
    stay.destroy();
    await server.stop();
  });
});

describe('a server with long frames', () => {
  it('sends back a nonce as long as its frames may be', async () => {
    const frameBytesMax = 16 * 1024 * 1024;
    const server = await serve({ port: 0, shards: 1, sessionsMax: 10, frameBytesMax });
    for (const megabytes of [1, 7, 15]) {
      const client = await RawClient.greeted(server);
      const nonce = 'x'.repeat(megabytes * 1024 * 1024);
      client.send(PING, nonce);
      const answer = await client.nextOrEnd();
      expect(answer?.[1] === nonce, `${megabytes} MiB`).toBe(true);
      client.destroy();
    }
    await server.stop();
  });
});
