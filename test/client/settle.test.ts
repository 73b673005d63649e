/** A request whose caller gave up: what its session does before it goes on. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import type { Session } from '../../src/transport/client/session.ts';
import { CLOSE, errorOf, inState, Peer, REQUEST, type Received, requestOf } from './peer.ts';

let peer: Peer;
let connection: Connection;
let session: Session;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
  session = await connection.session();
});
afterEach(() => peer.close());

/** Lets a request be sent and time out. */
async function lateRequest(body: unknown): Promise<Received> {
  const result = errorOf(session.request('echo', body, { timeoutMs: 20 }));
  const frame = await peer.next(REQUEST);
  expect(await result).toMatchObject({
    name: 'RequestTimeoutError',
    code: 'request_timeout',
    sent: true,
    timeoutMs: 20,
  });
  return frame;
}

describe('after a timeout', () => {
  test('the same frame goes out again before the next request and its number', async () => {
    const first = await lateRequest('a');
    expect(session.unsettled).toBe(true);
    await connection.ping();
    expect(peer.count(REQUEST)).toBe(1);
    const result = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(first.bytes);
    await connection.ping();
    expect(peer.count(REQUEST)).toBe(2);
    again.socket.reply(again);
    const second = await peer.next(REQUEST);
    expect(requestOf(second)).toMatchObject({ request: 2, body: 'b' });
    second.socket.reply(second);
    expect(await result).toBe('b');
    expect(session).toMatchObject({ unsettled: false, lastRequest: 2 });
  });

  test.each(['storage_failed', 'rate_limited', 'request_in_flight'])(
    'one copy that is refused with %s frees no number while another is unanswered',
    async (code) => {
      const first = await lateRequest('a');
      const result = session.request('echo', 'b');
      const again = await peer.next(REQUEST);
      again.socket.refuse(again, code, { retry_after_ms: 5 });
      await connection.ping();
      first.socket.reply(first);
      const second = await peer.next(REQUEST);
      // The copy that was refused may have been sent once more by then.
      const next = requestOf(second).request === 1 ? await peer.next(REQUEST) : second;
      expect(requestOf(next)).toMatchObject({ request: 2, body: 'b' });
      next.socket.reply(next);
      expect(await result).toBe('b');
    },
  );

  test('a cost above the burst is refused for good, however many copies are open', async () => {
    const result = errorOf(session.request('echo', 'dear'));
    const first = await peer.next(REQUEST);
    first.socket.destroy();
    const again = await peer.next(REQUEST);
    again.socket.refuse(again, 'rate_limited', { retry_after_ms: null });
    expect(await result).toMatchObject({ code: 'rate_limited' });
    const next = session.request('echo', 'cheap');
    const frame = await peer.next(REQUEST);
    expect(requestOf(frame)).toMatchObject({ request: 1, body: 'cheap' });
    frame.socket.reply(frame);
    expect(await next).toBe('cheap');
  });

  test('a request that was in the queue makes the session settle at once', async () => {
    const first = errorOf(session.request('echo', 'a', { timeoutMs: 20 }));
    const result = session.request('echo', 'b');
    const frame = await peer.next(REQUEST);
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(frame.bytes);
    peer.automatic.request = true;
    again.socket.reply(again);
    expect(await first).toMatchObject({ code: 'request_timeout' });
    expect(await result).toBe('b');
  });

  test('a reply that comes late settles it without another frame', async () => {
    const frame = await lateRequest('a');
    frame.socket.reply(frame);
    await connection.ping();
    expect(session).toMatchObject({ unsettled: false, lastRequest: 1 });
    peer.automatic.request = true;
    await session.request('echo', 'b');
    expect(peer.count(REQUEST)).toBe(2);
  });

  test('two replies to the frame that went out twice count once', async () => {
    const first = await lateRequest('a');
    const result = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    first.socket.reply(first);
    again.socket.reply(again);
    const second = await peer.next(REQUEST);
    again.socket.reply(again);
    second.socket.reply(second);
    expect(await result).toBe('b');
    expect(session.lastRequest).toBe(2);
  });

  test('a refusal of every copy settles it too: its number is free', async () => {
    const first = await lateRequest('a');
    const result = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    for (const copy of [first, again]) {
      copy.socket.refuse(copy, 'rate_limited', { retry_after_ms: 5 });
    }
    const second = await peer.next(REQUEST);
    expect(requestOf(second)).toMatchObject({ request: 1, body: 'b' });
    second.socket.reply(second);
    expect(await result).toBe('b');
  });

  test('a server that is busy while settling is asked again', async () => {
    const first = await lateRequest('a');
    const result = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    again.socket.refuse(again, 'server_busy');
    const third = await peer.next(REQUEST);
    expect(third.bytes).toEqual(first.bytes);
    peer.automatic.request = true;
    third.socket.reply(third);
    expect(await result).toBe('b');
    expect(session.lastRequest).toBe(2);
  });

  test('settling is bounded by the next request’s time, and each one tries again', async () => {
    const first = await lateRequest('a');
    for (let i = 0; i < 2; i++) {
      const error = await errorOf(session.request('echo', 'b', { timeoutMs: 20 }));
      expect(error).toMatchObject({ code: 'request_timeout', sent: false });
      expect((await peer.next(REQUEST)).bytes).toEqual(first.bytes);
    }
    expect(session.unsettled).toBe(true);
    peer.automatic.request = true;
    expect(await session.request('echo', 'c')).toBe('c');
    expect(session.lastRequest).toBe(2);
    const bodies = peer.received.filter(({ kind }) => kind === REQUEST).map(requestOf);
    expect(bodies.map(({ request, body }) => [request, body])).toEqual([
      [1, 'a'],
      [1, 'a'],
      [1, 'a'],
      [1, 'a'],
      [2, 'c'],
    ]);
  });

  test('nothing is sent after a reconnect until the next request', async () => {
    const first = await lateRequest('a');
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    await inState(connection, 'connected');
    await connection.ping();
    expect(peer.count(REQUEST)).toBe(1);
    const result = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(first.bytes);
    peer.automatic.request = true;
    again.socket.reply(again);
    expect(await result).toBe('b');
  });

  test('a disagreement found while settling fails the session', async () => {
    await lateRequest('a');
    const result = errorOf(session.request('echo', 'b'));
    const again = await peer.next(REQUEST);
    again.socket.refuse(again, 'request_mismatch');
    expect(await result).toMatchObject({ code: 'request_mismatch' });
    expect(session.state).toBe('failed');
  });

  test('an eviction found while settling ends the session', async () => {
    await lateRequest('a');
    const result = errorOf(session.request('echo', 'b'));
    const again = await peer.next(REQUEST);
    again.socket.evict(again.fields[0], 7, 'expired');
    expect(await result).toMatchObject({ reason: 'expired' });
    expect(session.state).toBe('expired');
  });

  test('close settles first', async () => {
    peer.automatic.close = true;
    const first = await lateRequest('a');
    const closing = session.close();
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(first.bytes);
    await connection.ping();
    expect(peer.count(CLOSE)).toBe(0);
    again.socket.reply(again);
    await closing;
    expect(session.state).toBe('closed');
  });

  test('close settles a request that times out while close waits for it', async () => {
    peer.automatic.close = true;
    const late = errorOf(session.request('echo', 'a', { timeoutMs: 20 }));
    const closing = session.close();
    const first = await peer.next(REQUEST);
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(first.bytes);
    expect(await late).toMatchObject({ code: 'request_timeout' });
    again.socket.reply(again);
    await closing;
  });

  test('close is bounded when nothing can be settled', async () => {
    await lateRequest('a');
    const error = await errorOf(session.close({ timeoutMs: 20 }));
    expect(error).toMatchObject({ code: 'request_timeout', sent: false });
    expect(session.state).toBe('closed');
    expect(peer.count(CLOSE)).toBe(0);
  });

  test('a server that was silent is pinged, and its connection given up', async () => {
    const hasty = await peer.connect({ connectTimeoutMs: 30 });
    session = await hasty.session();
    peer.automatic.ping = false;
    const first = await lateRequest('a');
    await inState(hasty, 'reconnecting');
    peer.automatic.request = true;
    expect(await session.request('echo', 'b')).toBe('b');
    const frames = peer.received.filter(({ kind }) => kind === REQUEST);
    expect(frames[1].bytes).toEqual(first.bytes);
    expect(frames[1].socket).not.toBe(first.socket);
  });
});

