import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import type { Session } from '../../src/transport/client/session.ts';
import { CALL, errorOf, frameBytes, Peer, REQUEST, requestOf, WELCOME } from './peer.ts';

let peer: Peer;
let connection: Connection;
let session: Session;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect({ queueMax: 4 });
  session = await connection.session();
});
afterEach(() => peer.close());

describe('a request', () => {
  test('carries id, session, number, operation and body, and resolves with the reply', async () => {
    const result = session.request('echo', { a: [1, 'two', null, true] });
    const frame = await peer.next(REQUEST);
    const { id, ...rest } = requestOf(frame);
    expect(Buffer.from(id).toString('hex')).toBe(session.id);
    const body = { a: [1, 'two', null, true] };
    expect(rest).toEqual({ session: 7, request: 1, operation: 10, body });
    frame.socket.reply(frame, { ok: true });
    expect(await result).toEqual({ ok: true });
    expect(session.lastRequest).toBe(1);
  });

  test('takes an operation by number and sends nil for no body', async () => {
    const result = session.request(200);
    const frame = await peer.next(REQUEST);
    expect(requestOf(frame)).toMatchObject({ operation: 200, body: null });
    frame.socket.reply(frame);
    expect(await result).toBeNull();
  });

  test('is numbered 1, 2, 3 and sent only when the one before is answered', async () => {
    const results = ['a', 'b', 'c'].map((body) => session.request('echo', body));
    expect(session.queued).toBe(2);
    for (const [i, body] of ['a', 'b', 'c'].entries()) {
      const frame = await peer.next(REQUEST);
      expect(requestOf(frame)).toMatchObject({ request: i + 1, body });
      await connection.ping();
      expect(peer.count(REQUEST)).toBe(i + 1);
      frame.socket.reply(frame);
    }
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c']);
  });

  test('takes its body as it is when request is called', async () => {
    peer.automatic.request = true;
    const body = { n: 1 };
    const results = [session.request('echo', body), session.request('echo', body)];
    body.n = 2;
    results.push(session.request('echo', body));
    expect(await Promise.all(results)).toEqual([{ n: 1 }, { n: 1 }, { n: 2 }]);
  });

  test.each([
    [1, 'failed'],
    [2, 'conflict'],
    [3, 'unknown_operation'],
    [4, 'invalid_body'],
    [5, 'too_large'],
  ])('a reply of status %d rejects with %s, and its number is consumed', async (status, code) => {
    const result = errorOf(session.request('put', {}));
    const frame = await peer.next(REQUEST);
    frame.socket.reply(frame, 'because', status);
    expect(await result).toMatchObject({ name: 'ReplyStatusError', code, body: 'because' });
    expect(session.lastRequest).toBe(1);
  });

  test('a reply that arrives byte by byte is the same reply', async () => {
    const result = session.request('echo');
    const { id, session: number } = requestOf(await peer.next(REQUEST));
    const bytes = frameBytes([18, id, number, 1, 0, { text: 'x'.repeat(300) }]);
    const ping = connection.ping();
    for (const byte of bytes) {
      await new Promise((resolve) => peer.socket.socket.write(Uint8Array.of(byte), resolve));
    }
    expect(await result).toEqual({ text: 'x'.repeat(300) });
    await ping;
  });

  test('replies of several sessions in one chunk each find their own', async () => {
    const others = await Promise.all([connection.session(), connection.session()]);
    const results = [session, ...others].map((each, i) => each.request('echo', i));
    const frames = [];
    for (let i = 0; i < 3; i++) frames.push(await peer.next(REQUEST));
    const bytes = frames.reverse().map((frame) => {
      const { id, session: number, body } = requestOf(frame);
      return frameBytes([18, id, number, 1, 0, body]);
    });
    peer.socket.raw(Buffer.concat(bytes));
    expect(await Promise.all(results)).toEqual([0, 1, 2]);
  });

  test('a reply to another number, session or client is ignored', async () => {
    const result = session.request('echo');
    const frame = await peer.next(REQUEST);
    const { id } = requestOf(frame);
    peer.socket.send(18, id, 7, 2, 0, 'wrong number');
    peer.socket.send(18, id, 6, 1, 0, 'wrong session');
    peer.socket.send(18, Buffer.alloc(16, 9), 7, 1, 0, 'wrong client');
    peer.socket.send(18, id, 7, 1, 0, 'right');
    peer.socket.send(18, id, 7, 1, 0, 'again');
    expect(await result).toBe('right');
    expect(session.lastRequest).toBe(1);
  });

  test('a body with an extension nobody knows rejects only its request', async () => {
    const result = errorOf(session.request('echo'));
    const frame = await peer.next(REQUEST);
    const { id } = requestOf(frame);
    // 18, id, 7, 1, 0, fixext1 of type 16.
    const parts = [Uint8Array.of(0x96, 18, 0xc4, 16), id, Uint8Array.of(7, 1, 0, 0xd4, 16, 0)];
    const body = Buffer.concat(parts);
    peer.socket.raw(Buffer.concat([Uint8Array.of(body.byteLength), body]));
    expect(await result).toMatchObject({ code: 'protocol_error' });
    expect([session.lastRequest, connection.state]).toEqual([1, 'connected']);
  });
});

