/**
 * What a session object leaves open when it is let go of: sent, its outcome unknown. The next
 * object of the session settles it before it gives the number to a request of its own.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import type { Session } from '../../src/transport/client/session.ts';
import { errorOf, Peer, REGISTER, REQUEST, type Received, requestOf } from './peer.ts';

const SESSION = 7;
const ID = '00112233445566778899aabbccddeeff';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
  peer.automatic.register = false;
});
afterEach(() => peer.close());

/** A session object; the server says that the session has this number, and its last request. */
async function open(session = SESSION, last = 0): Promise<Session> {
  const opening = connection.session({ id: ID });
  const frame = await peer.next(REGISTER);
  frame.socket.registered(frame, session, last);
  return opening;
}

/** Both copies of a request that a session object has left open. */
async function leave(): Promise<Received[]> {
  const session = await open();
  await errorOf(session.request('echo', 'early', { timeoutMs: 20 }));
  const first = await peer.next(REQUEST);
  await errorOf(session.detach({ timeoutMs: 20 }));
  return [first, await peer.next(REQUEST)];
}

test('its late reply is not that of the next object, whose numbers go on behind it', async () => {
  const [first] = await leave();
  const session = await open();
  const reply = session.request('echo', 'later');
  const again = await peer.next(REQUEST);
  expect(again.bytes).toEqual(first.bytes);
  first.socket.reply(first);
  again.socket.reply(again);
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame)).toMatchObject({ request: 2, body: 'later' });
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('its number is free when it is refused for what will not change', async () => {
  await leave();
  const session = await open();
  const reply = session.request('echo', 'later');
  const again = await peer.next(REQUEST);
  again.socket.refuse(again, 'unknown_operation');
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame)).toMatchObject({ request: 1, body: 'later' });
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('it is settled over another connection too', async () => {
  const [first] = await leave();
  first.socket.destroy();
  const session = await open();
  const reply = session.request('echo', 'later');
  const again = await peer.next(REQUEST);
  expect(again.bytes).toEqual(first.bytes);
  again.socket.reply(again);
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame)).toMatchObject({ request: 2, body: 'later' });
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('it stays open for the object after the next, if nobody has settled it', async () => {
  const [first] = await leave();
  await (await open()).detach({ timeoutMs: 20 }).catch(() => {});
  const session = await open();
  const reply = errorOf(session.request('echo', 'later', { timeoutMs: 20 }));
  expect((await peer.next(REQUEST)).bytes).toEqual(first.bytes);
  expect(await reply).toMatchObject({ code: 'request_timeout', sent: false });
});

test('an answer to a register that nobody waits for any more takes it from nobody', async () => {
  const [first] = await leave();
  first.socket.send(17, first.fields[0], SESSION, 0, { resumed: true });
  await connection.ping();
  const session = await open();
  const reply = errorOf(session.request('echo', 'later', { timeoutMs: 20 }));
  expect((await peer.next(REQUEST)).bytes).toEqual(first.bytes);
  expect(await reply).toMatchObject({ sent: false });
});

test('nothing is asked again when the server says that it was committed', async () => {
  await leave();
  const session = await open(SESSION, 1);
  const reply = session.request('echo', 'later');
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame)).toMatchObject({ request: 2, body: 'later' });
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('a later session of the id knows nothing of it', async () => {
  await leave();
  const session = await open(SESSION + 1);
  const result = errorOf(session.request('echo', 'later'));
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame)).toMatchObject({ request: 1, body: 'later' });
  frame.socket.refuse(frame, 'forbidden');
  expect(await result).toMatchObject({ code: 'forbidden' });
});

test('a session that was evicted with a request in flight leaves nothing open', async () => {
  const before = await open();
  const early = errorOf(before.request('echo', 'early'));
  const first = await peer.next(REQUEST);
  first.socket.evict(first.fields[0], SESSION, 'expired');
  expect(await early).toMatchObject({ code: 'session_evicted' });
  const session = await open(SESSION + 1);
  const result = errorOf(session.request('echo', 'later'));
  const frame = await peer.next(REQUEST);
  frame.socket.refuse(frame, 'forbidden');
  expect(await result).toMatchObject({ code: 'forbidden' });
});
