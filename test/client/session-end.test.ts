import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import type { Session } from '../../src/transport/client/session.ts';
import { CLOSE, errorOf, inState, Peer, REGISTER, REQUEST } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

/** What the listeners of a session hear. */
function statesOf(session: Session): string[] {
  const states: string[] = [];
  session.on('state', (state) => states.push(state));
  return states;
}

describe('the end of a session', () => {
  test.each([
    ['evicted', 'evicted'],
    ['removed', 'evicted'],
    ['disconnected', 'evicted'],
    ['no_session', 'evicted'],
    ['session_too_low', 'evicted'],
    ['expired', 'expired'],
    ['closed', 'closed'],
  ])('an eviction %s pushed to an idle session makes it %s', async (reason, state) => {
    const session = await connection.session();
    const states = statesOf(session);
    peer.socket.evict(Buffer.from(session.id, 'hex'), session.session, reason);
    await inState(session, state);
    expect(states).toEqual([state]);
    expect(session.cause).toMatchObject({ name: 'SessionEvictedError', reason });
    expect(await errorOf(session.request('echo'))).toMatchObject({
      code: 'session_evicted',
      reason,
      id: session.id,
      session: 7,
    });
    expect(peer.count(REQUEST)).toBe(0);
    await session.close();
    expect(peer.count(CLOSE)).toBe(0);
  });

  test('an eviction of another session number of its id is ignored', async () => {
    peer.automatic.request = true;
    const session = await connection.session();
    const id = Buffer.from(session.id, 'hex');
    peer.socket.evict(id, 6, 'evicted');
    peer.socket.evict(id, 8, 'evicted');
    peer.socket.evict(Buffer.alloc(16, 5), 7, 'evicted');
    expect(await session.request('echo', 1)).toBe(1);
    expect(session.state).toBe('active');
  });

  test('an eviction while it is registering concerns an earlier session', async () => {
    peer.automatic.register = false;
    const registering = connection.session({ id: ID });
    const register = await peer.next(REGISTER);
    register.socket.evict(register.fields[0], 3, 'evicted');
    register.socket.registered(register, 7);
    expect((await registering).state).toBe('active');
  });

  test('an eviction rejects the request in flight and those in the queue', async () => {
    const session = await connection.session();
    const requests = [1, 2, 3].map((body) => errorOf(session.request('echo', body)));
    const frame = await peer.next(REQUEST);
    frame.socket.evict(frame.fields[0], 7, 'evicted');
    for (const error of await Promise.all(requests)) {
      expect(error).toMatchObject({ name: 'SessionEvictedError', reason: 'evicted' });
    }
    expect(session.queued).toBe(0);
    await connection.ping();
    expect(peer.count(REQUEST)).toBe(1);
  });

  test('a session of scope connection ends with its connection', async () => {
    const session = await connection.session({ scope: 'connection' });
    const other = await connection.session();
    const request = errorOf(session.request('echo', 1));
    const kept = other.request('echo', 2);
    await peer.next(REQUEST);
    await peer.next(REQUEST);
    peer.automatic.request = true;
    peer.socket.destroy();
    expect(await request).toMatchObject({ reason: 'disconnected' });
    expect(session.state).toBe('evicted');
    expect(await kept).toBe(2);
    expect(peer.count(REQUEST)).toBe(3);
  });

  test('a session of scope connection is not registered again after a reconnect', async () => {
    const session = await connection.session({ id: ID, scope: 'connection' });
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    await inState(connection, 'connected');
    expect(session.cause).toMatchObject({ name: 'SessionEvictedError', reason: 'disconnected' });
    expect(await errorOf(session.request('echo', 1))).toMatchObject({ reason: 'disconnected' });
    await session.close();
    await connection.ping();
    expect([REGISTER, REQUEST, CLOSE].map((kind) => peer.count(kind))).toEqual([1, 0, 0]);
    // Its id is free, for a session that is another one.
    const next = await connection.session({ id: ID, scope: 'connection' });
    expect(next).toMatchObject({ state: 'active', session: 8 });
    expect(session.state).toBe('evicted');
  });

  test('an unanswered register of scope connection goes on after a reconnect', async () => {
    peer.automatic.register = false;
    const registering = connection.session({ scope: 'connection' });
    const first = await peer.next(REGISTER);
    first.socket.destroy();
    const second = await peer.next(REGISTER);
    expect(second.bytes).toEqual(first.bytes);
    // The end of the session that the lost connection began says nothing about this one.
    second.socket.evict(second.fields[0], 6, 'disconnected');
    second.socket.registered(second, 7);
    expect(await registering).toMatchObject({ state: 'active', session: 7 });
  });

  test('a request of a session that ended with its connection is answered with that', async () => {
    // Resumed without its scope: only the server knows that it was bound to its connection.
    const session = await connection.session({ id: ID });
    const request = errorOf(session.request('echo', 1));
    (await peer.next(REQUEST)).socket.destroy();
    const again = await peer.next(REQUEST);
    again.socket.evict(again.fields[0], 7, 'disconnected');
    expect(await request).toMatchObject({ name: 'SessionEvictedError', reason: 'disconnected' });
    expect(session.state).toBe('evicted');
    expect(peer.count(REGISTER)).toBe(1);
  });

  test('when the server refuses the connection for good its sessions fail', async () => {
    const session = await connection.session();
    const request = errorOf(session.request('echo', 1));
    const frame = await peer.next(REQUEST);
    frame.socket.send(22, 'malformed_frame', 'what was that', null, null, null);
    expect(await request).toMatchObject({ code: 'malformed_frame' });
    expect(session.state).toBe('failed');
    expect(connection.state).toBe('failed');
    expect(await errorOf(connection.session())).toMatchObject({ code: 'malformed_frame' });
    expect(peer.sockets).toHaveLength(1);
  });
});