describe('what is refused here', () => {
  test('an operation that the service does not have', async () => {
    const error = await errorOf(session.request('destroy'));
    expect(error).toMatchObject({ name: 'RefusedError', code: 'unknown_operation' });
    expect(error.details).toEqual({
      operation: 'destroy',
      known: ['get', 'put', 'merge', 'echo'],
    });
    expect(await errorOf(session.request(-1))).toMatchObject({ option: 'operation' });
  });

  test('a body above body_bytes_max', async () => {
    const error = await errorOf(session.request('echo', 'x'.repeat(1022)));
    expect(error).toMatchObject({ name: 'RefusedError', code: 'body_too_large' });
    expect(error.details).toEqual({ bytes: 1025, limit: 1024 });
    peer.automatic.request = true;
    expect(await session.request('echo', 'x'.repeat(1021))).toHaveLength(1021);
    expect(session.lastRequest).toBe(1);
  });

  test('a time limit out of range, and a signal that is aborted already', async () => {
    expect(await errorOf(session.request('echo', 1, { timeoutMs: 0 }))).toMatchObject({
      option: 'timeoutMs',
    });
    const signal = AbortSignal.abort(new Error('before'));
    expect((await errorOf(session.request('echo', 1, { signal }))).message).toBe('before');
  });

  test('more than queueMax waiting', async () => {
    peer.automatic.request = false;
    const results = [0, 1, 2, 3, 4].map((body) => session.request('echo', body));
    const error = await errorOf(session.request('echo', 5));
    expect(error).toMatchObject({ name: 'QueueFullError', code: 'queue_full', limit: 4 });
    peer.automatic.request = true;
    const frame = await peer.next(REQUEST);
    frame.socket.reply(frame);
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3, 4]);
    expect(await session.request('echo', 6)).toBe(6);
  });

  test('the number after the last one', async () => {
    peer.automatic.register = false;
    const registering = connection.session();
    await once(peer, 'frame');
    const register = peer.received.at(-1);
    if (register === undefined) throw new Error('no register');
    register.socket.registered(register, 50, 2 ** 32 - 2, true);
    const last = await registering;
    const result = last.request('echo');
    expect(await errorOf(last.request('echo'))).toMatchObject({ code: 'requests_exhausted' });
    const frame = await peer.next(REQUEST);
    expect(requestOf(frame).request).toBe(2 ** 32 - 1);
    frame.socket.reply(frame);
    await result;
    expect(await errorOf(last.request('echo'))).toMatchObject({ code: 'requests_exhausted' });
  });
});