describe('a request that is known not to be executed', () => {
  test('when it times out in the queue it is removed from it', async () => {
    const first = session.request('echo', 'a');
    const error = await errorOf(session.request('echo', 'b', { timeoutMs: 20 }));
    expect(error).toMatchObject({ code: 'request_timeout', sent: false });
    expect(session.queued).toBe(0);
    peer.automatic.request = true;
    const frame = await peer.next(REQUEST);
    frame.socket.reply(frame);
    await first;
    expect(await session.request('echo', 'c')).toBe('c');
    expect(requestOf(await peer.next(REQUEST))).toMatchObject({ request: 2, body: 'c' });
  });

  test('when there is no connection it is not sent later', async () => {
    const away = await peer.connect({ reconnectMinMs: 40, reconnectMaxMs: 40 });
    const lonely = await away.session();
    peer.socket.destroy();
    await inState(away, 'reconnecting');
    const error = await errorOf(lonely.request('echo', 'a', { timeoutMs: 5 }));
    expect(error).toMatchObject({ code: 'request_timeout', sent: false });
    expect(lonely.unsettled).toBe(false);
    peer.automatic.request = true;
    expect(await lonely.request('echo', 'b')).toBe('b');
    expect(requestOf(await peer.next(REQUEST))).toMatchObject({ request: 1, body: 'b' });
  });

  test('when the server refused each copy until its time was over it says so', async () => {
    const slow = await peer.connect({ reconnectMinMs: 1000, reconnectMaxMs: 1000 });
    const busy = await slow.session();
    const result = errorOf(busy.request('echo', 'a', { timeoutMs: 30 }));
    const frame = await peer.next(REQUEST);
    frame.socket.refuse(frame, 'server_busy');
    expect(await result).toMatchObject({ name: 'RefusedError', code: 'server_busy' });
    expect(busy.unsettled).toBe(false);
    peer.automatic.request = true;
    expect(await busy.request('echo', 'b')).toBe('b');
    expect(requestOf(await peer.next(REQUEST))).toMatchObject({ request: 1, body: 'b' });
  });

  test('but not when an earlier copy was lost unanswered', async () => {
    const first = errorOf(session.request('echo', 'a', { timeoutMs: 100 }));
    (await peer.next(REQUEST)).socket.destroy();
    const copy = await peer.next(REQUEST);
    copy.socket.refuse(copy, 'server_busy');
    expect(await first).toMatchObject({ name: 'RequestTimeoutError', sent: true });
    expect(session.unsettled).toBe(true);
  });
});

