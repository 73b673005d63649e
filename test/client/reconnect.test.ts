import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import { ProtocolError } from '../../src/transport/client/errors.ts';
import {
  errorOf,
  frameBytes,
  HELLO,
  inState,
  Peer,
  PING,
  REGISTER,
  REQUEST,
  requestOf,
  WELCOME,
} from './peer.ts';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

describe('a connection that is lost', () => {
  test('between request and reply: the same number and bytes are sent again', async () => {
    const session = await connection.session();
    const results = [session.request('echo', { pay: 5 }), session.request('echo', 'next')];
    const first = await peer.next(REQUEST);
    first.socket.destroy();
    const again = await peer.next(REQUEST);
    expect(again.socket).not.toBe(first.socket);
    expect(again.bytes).toEqual(first.bytes);
    peer.automatic.request = true;
    again.socket.reply(again);
    expect(await Promise.all(results)).toEqual([{ pay: 5 }, 'next']);
    expect(requestOf(await peer.next(REQUEST))).toMatchObject({ request: 2, body: 'next' });
    expect(peer.count(REGISTER)).toBe(1);
  });

  test('many times: it goes on until the reply', async () => {
    const session = await connection.session();
    const result = session.request('echo', 'stubborn');
    for (let i = 0; i < 10; i++) (await peer.next(REQUEST)).socket.destroy();
    const frame = await peer.next(REQUEST);
    frame.socket.reply(frame);
    expect(await result).toBe('stubborn');
    expect(session.lastRequest).toBe(1);
  });

  test('under many sessions: all in flight are sent again, in order, as one write', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => connection.session()));
    const results = sessions.map((session, i) => session.request('echo', i));
    for (let i = 0; i < 20; i++) await peer.next(REQUEST);
    peer.automatic.request = true;
    peer.socket.destroy();
    expect(await Promise.all(results)).toEqual(sessions.map((_, i) => i));
    const again = peer.received.filter(({ kind }) => kind === REQUEST).slice(20);
    expect(again.map((frame) => requestOf(frame).body)).toEqual(sessions.map((_, i) => i));
    // Hello and everything behind it, without waiting for the welcome.
    expect(peer.socket.chunks).toEqual([21]);
  });

  test('what was sent before goes out before what has waited', async () => {
    peer.welcome = { ...WELCOME, limits: { ...WELCOME.limits, in_flight_max: 1 } };
    const narrow = await peer.connect();
    const sessions = await Promise.all([narrow.session(), narrow.session()]);
    const results = sessions.map((session, i) => session.request('echo', i));
    const first = await peer.next(REQUEST);
    peer.automatic.request = true;
    first.socket.destroy();
    expect(await Promise.all(results)).toEqual([0, 1]);
    const requests = peer.received.filter(({ kind }) => kind === REQUEST);
    expect(requests.map((frame) => requestOf(frame).body)).toEqual([0, 0, 1]);
  });

  test('hello comes first again, with the token', async () => {
    const safe = await peer.connect({ token: 'secret' });
    await peer.next(HELLO);
    await peer.next(HELLO);
    peer.socket.destroy();
    expect((await peer.next(HELLO)).fields).toEqual([1, { token: 'secret' }]);
    await inState(safe, 'connected');
  });

  test('a new welcome replaces the old one and its limits', async () => {
    peer.welcome = {
      ...WELCOME,
      engine: '0.2.0',
      limits: { ...WELCOME.limits, in_flight_max: 1 },
    };
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    await inState(connection, 'connected');
    expect(connection.welcome.engine).toBe('0.2.0');
    const sessions = await Promise.all([connection.session(), connection.session()]);
    const results = sessions.map((session, i) => session.request('echo', i));
    const first = await peer.next(REQUEST);
    await connection.ping();
    expect(peer.count(REQUEST)).toBe(1);
    peer.automatic.request = true;
    first.socket.reply(first);
    expect(await Promise.all(results)).toEqual([0, 1]);
  });

  test('a server that refuses the token at the reconnect ends it for good', async () => {
    const session = await connection.session();
    peer.automatic.hello = false;
    peer.socket.destroy();
    await peer.next(HELLO);
    const hello = await peer.next(HELLO);
    const request = errorOf(session.request('echo', 1));
    hello.socket.send(22, 'unauthorized', 'token revoked', null, null, null);
    expect(await request).toMatchObject({ code: 'unauthorized' });
    expect([connection.state, session.state]).toEqual(['failed', 'failed']);
    await connection.close();
    expect(peer.sockets).toHaveLength(2);
  });

  test('a server that never answers the second hello is tried again', async () => {
    const hasty = await peer.connect({ connectTimeoutMs: 20 });
    peer.automatic.hello = false;
    peer.socket.destroy();
    await peer.connections(4);
    peer.automatic.hello = true;
    await inState(hasty, 'connected');
  });

  test('waits grow with each try and stop at the maximum', async () => {
    const drawn: number[] = [];
    const random = () => {
      drawn.push(peer.sockets.length);
      return 0;
    };
    const patient = await peer.connect({ random });
    peer.automatic.hello = false;
    for (let i = 2; i < 6; i++) {
      peer.sockets[i - 1].destroy();
      await peer.connections(i + 1);
    }
    expect(drawn).toEqual([2, 3, 4, 5]);
    await patient.close();
  });
});