describe('what the server refuses', () => {
  test('a rate limit says when to come back, and the number is not consumed', async () => {
    const result = errorOf(session.request('echo', 'a'));
    const first = await peer.next(REQUEST);
    first.socket.refuse(first, 'rate_limited', { retry_after_ms: 250 });
    expect(await result).toMatchObject({ name: 'RateLimitedError', retryAfterMs: 250 });
    expect(session).toMatchObject({ state: 'active', lastRequest: 0 });
    const never = errorOf(session.request('echo', 'b'));
    const second = await peer.next(REQUEST);
    expect(requestOf(second)).toMatchObject({ request: 1, body: 'b' });
    second.socket.refuse(second, 'rate_limited', { retry_after_ms: null });
    expect(await never).toMatchObject({ retryAfterMs: Number.POSITIVE_INFINITY });
  });

  test.each(['forbidden', 'storage_failed', 'request_in_flight', 'body_too_large'])(
    'a refusal %s rejects, and the next request takes the same number',
    async (code) => {
      const result = errorOf(session.request('echo', 'a'));
      const next = session.request('echo', 'b');
      const first = await peer.next(REQUEST);
      first.socket.refuse(first, code, { why: 1 });
      expect(await result).toMatchObject({ name: 'RefusedError', code, details: { why: 1 } });
      const second = await peer.next(REQUEST);
      expect(requestOf(second)).toMatchObject({ request: 1, body: 'b' });
      second.socket.reply(second);
      expect(await next).toBe('b');
    },
  );

  test.each(['request_mismatch', 'request_gap', 'request_stale', 'session_too_high'])(
    'a refusal %s means that the two sides disagree, and the session fails',
    async (code) => {
      const results = [errorOf(session.request('echo', 1)), errorOf(session.request('echo', 2))];
      const frame = await peer.next(REQUEST);
      frame.socket.refuse(frame, code);
      for (const error of await Promise.all(results)) expect(error).toMatchObject({ code });
      expect(session.state).toBe('failed');
      expect(await errorOf(session.request('echo', 3))).toMatchObject({ code });
      await connection.ping();
      expect(peer.count(REQUEST)).toBe(1);
    },
  );

  test.each(['server_busy', 'shutting_down'])('%s is retried as the same frame', async (code) => {
    const result = session.request('echo', 'patience');
    const first = await peer.next(REQUEST);
    first.socket.refuse(first, code);
    const second = await peer.next(REQUEST);
    second.socket.refuse(second, code);
    const third = await peer.next(REQUEST);
    expect([second.bytes, third.bytes]).toEqual([first.bytes, first.bytes]);
    third.socket.reply(third);
    expect(await result).toBe('patience');
    expect(session.lastRequest).toBe(1);
  });

  test('shutting_down followed by the end of the connection goes on at the next', async () => {
    const result = session.request('echo', 'moving');
    const first = await peer.next(REQUEST);
    first.socket.refuse(first, 'shutting_down');
    first.socket.socket.end();
    const second = await peer.next(REQUEST);
    expect(second.bytes).toEqual(first.bytes);
    second.socket.reply(second);
    expect(await result).toBe('moving');
  });
});

describe('many sessions', () => {
  test('frames of one tick leave as one write', async () => {
    peer.automatic.request = true;
    const sessions = await Promise.all(Array.from({ length: 50 }, () => connection.session()));
    const before = peer.socket.chunks.length;
    const results = await Promise.all(sessions.map((each, i) => each.request('echo', i)));
    expect(results).toEqual(sessions.map((_, i) => i));
    expect(peer.socket.chunks.slice(before)).toEqual([50]);
    expect(peer.sockets).toHaveLength(1);
  });

  test('no more than in_flight_max are outstanding, and the others follow in order', async () => {
    peer.welcome = { ...WELCOME, limits: { ...WELCOME.limits, in_flight_max: 3 } };
    const narrow = await peer.connect();
    const sessions = await Promise.all(Array.from({ length: 8 }, () => narrow.session()));
    const results = sessions.map((each, i) => each.request('echo', i));
    const call = narrow.call(null, 'stats');
    for (let i = 0; i < 8; i++) {
      const frame = await peer.next(REQUEST);
      expect(requestOf(frame).body).toBe(i);
      // The first pong says that the reply before was heard, the second that what followed is here.
      await narrow.ping();
      await narrow.ping();
      expect(peer.count(REQUEST)).toBe(Math.min(8, i + 3));
      frame.socket.reply(frame);
    }
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    peer.socket.send(21, (await peer.next(CALL)).fields[0], 0, 'done');
    expect(await call).toBe('done');
  });

  test('a session that stops does not stop the others', async () => {
    const other = await connection.session();
    const stuck = errorOf(session.request('echo', 'stuck', { timeoutMs: 50 }));
    await peer.next(REQUEST);
    peer.automatic.request = true;
    for (let i = 0; i < 5; i++) expect(await other.request('echo', i)).toBe(i);
    expect(await stuck).toMatchObject({ code: 'request_timeout' });
  });
});