describe('closing a session', () => {
  test('close waits for the server’s answer and is idempotent', async () => {
    const session = await connection.session();
    const closing = session.close();
    expect(session.close()).toBe(closing);
    const close = await peer.next(CLOSE);
    expect(close.fields).toEqual([Buffer.from(session.id, 'hex'), 7]);
    expect(session.state).toBe('active');
    close.socket.evict(close.fields[0], 7, 'closed');
    await closing;
    expect(session.state).toBe('closed');
    await session.close();
    expect(peer.count(CLOSE)).toBe(1);
  });

  test('close goes out after the request in flight; the queue is rejected unsent', async () => {
    peer.automatic.close = true;
    const session = await connection.session();
    const first = session.request('echo', 1);
    const second = errorOf(session.request('echo', 2));
    const closing = session.close();
    const third = errorOf(session.request('echo', 3));
    expect(await second).toMatchObject({ reason: 'closed' });
    expect(await third).toMatchObject({ reason: 'closed' });
    const frame = await peer.next(REQUEST);
    await connection.ping();
    expect(peer.count(CLOSE)).toBe(0);
    frame.socket.reply(frame);
    expect(await first).toBe(1);
    await closing;
    expect([peer.count(REQUEST), peer.count(CLOSE)]).toEqual([1, 1]);
  });

  test('close succeeds when the session was gone already', async () => {
    const session = await connection.session();
    const closing = session.close();
    const close = await peer.next(CLOSE);
    close.socket.evict(close.fields[0], 7, 'no_session');
    await closing;
    expect(session.state).toBe('evicted');
  });

  test('a close whose answer was lost is sent again', async () => {
    const session = await connection.session();
    const closing = session.close();
    (await peer.next(CLOSE)).socket.destroy();
    const again = await peer.next(CLOSE);
    again.socket.evict(again.fields[0], 7, 'no_session');
    await closing;
  });

  test('a close that is put off is sent again, one that is refused rejects', async () => {
    const session = await connection.session();
    const closing = errorOf(session.close());
    const first = await peer.next(CLOSE);
    first.socket.refuse(first, 'server_busy');
    const second = await peer.next(CLOSE);
    second.socket.refuse(second, 'forbidden');
    expect(await closing).toMatchObject({ code: 'forbidden' });
    expect(session.state).toBe('failed');
  });

  test('a close without an answer times out, and the session is over here', async () => {
    const session = await connection.session();
    expect(await errorOf(session.close({ timeoutMs: 20 }))).toMatchObject({
      code: 'request_timeout',
      sent: true,
    });
    expect(session.state).toBe('closed');
    expect(await errorOf(session.request('echo'))).toMatchObject({ code: 'request_timeout' });
  });

  test('an aborted close rejects with the signal’s reason', async () => {
    const session = await connection.session();
    const controller = new AbortController();
    const closing = errorOf(session.close({ signal: controller.signal }));
    await peer.next(CLOSE);
    controller.abort(new Error('no time'));
    expect((await closing).message).toBe('no time');
    expect(session.state).toBe('closed');
  });

  test('close rejects a wrong time limit', async () => {
    const session = await connection.session();
    expect(await errorOf(session.close({ timeoutMs: 0 }))).toMatchObject({ option: 'timeoutMs' });
    expect(session.state).toBe('active');
  });
});
