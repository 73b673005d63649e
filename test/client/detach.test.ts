/** Letting go of a session that lives on at the server. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import { CLOSE, errorOf, Peer, REGISTER, REQUEST } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

test('nothing is sent, and the id is free again at once', async () => {
  const session = await connection.session({ id: ID });
  const states: string[] = [];
  session.on('state', (state) => states.push(state));
  const detaching = session.detach();
  const again = connection.session({ id: ID });
  await detaching;
  expect(states).toEqual(['closed']);
  expect(session.cause).toMatchObject({ code: 'connection_closed' });
  expect(await errorOf(session.request('echo'))).toBe(session.cause);
  expect((await again).state).toBe('active');
  expect([peer.count(REGISTER), peer.count(CLOSE)]).toEqual([2, 0]);
});

test('it waits for the request in flight; the queue is rejected unsent', async () => {
  const session = await connection.session({ id: ID });
  const first = session.request('echo', 1);
  const second = errorOf(session.request('echo', 2));
  const detaching = session.detach();
  expect(session.detach()).toBe(detaching);
  expect(await second).toMatchObject({ code: 'connection_closed' });
  expect(await errorOf(connection.session({ id: ID }))).toMatchObject({ option: 'id' });
  const frame = await peer.next(REQUEST);
  frame.socket.reply(frame);
  expect(await first).toBe(1);
  await detaching;
  expect(session.lastRequest).toBe(1);
  expect([peer.count(REQUEST), peer.count(CLOSE)]).toEqual([1, 0]);
});

test('it settles a request whose caller gave up', async () => {
  const session = await connection.session();
  const late = errorOf(session.request('echo', 1, { timeoutMs: 20 }));
  const frame = await peer.next(REQUEST);
  expect(await late).toMatchObject({ code: 'request_timeout' });
  const detaching = session.detach();
  const again = await peer.next(REQUEST);
  expect(again.bytes).toEqual(frame.bytes);
  again.socket.reply(again);
  await detaching;
  expect(session.state).toBe('closed');
});

test('a request that nobody settles makes it time out, and the session is over here', async () => {
  const session = await connection.session();
  await errorOf(session.request('echo', 1, { timeoutMs: 20 }));
  const error = await errorOf(session.detach({ timeoutMs: 20 }));
  expect(error).toMatchObject({ code: 'request_timeout', what: 'a detach' });
  expect(session.state).toBe('closed');
});

test('a session that has ended is let go of already', async () => {
  const session = await connection.session();
  await connection.close();
  await session.detach();
  expect(session.state).toBe('closed');
});

test('a wrong time limit is refused', async () => {
  const session = await connection.session();
  expect(await errorOf(session.detach({ timeoutMs: 0 }))).toMatchObject({ option: 'timeoutMs' });
  expect(session.state).toBe('active');
});
