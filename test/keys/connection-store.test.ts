/** Keys through a client's connection, against a server that the test controls. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IdempotencyKeys } from '../../src/keys/idempotency-keys.ts';
import { keyStoreOf } from '../../src/keys/key-store-of.ts';
import type { KeyStore } from '../../src/keys/store.ts';
import type { Connection } from '../../src/transport/client/connection.ts';
import { errorOf, WELCOME } from '../client/peer.ts';
import { KeyPeer } from './key-peer.ts';
import { Work } from './work.ts';

const ID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const RUNNING = { ttlMs: 1000, data: { state: 'running' } };

let server: KeyPeer;
let connection: Connection;
beforeEach(async () => {
  server = await KeyPeer.listen();
  connection = await server.peer.connect();
});
afterEach(() => server.peer.close());

function keysOf(over: Connection): IdempotencyKeys {
  return new IdempotencyKeys(keyStoreOf(over));
}

/** Resolves when the server has heard this so often. */
async function heard(what: string, count: number): Promise<void> {
  while (server.log.filter((entry) => entry === what).length < count) {
    await new Promise<void>((resolve) => server.peer.once('frame', () => resolve()));
  }
}

describe('keys over a connection', () => {
  test('a function runs once, in the first register and one request', async () => {
    const keys = keysOf(connection);
    expect(await keys.run('k', 'f', () => ({ n: 1 }))).toEqual({ n: 1 });
    expect(await keys.run('k', 'f', () => 'not run')).toEqual({ n: 1 });
    expect(server.log).toEqual(['register', 'batch', 'register', 'peek']);
    expect(server.states).toEqual(['done']);
  });

  test('callers on one connection and on another wait for the one who runs it', async () => {
    const work = new Work();
    const first = keysOf(connection).run('k', 'f', work.run);
    await heard('register', 1);
    const second = keysOf(connection).run('k', 'f', work.run);
    const third = keysOf(await server.peer.connect()).run('k', 'f', work.run);
    await heard('peek', 4);
    await work.finish('once');
    expect(await Promise.all([first, second, third])).toEqual(['once', 'once', 'once']);
    expect(work.runs).toBe(1);
    expect(server.log).not.toContain('close');
  });

  test('a function that throws ends the session, and the next one runs', async () => {
    const keys = keysOf(connection);
    const fails = () => Promise.reject(new Error('declined'));
    expect(await errorOf(keys.run('k', 'f', fails))).toMatchObject({ message: 'declined' });
    expect(server.states).toEqual([]);
    expect(await keys.run('k', 'f', () => 2)).toBe(2);
  });

  test('a result that is too large is marked with the next request number', async () => {
    const keys = keysOf(connection);
    const big = 'x'.repeat(500);
    const error = await errorOf(keys.run('k', 'f', () => big));
    expect(error).toMatchObject({ code: 'key_result_too_large', result: big });
    expect(await errorOf(keys.run('k', 'f', () => 2))).toMatchObject({
      code: 'key_result_too_large',
    });
    expect(server.states).toEqual(['too_large']);
  });

  test('a result over the limit of bodies is marked as well', async () => {
    const keys = keysOf(connection);
    const big = 'x'.repeat(2000);
    const error = await errorOf(keys.run('k', 'f', () => big));
    expect(error).toMatchObject({ code: 'key_result_too_large' });
    expect(server.states).toEqual(['too_large']);
  });

  test('an owner whose session expired learns that the key is lost', async () => {
    const work = new Work();
    const first = errorOf(keysOf(connection).run('k', 'f', work.run));
    await heard('register', 1);
    server.expire();
    await work.finish('late');
    expect(await first).toMatchObject({ code: 'key_lease_lost', result: 'late' });
  });

  test('a caller on the same connection takes an expired key over', async () => {
    const [slow, quick] = [new Work(), new Work()];
    const first = errorOf(keysOf(connection).run('k', 'f', slow.run));
    await heard('register', 1);
    server.expire();
    const second = keysOf(connection).run('k', 'f', quick.run);
    await heard('register', 2);
    await slow.finish('late');
    expect(await first).toMatchObject({ code: 'key_lease_lost', result: 'late' });
    await quick.finish('kept');
    expect(await second).toBe('kept');
    expect(server.states).toEqual(['done']);
  });

  test('a register whose answer was lost is sent again, and its caller runs the key', async () => {
    server.intercept = (what, frame) => {
      if (what !== 'register') return false;
      server.intercept = () => false;
      // The peer registers it, and its answer goes nowhere.
      setImmediate(() => frame.socket.destroy());
      frame.socket.socket.write = () => true;
      return false;
    };
    expect(await keysOf(connection).run('k', 'f', () => 'ran')).toBe('ran');
    expect(server.log.slice(0, 3)).toEqual(['register', 'register', 'peek']);
    expect(server.states).toEqual(['done']);
  });

  test('a connection that is lost while a caller looks does not end its wait', async () => {
    const work = new Work();
    const first = keysOf(connection).run('k', 'f', work.run);
    await heard('register', 1);
    const other = await server.peer.connect();
    server.intercept = (what, frame) => {
      if (what === 'peek') frame.socket.destroy();
      if (what === 'peek') server.intercept = () => false;
      return what === 'peek';
    };
    const second = keysOf(other).run('k', 'f', work.run);
    await heard('peek', 2);
    await work.finish('once');
    expect(await Promise.all([first, second])).toEqual(['once', 'once']);
  });
});

