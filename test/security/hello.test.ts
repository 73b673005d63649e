/** Tokens at hello over TCP: who is let in, what waits meanwhile, and when it ends. */
import { writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Authenticator, Principal, Role } from '../../dist/security/authenticator.js';
import type { RunningServer } from '../../dist/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import { errorOf, inState } from '../client/peer.ts';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  GET,
  HELLO,
  idOf,
  PING,
  PONG,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
  WELCOME,
} from '../transport/raw-client.ts';
import { fileWith, inSeconds, SECRET, signed } from './files.ts';
import {
  BILLING,
  BOTH,
  bearer,
  LIST,
  OPS,
  opened,
  SHIPPING,
  start,
  startGuarded,
  turnedAway,
} from './setup.ts';

const ID = idOf(1);

/** A clock that also moves when it is told to, for this process and its timers. */
function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], shouldAdvanceTime: true });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

describe('hello', () => {
  test('with a token of the list is welcome, and frames behind it run in order', async () => {
    const server = await startGuarded();
    const client = await opened(server);
    client.send(HELLO, 1, { token: BILLING, client: 'test' });
    client.send(PING, 1);
    client.send(REGISTER, ID, {});
    client.send(PING, 2);
    const frames = await client.take(4);
    expect(frames.map(([kind]) => kind)).toEqual([WELCOME, PONG, REGISTERED, PONG]);
  });

  test('without a good token is unauthorized, whatever else comes with it', async () => {
    const server = await startGuarded();
    for (const hello of [{}, { token: null }, { token: '' }, { token: `${BILLING}x` }]) {
      const client = await opened(server);
      client.send(HELLO, 1, hello);
      client.send(REGISTER, ID, {});
      client.send(PING, 1);
      const [error, ...more] = await client.rest();
      expect([error[0], error[1], ...error.slice(3)]).toEqual([
        ERROR,
        'unauthorized',
        null,
        null,
        null,
      ]);
      expect(more).toEqual([]);
    }
    expect([server.accepted, server.refused, server.engine.stats().sessions]).toEqual([4, 4, 0]);
  });

  test('with a token that is no text, or too long, is malformed', async () => {
    const server = await startGuarded();
    for (const token of [1, ['x'], 'x'.repeat(8193)]) {
      const [error] = await turnedAway(server, { token });
      expect(error.slice(0, 2)).toEqual([ERROR, 'malformed_frame']);
    }
  });

  test('is asked for no token by a server that has no list of any', async () => {
    const server = await start();
    const client = await bearer(server, 'anything at all');
    await client.register(ID);
    client.send(CALL, 1, null, 'stats', null);
    expect((await client.next())[0]).toBe(RESULT);
    expect(server.authenticator).toBe(undefined);
  });

  test('with a signed token is welcome, and unauthorized with one that has expired', async () => {
    const server = await start({ jwtKey: fileWith(SECRET) });
    const client = await bearer(server, await signed({ sub: 'billing' }));
    await client.register(ID);
    const late = await signed({ sub: 'billing', exp: inSeconds(-10) });
    const [error] = await turnedAway(server, { token: late });
    expect(error.slice(0, 3)).toEqual([ERROR, 'unauthorized', 'the token has expired']);
    expect(JSON.stringify(error)).not.toContain(late.slice(0, 20));
  });
});

describe('a token that is not checked in time', () => {
  const never = new Promise<Principal>(() => {});
  const checks = (server: RunningServer) =>
    vi.spyOn(server.authenticator as Authenticator, 'authenticate');

  test('is not called bad', async () => {
    const server = await startGuarded({ helloTimeoutMs: 100 });
    checks(server).mockReturnValueOnce(never);
    const [error, ...more] = await turnedAway(server, { token: BILLING });
    const what = 'the token was not checked in time';
    expect([error.slice(0, 3), more]).toEqual([[ERROR, 'timed_out', what], []]);
  });

  test('is sent again by the library when it comes back', async () => {
    fakeTime();
    const server = await startGuarded({ helloTimeoutMs: 100 });
    const roles = new Set<Role>(['client']);
    const short = { name: 'billing', roles, expiresAtMs: inSeconds(60) * 1000 };
    const check = checks(server).mockResolvedValueOnce(short).mockReturnValueOnce(never);
    const token = () => BILLING;
    const connection = await connect({ port: server.address.port, token, reconnectMinMs: 1 });
    onTestFinished(() => connection.close());
    const isBack = inState(connection, 'reconnecting').then(() => inState(connection, 'connected'));
    vi.advanceTimersByTime(60_000);
    await isBack;
    await connection.session();
    expect(check.mock.calls.length).toBeGreaterThanOrEqual(3);
  });
});

describe('a frame before welcome', () => {
  const limits = { frameBytesMax: 1_000_000, replyBytesMax: 100_000, bodyBytesMax: 100_000 };

  test('may have 16 KiB at most, which is said before it has come', async () => {
    const servers = [await start(limits), await startGuarded(limits)];
    for (const server of servers) {
      const client = await opened(server);
      const length = Buffer.from([0xce, 0, 0, 0x40, 0x01]);
      client.raw(length);
      const rest = await client.rest();
      expect(rest.map((frame) => frame.slice(0, 2))).toEqual([[ERROR, 'frame_too_large']]);
      const padded = await opened(server);
      padded.send(HELLO, 1, { token: BILLING, client: 'x'.repeat(16_000) });
      expect((await padded.next())[0]).toBe(WELCOME);
    }
  });

  test('is followed by frames of any size, without waiting for welcome', async () => {
    const body = 'x'.repeat(90_000);
    for (const server of [await start(limits), await startGuarded(limits)]) {
      const client = await opened(server);
      client.send(HELLO, 1, { token: BILLING });
      client.send(PING, body);
      expect((await client.next())[0]).toBe(WELCOME);
      expect(await client.next()).toEqual([PONG, body]);
    }
  });
});

