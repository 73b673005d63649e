/**
 * Answers to requests of a session that was let go of, which come while another session of the same
 * id is open on the same connection: they carry the number that its first request would have.
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

/** A session whose register finds the same one each time. */
async function open(): Promise<Session> {
  const opening = connection.session({ id: ID });
  const frame = await peer.next(REGISTER);
  frame.socket.registered(frame, SESSION);
  return opening;
}

/** A session that was let go of with its first request unanswered, and the next one of its id. */
async function resumed(): Promise<{ late: Received[]; session: Session }> {
  const before = await open();
  await errorOf(before.request('echo', 'early', { timeoutMs: 20 }));
  const first = await peer.next(REQUEST);
  await errorOf(before.detach({ timeoutMs: 20 }));
  const copy = await peer.next(REQUEST);
  return { late: [first, copy], session: await open() };
}

test('a late reply is not that of the next session, whose numbers go on behind it', async () => {
  const { late, session } = await resumed();
  const reply = session.request('echo', 'later');
  late[0].socket.reply(late[0]);
  late[1].socket.reply(late[1]);
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame).request).toBe(2);
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('a number whose every copy was refused is used by the next session', async () => {
  const { late, session } = await resumed();
  const reply = session.request('echo', 'later');
  for (const copy of late) copy.socket.refuse(copy, 'server_busy');
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame).request).toBe(1);
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
});

test('a request that waits for a late answer in vain was not sent', async () => {
  const { session } = await resumed();
  const error = await errorOf(session.request('echo', 'later', { timeoutMs: 20 }));
  expect(error).toMatchObject({ code: 'request_timeout', sent: false });
  expect(peer.count(REQUEST)).toBe(2);
});

test('a lost connection brings no late answers', async () => {
  const { late, session } = await resumed();
  const reply = session.request('echo', 'later');
  late[0].socket.destroy();
  const frame = await peer.next(REQUEST);
  expect(requestOf(frame).request).toBe(1);
  frame.socket.reply(frame);
  expect(await reply).toBe('later');
  expect(peer.count(REGISTER)).toBe(2);
});

test('the end of the session that was let go of ends the wait', async () => {
  const { late, session } = await resumed();
  const reply = errorOf(session.request('echo', 'later'));
  late[0].socket.evict(late[0].fields[0], SESSION, 'evicted');
  expect(await reply).toMatchObject({ code: 'session_evicted' });
  const next = await open();
  const again = next.request('echo', 'again');
  const frame = await peer.next(REQUEST);
  frame.socket.reply(frame);
  expect(await again).toBe('again');
});
