import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import { CLOSE, errorOf, Peer, REGISTER, REQUEST, requestOf } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

describe('registering', () => {
  test('a session gets a random id, the server’s number and state active', async () => {
    const first = await connection.session();
    const second = await connection.session();
    expect(first.id).toMatch(/^[0-9a-f]{32}$/);
    expect(first.id).not.toBe(second.id);
    expect([first.session, second.session]).toEqual([7, 8]);
    expect(first).toMatchObject({ state: 'active', resumed: false, lastRequest: 0 });
    expect(first.ttlMs).toBe(3_600_000);
    const register = await peer.next(REGISTER);
    expect(Buffer.from(register.fields[0] as Uint8Array).toString('hex')).toBe(first.id);
    expect(register.fields[1]).toEqual({});
  });

  test('its options travel under their names on the wire', async () => {
    await connection.session({
      id: ID.toUpperCase(),
      ttlMs: null,
      scope: 'connection',
      rate: { perSecond: 10, burst: 20 },
      capabilities: ['push'],
      data: { a: 1 },
    });
    const [id, options] = (await peer.next(REGISTER)).fields;
    expect(Buffer.from(id as Uint8Array).toString('hex')).toBe(ID);
    expect(options).toEqual({
      ttl_ms: null,
      scope: 'connection',
      rate: [10, 20],
      capabilities: ['push'],
      data: { a: 1 },
    });
  });

  test('a Map is as good as an object for its data', async () => {
    await connection.session({ data: new Map([['a', [1]]]) });
    expect((await peer.next(REGISTER)).fields[1]).toEqual({ data: { a: [1] } });
  });

  test('it has the rate and the capabilities that the server granted', async () => {
    peer.automatic.register = false;
    const registering = connection.session({ rate: { perSecond: 50, burst: 9 } });
    const { fields, socket } = await peer.next(REGISTER);
    const granted = { resumed: false, ttl_ms: 1, rate: [10, 5], capabilities: ['push', 'admin'] };
    socket.send(17, fields[0], 7, 0, granted);
    const session = await registering;
    expect(session.rate).toEqual({ perSecond: 10, burst: 5 });
    expect(session.capabilities).toEqual(['push', 'admin']);
    const plain = connection.session();
    const register = await peer.next(REGISTER);
    register.socket.registered(register, 8);
    expect(await plain).toMatchObject({ rate: null, capabilities: [] });
  });

  test.each([
    [{ id: 'zz' }, 'id'],
    [{ id: '0'.repeat(32) }, 'id'],
    [{ ttlMs: 0 }, 'ttlMs'],
    [{ ttlMs: 2 ** 32 - 1 }, 'ttlMs'],
    [{ rate: { perSecond: 0, burst: 1 } }, 'rate.perSecond'],
    [{ rate: { perSecond: 1, burst: 1.5 } }, 'rate.burst'],
    [{ rate: { perSecond: 100_001, burst: 1 } }, 'rate.perSecond'],
    [{ rate: { perSecond: 1, burst: 1_000_001 } }, 'rate.burst'],
    [{ rate: null as never }, 'rate'],
    [{ rate: [10, 20] as never }, 'rate.perSecond'],
    [{ scope: 'process' as 'connection' }, 'scope'],
    [{ capabilities: [1] as unknown as string[] }, 'capabilities'],
    [{ capabilities: 'push' as never }, 'capabilities'],
    [{ capabilities: ['push', ''] }, 'capabilities'],
    [{ capabilities: new Array(2) }, 'capabilities'],
    [{ capabilities: ['é'.repeat(513)] }, 'capabilities'],
    [{ capabilities: Array.from({ length: 32 }, (_, i) => `name ${i}`) }, 'capabilities'],
    [{ data: { f: () => 1 } }, 'data'],
    [{ data: [1] }, 'data'],
    [{ data: 'text' as never }, 'data'],
    [{ data: null as never }, 'data'],
    [{ data: Uint8Array.of(0x80) }, 'data'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
  ])('the options %j are refused because of %s', async (options, option) => {
    expect(await errorOf(connection.session(options))).toMatchObject({
      code: 'invalid_options',
      option,
    });
    expect(peer.count(REGISTER)).toBe(0);
  });

  test('data too large for a frame is refused here', async () => {
    const error = await errorOf(connection.session({ data: { a: 'x'.repeat(70_000) } }));
    expect(error).toMatchObject({ code: 'body_too_large' });
    expect(peer.count(REGISTER)).toBe(0);
  });

  test('an id that has an open session here is refused until that has ended', async () => {
    peer.automatic.close = true;
    const session = await connection.session({ id: ID });
    expect(await errorOf(connection.session({ id: ID }))).toMatchObject({ option: 'id' });
    await session.close();
    expect((await connection.session({ id: ID })).session).toBe(8);
  });

  test('a resumed session continues after its last request', async () => {
    peer.automatic.register = false;
    peer.automatic.request = true;
    const registering = connection.session({ id: ID });
    const register = await peer.next(REGISTER);
    register.socket.registered(register, 2 ** 53 - 1, 41, true);
    const session = await registering;
    expect(session).toMatchObject({ session: 2 ** 53 - 1, lastRequest: 41, resumed: true });
    await session.request('echo', null);
    expect(requestOf(await peer.next(REQUEST))).toMatchObject({
      session: 2 ** 53 - 1,
      request: 42,
    });
    expect(session.lastRequest).toBe(42);
  });

  test('a late second answer to a register changes nothing', async () => {
    peer.automatic.request = true;
    const session = await connection.session({ id: ID });
    await session.request('echo', 1);
    const register = await peer.next(REGISTER);
    register.socket.registered(register, 7, 0, true);
    register.socket.registered(register, 99, 50, true);
    await connection.ping();
    expect(session).toMatchObject({ session: 7, lastRequest: 1, resumed: false });
    expect(await session.request('echo', 2)).toBe(2);
  });

  test('a register whose answer was lost is sent again, and the session resumes', async () => {
    peer.automatic.register = false;
    const registering = connection.session({ ttlMs: 1000 });
    const first = await peer.next(REGISTER);
    first.socket.destroy();
    const second = await peer.next(REGISTER);
    expect(second.bytes).toEqual(first.bytes);
    second.socket.registered(second, 9, 0, true);
    expect(await registering).toMatchObject({ session: 9, resumed: true, state: 'active' });
  });

  test.each(['sessions_exhausted', 'invalid_options', 'forbidden'])(
    'a register refused with %s rejects with that',
    async (code) => {
      peer.automatic.register = false;
      const registering = errorOf(connection.session({ id: ID }));
      const register = await peer.next(REGISTER);
      register.socket.refuse(register, code, { ttl_ms: 1 });
      const error = await registering;
      expect(error).toMatchObject({ name: 'RefusedError', code, details: { ttl_ms: 1 } });
      peer.automatic.register = true;
      expect((await connection.session({ id: ID })).state).toBe('active');
    },
  );

  test.each(['server_busy', 'shutting_down'])(
    'a register put off with %s is tried again',
    async (code) => {
      peer.automatic.register = false;
      const registering = connection.session();
      for (let i = 0; i < 3; i++) {
        const register = await peer.next(REGISTER);
        register.socket.refuse(register, code);
      }
      const register = await peer.next(REGISTER);
      register.socket.registered(register, 12);
      expect((await registering).session).toBe(12);
    },
  );

  test('a register that times out ends the session nobody would know of', async () => {
    peer.automatic.register = false;
    const error = await errorOf(connection.session({ timeoutMs: 20 }));
    expect(error).toMatchObject({ name: 'RequestTimeoutError', sent: true });
    const register = await peer.next(REGISTER);
    const close = await peer.next(CLOSE);
    expect(close.fields).toEqual([register.fields[0], 0]);
    // What comes late concerns nobody.
    register.socket.registered(register, 7);
    register.socket.evict(register.fields[0], 7, 'closed');
    await connection.ping();
    peer.automatic.register = true;
    expect((await connection.session()).state).toBe('active');
  });

  test('a register with an id of the caller’s is not closed behind its back', async () => {
    peer.automatic.register = false;
    await errorOf(connection.session({ id: ID, timeoutMs: 20 }));
    await connection.ping();
    expect(peer.count(CLOSE)).toBe(0);
    const again = connection.session({ id: ID });
    await peer.next(REGISTER);
    const register = await peer.next(REGISTER);
    register.socket.registered(register, 7, 0, true);
    expect((await again).session).toBe(7);
  });

  test('an aborted register rejects with the signal’s reason', async () => {
    peer.automatic.register = false;
    const controller = new AbortController();
    const registering = errorOf(connection.session({ signal: controller.signal }));
    await peer.next(REGISTER);
    controller.abort(new Error('never mind'));
    expect((await registering).message).toBe('never mind');
    const early = errorOf(connection.session({ signal: controller.signal }));
    expect((await early).message).toBe('never mind');
    expect(peer.count(REGISTER)).toBe(1);
  });
});