describe('a connection ends with its token', () => {
  test('when it expires', async () => {
    fakeTime();
    const server = await start({ jwtKey: fileWith(SECRET) });
    const client = await bearer(server, await signed({ sub: 'billing', exp: inSeconds(60) }));
    vi.advanceTimersByTime(30_000);
    await client.register(ID);
    vi.advanceTimersByTime(30_000);
    const rest = await client.rest();
    expect(rest.map((frame) => frame.slice(0, 3))).toEqual([
      [ERROR, 'unauthorized', 'the token has expired'],
    ]);
  });

  test('when it is no longer in the list after a reload; others go on', async () => {
    const tokens = fileWith(LIST);
    const server = await startGuarded({ tokens });
    const billing = await bearer(server, BILLING);
    const shipping = await bearer(server, SHIPPING);
    writeFileSync(tokens, `${SHIPPING} shipping\n`);
    await server.reload();
    const rest = await billing.rest();
    expect(rest.map((frame) => frame.slice(0, 2))).toEqual([[ERROR, 'unauthorized']]);
    await shipping.register(ID);
    expect((await turnedAway(server, { token: BILLING }))[0][1]).toBe('unauthorized');
  });

  test('but not when the file cannot be read: then what was read before stays', async () => {
    const tokens = fileWith(LIST);
    const server = await startGuarded({ tokens });
    const billing = await bearer(server, BILLING);
    writeFileSync(tokens, 'nonsense');
    expect(await errorOf(server.reload())).toMatchObject({ option: 'tokens' });
    await billing.register(ID);
    await bearer(server, SHIPPING);
  });
});

describe('roles', () => {
  test('an operator may look, and speaks for no session', async () => {
    const server = await startGuarded();
    const ops = await bearer(server, OPS);
    ops.send(REGISTER, ID, {});
    ops.send(REQUEST, ID, 1, 1, ECHO, null);
    ops.send(CLOSE, ID, 0);
    ops.send(CALL, 7, ID, GET, null);
    const frames = await ops.take(4);
    expect(frames.map(([kind, code, , id, number]) => [kind, code, id, number])).toEqual([
      [ERROR, 'forbidden', ID, null],
      [ERROR, 'forbidden', ID, 1],
      [ERROR, 'forbidden', ID, null],
      [ERROR, 'forbidden', null, 7],
    ]);
    ops.send(CALL, 8, null, 'stats', null);
    expect((await ops.next()).slice(0, 3)).toEqual([RESULT, 8, 0]);
    expect(server.engine.stats().registered).toBe(0);
  });

  test('a client makes none of the calls to the server itself', async () => {
    const server = await startGuarded();
    const client = await bearer(server, BILLING);
    await client.register(ID);
    const names = ['stats', 'list', 'inspect', 'remove', 'sweep', 'status', 'no such call'];
    for (const [index, name] of names.entries()) {
      client.send(CALL, index, null, name, { id: ID });
      const [kind, code, , id, number] = await client.next();
      expect([kind, code, id, number]).toEqual([ERROR, 'forbidden', null, index]);
    }
    expect(server.engine.stats().sessions).toBe(1);
  });

  test('whoever has both may do both', async () => {
    const server = await startGuarded();
    const client = await bearer(server, BOTH);
    const session = await client.register(ID);
    client.send(REQUEST, ID, session, 1, ECHO, 5);
    expect(await client.next()).toEqual([REPLY, ID, session, 1, 0, 5]);
    client.send(CALL, 1, null, 'remove', { id: ID });
    expect((await client.take(2)).at(-1)).toEqual([RESULT, 1, 0, true]);
  });
});

describe('the client library', () => {
  test('rejects with unauthorized at the first connect, and asks once', async () => {
    const server = await startGuarded();
    const { port } = server.address;
    for (const token of [undefined, `${BILLING}x`, () => `${BILLING}x`]) {
      const before = server.accepted;
      expect(await errorOf(connect({ port, token }))).toMatchObject({
        name: 'RefusedError',
        code: 'unauthorized',
      });
      expect(server.accepted).toBe(before + 1);
    }
  });

  test('comes back with another token when the one it had expires', async () => {
    fakeTime();
    const server = await start({ jwtKey: fileWith(SECRET) });
    let given = 0;
    const token = async (): Promise<string> => {
      given += 1;
      return signed({ sub: 'billing', exp: inSeconds(60) });
    };
    const connection = await connect({ port: server.address.port, token, reconnectMinMs: 1 });
    const session = await connection.session();
    const isBack = inState(connection, 'reconnecting').then(() => inState(connection, 'connected'));
    vi.advanceTimersByTime(60_000);
    await isBack;
    expect(await session.request('echo', 1)).toBe(1);
    expect(given).toBe(2);
    await connection.close();
  });

  test('rejects with the reason when there is no token to connect with', async () => {
    const { port } = (await startGuarded()).address;
    const none = async () => Promise.reject(new Error('the vault is shut'));
    const error = await errorOf(connect({ port, token: none }));
    expect(error).toMatchObject({ code: 'connection_closed' });
    expect(error.message).toContain('the vault is shut');
    const wrong = (() => 7) as unknown as () => string;
    expect((await errorOf(connect({ port, token: wrong }))).message).toContain('token');
  });
});