describe('a server that breaks the protocol', () => {
  const id = Buffer.alloc(16, 7);
  test.each([
    ['a length that is none', Buffer.from([0xc0])],
    ['a length of zero', Buffer.from([0])],
    ['a length of 4 GiB', Buffer.from([0xce, 0xff, 0xff, 0xff, 0xff])],
    ['no array', Buffer.from([1, 0x05])],
    ['an empty array', Buffer.from([1, 0x90])],
    ['a kind for servers', frameBytes([2, id, 7, 1, 10, null])],
    ['an unknown kind', frameBytes([23])],
    ['too few elements', frameBytes([18, id, 7, 1])],
    ['too many elements', frameBytes([20, 1, 2])],
    ['a short id', frameBytes([19, Buffer.alloc(15, 1), 7, 'evicted'])],
    ['an id of zeros', frameBytes([19, Buffer.alloc(16), 7, 'evicted'])],
    ['a negative number', frameBytes([20, -1])],
    ['an unknown status', frameBytes([18, id, 7, 1, 6, null])],
    ['an unknown reason', frameBytes([19, id, 7, 'bored'])],
    ['a session number 0', frameBytes([17, id, 0, 0, {}])],
    ['options that are no map', frameBytes([17, id, 7, 0, []])],
    ['details that are no map', frameBytes([22, 'server_busy', '', null, null, 5])],
    ['an error code that is no text', frameBytes([22, 5, '', null, null, null])],
    ['something behind the array', Buffer.from([4, 0x92, 20, 1, 0xc0])],
    ['an array that ends early', Buffer.from([2, 0x92, 20])],
    ['msgpackr records', Buffer.from([7, 0x94, 21, 1, 0, 0xd4, 0x72, 0x40])],
  ])('%s: the connection is made anew, and the request goes on', async (_what, bytes) => {
    const session = await connection.session();
    const causes: unknown[] = [];
    connection.on('state', (_state, cause) => causes.push(cause));
    const result = session.request('echo', 1);
    const frame = await peer.next(REQUEST);
    frame.socket.raw(bytes);
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(frame.bytes);
    again.socket.reply(again);
    expect(await result).toBe(1);
    expect(causes[0]).toBeInstanceOf(ProtocolError);
  });

  test('five times in a row is given up, and everything rejects', async () => {
    const session = await connection.session();
    peer.automatic.register = false;
    const results = [
      session.request('echo', 1),
      session.request('echo', 2),
      connection.session(),
    ].map(errorOf);
    for (let i = 0; i < 5; i++) (await peer.next(REQUEST)).socket.raw(Buffer.from([0xc1]));
    for (const error of await Promise.all(results)) expect(error).toBeInstanceOf(ProtocolError);
    expect([connection.state, session.state]).toEqual(['failed', 'failed']);
    expect(peer.sockets).toHaveLength(5);
    expect(await errorOf(session.request('echo', 3))).toBeInstanceOf(ProtocolError);
  });

  test('a good frame in between starts the count anew', async () => {
    for (let i = 1; i <= 12; i++) {
      await connection.ping();
      (await peer.next(PING)).socket.raw(Buffer.from([0xc1]));
      await peer.connections(i + 1);
      await inState(connection, 'connected');
    }
    expect(connection.state).toBe('connected');
  });

  test('frames before the malformed one in a chunk count', async () => {
    const session = await connection.session();
    const result = session.request('echo', 1);
    const { id: client } = requestOf(await peer.next(REQUEST));
    const reply = frameBytes([18, client, 7, 1, 0, 'in time']);
    peer.socket.raw(Buffer.concat([reply, Buffer.from([0xc1])]));
    expect(await result).toBe('in time');
    await peer.connections(2);
    expect(peer.count(REQUEST)).toBe(1);
  });
});