describe('an abort', () => {
  test('of the request in flight leaves the session unsettled', async () => {
    const controller = new AbortController();
    const result = errorOf(session.request('echo', 'a', { signal: controller.signal }));
    const first = await peer.next(REQUEST);
    controller.abort(new Error('changed my mind'));
    expect((await result).message).toBe('changed my mind');
    expect(session.unsettled).toBe(true);
    const next = session.request('echo', 'b');
    const again = await peer.next(REQUEST);
    expect(again.bytes).toEqual(first.bytes);
    peer.automatic.request = true;
    again.socket.reply(again);
    expect(await next).toBe('b');
  });

  test('of a queued request removes it, and nothing else', async () => {
    const controller = new AbortController();
    const results = [
      session.request('echo', 'a'),
      errorOf(session.request('echo', 'b', { signal: controller.signal })),
      session.request('echo', 'c'),
    ];
    controller.abort(new Error('not that one'));
    expect(await results[1]).toMatchObject({ message: 'not that one' });
    peer.automatic.request = true;
    const frame = await peer.next(REQUEST);
    frame.socket.reply(frame);
    expect([await results[0], await results[2]]).toEqual(['a', 'c']);
    expect(peer.count(REQUEST)).toBe(2);
  });

  test('after the answer does nothing', async () => {
    peer.automatic.request = true;
    const controller = new AbortController();
    expect(await session.request('echo', 1, { signal: controller.signal })).toBe(1);
    controller.abort();
    expect(await session.request('echo', 2)).toBe(2);
  });
});
