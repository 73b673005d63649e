import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import { CALL, errorOf, inState, Peer, REQUEST, type Received, WELCOME } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

function answer(frame: Received, body: unknown, status = 0): void {
  frame.socket.send(21, frame.fields[0], status, body);
}

describe('an unsequenced call', () => {
  test('names the client and the operation’s number, and resolves with the result', async () => {
    const result = connection.call(ID, 'get', { key: 1 });
    const frame = await peer.next(CALL);
    expect(frame.fields.slice(1)).toEqual([Buffer.from(ID, 'hex'), 1, { key: 1 }]);
    answer(frame, [3, { a: 1 }]);
    expect(await result).toEqual([3, { a: 1 }]);
  });

  test('to the server itself has no id and a name', async () => {
    const result = connection.call(null, 'stats');
    const frame = await peer.next(CALL);
    expect(frame.fields.slice(1)).toEqual([null, 'stats', null]);
    answer(frame, { sessions: 5 });
    expect(await result).toEqual({ sessions: 5 });
  });

  test('several are told apart by their numbers, in whatever order they are answered', async () => {
    const results = [1, 2, 3].map((body) => connection.call(ID, 'echo', body));
    const frames = [await peer.next(CALL), await peer.next(CALL), await peer.next(CALL)];
    expect(new Set(frames.map((frame) => frame.fields[0])).size).toBe(3);
    for (const frame of frames.reverse()) answer(frame, frame.fields[3]);
    expect(await Promise.all(results)).toEqual([1, 2, 3]);
  });

  test('a status that is not ok and an error frame reject', async () => {
    const results = [1, 2, 3].map((body) => errorOf(connection.call(ID, 'echo', body)));
    const frames = [await peer.next(CALL), await peer.next(CALL), await peer.next(CALL)];
    answer(frames[0], 4, 2);
    const [, second, third] = frames;
    second.socket.send(22, 'no_session', 'none', null, second.fields[0], null);
    third.socket.send(22, 'rate_limited', '', third.fields[1], third.fields[0], {
      retry_after_ms: 9,
    });
    expect(await results[0]).toMatchObject({ code: 'conflict', body: 4 });
    expect(await results[1]).toMatchObject({ name: 'RefusedError', code: 'no_session' });
    expect(await results[2]).toMatchObject({ name: 'RateLimitedError', retryAfterMs: 9 });
  });

  test('an error with its id is not taken for one of the session’s first request', async () => {
    const session = await connection.session({ id: ID });
    const request = session.request('echo', 'kept');
    const call = errorOf(connection.call(ID, 'put', {}));
    const frame = await peer.next(REQUEST);
    const called = await peer.next(CALL);
    called.socket.send(22, 'request_in_flight', '', called.fields[1], called.fields[0], null);
    expect(await call).toMatchObject({ code: 'request_in_flight' });
    frame.socket.reply(frame);
    expect(await request).toBe('kept');
  });

  test('is not sent again when the connection is lost: its outcome is unknown', async () => {
    const result = errorOf(connection.call(ID, 'put', {}));
    (await peer.next(CALL)).socket.destroy();
    expect(await result).toMatchObject({ name: 'ConnectionClosedError' });
    await inState(connection, 'connected');
    await connection.ping();
    expect(peer.count(CALL)).toBe(1);
  });

  test('one that was not sent yet waits for the next connection', async () => {
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    const result = connection.call(null, 'stats');
    answer(await peer.next(CALL), 'late');
    expect(await result).toBe('late');
  });

  test('times out, and a late result concerns nobody', async () => {
    const error = await errorOf(connection.call(ID, 'get', null, { timeoutMs: 20 }));
    expect(error).toMatchObject({ code: 'request_timeout', sent: true });
    const frame = await peer.next(CALL);
    answer(frame, 1);
    answer(frame, 1);
    await connection.ping();
    expect(connection.state).toBe('connected');
  });

  test('can be aborted', async () => {
    const controller = new AbortController();
    const result = errorOf(connection.call(ID, 'get', null, { signal: controller.signal }));
    await peer.next(CALL);
    controller.abort(new Error('enough'));
    expect((await result).message).toBe('enough');
    const { signal } = controller;
    expect((await errorOf(connection.call(ID, 'get', null, { signal }))).message).toBe('enough');
    expect(peer.count(CALL)).toBe(1);
  });

  test('refuses what cannot be sent', async () => {
    expect(await errorOf(connection.call('zz', 'get'))).toMatchObject({ option: 'id' });
    expect(await errorOf(connection.call(null, 5))).toMatchObject({ option: 'operation' });
    expect(await errorOf(connection.call(null, ''))).toMatchObject({ option: 'operation' });
    expect(await errorOf(connection.call(ID, 'destroy'))).toMatchObject({
      code: 'unknown_operation',
    });
    expect(await errorOf(connection.call(ID, 'echo', 'x'.repeat(2000)))).toMatchObject({
      code: 'body_too_large',
    });
  });

  test('no more than queueMax wait beside those outstanding', async () => {
    peer.welcome = { ...WELCOME, limits: { ...WELCOME.limits, in_flight_max: 2 } };
    const narrow = await peer.connect({ queueMax: 1 });
    const results = [1, 2, 3].map((body) => narrow.call(ID, 'echo', body));
    expect(await errorOf(narrow.call(ID, 'echo', 4))).toMatchObject({ code: 'queue_full' });
    for (let i = 0; i < 3; i++) {
      const frame = await peer.next(CALL);
      answer(frame, frame.fields[3]);
    }
    expect(await Promise.all(results)).toEqual([1, 2, 3]);
  });

  test('one that has timed out keeps its place until it is answered', async () => {
    peer.welcome = { ...WELCOME, limits: { ...WELCOME.limits, in_flight_max: 1 } };
    const narrow = await peer.connect();
    await errorOf(narrow.call(ID, 'echo', 1, { timeoutMs: 20 }));
    const frame = await peer.next(CALL);
    const result = narrow.call(ID, 'echo', 2);
    await narrow.ping();
    expect(peer.count(CALL)).toBe(1);
    answer(frame, 1);
    answer(await peer.next(CALL), 2);
    expect(await result).toBe(2);
  });
});