describe('the store of a connection', () => {
  let store: KeyStore;
  beforeEach(() => {
    store = keyStoreOf(connection);
  });

  test('is one for all who ask', () => {
    expect(keyStoreOf(connection)).toBe(store);
  });

  test('leaves a session alone that was found live', async () => {
    const other = keyStoreOf(await server.peer.connect());
    expect(await other.register(ID, RUNNING)).toEqual({ session: 1, resumed: false });
    expect(await store.register(ID, RUNNING)).toEqual({ session: 1, resumed: true });
    expect(await store.register(ID, RUNNING)).toEqual({ session: 1, resumed: true });
    await other.request(ID, 1, 1, 'batch', [['put', { state: 'done' }]]);
    expect(server.states).toEqual(['done']);
  });

  test('does not end a session that another one has taken over', async () => {
    await store.register(ID, RUNNING);
    server.takeOver({ state: 'other' });
    await store.close(ID, 1);
    expect(server.states).toEqual(['other']);
  });

  test('does not write to a session that another one has taken over', async () => {
    await store.register(ID, RUNNING);
    server.takeOver({ state: 'other' });
    const error = await errorOf(store.request(ID, 1, 1, 'batch', [['put', {}]]));
    expect(error).toMatchObject({ code: 'session_evicted', reason: 'session_too_low' });
    expect(await errorOf(store.request(ID, 1, 1, 'batch', [['put', {}]]))).toMatchObject({
      code: 'session_evicted',
    });
    expect(server.states).toEqual(['other']);
  });

  test('leaves nothing behind where a session has gone', async () => {
    const error = await errorOf(store.request(ID, 1, 1, 'batch', [['put', {}]]));
    expect(error).toMatchObject({ code: 'session_evicted', reason: 'no_session' });
    expect(server.states).toEqual([]);
  });

  test('gives up a call when the connection is closed', async () => {
    await connection.close();
    expect(await errorOf(store.call(ID, 'peek'))).toMatchObject({ code: 'connection_closed' });
  });

  test('refuses a service that has not what keys need', async () => {
    server.peer.welcome = WELCOME;
    const other = await server.peer.connect();
    expect(() => keyStoreOf(other)).toThrow(
      expect.objectContaining({
        code: 'keys_unsupported',
        message: expect.stringContaining('lacks peek, touch, set_ttl, batch;'),
      }),
    );
  });
});
