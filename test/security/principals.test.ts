/** Sessions belong to whoever registered them, over TCP, over restarts, and in the library. */
import { afterEach, describe, expect, test } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { errorOf } from '../client/peer.ts';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  EVICTION,
  type Frame,
  GET,
  HELLO,
  idOf,
  type RawClient,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
} from '../transport/raw-client.ts';
import { fileWith, SECRET, signed, temporaryFolder } from './files.ts';
import { BILLING, BOTH, bearer, OPS, opened, SHIPPING, start, startGuarded } from './setup.ts';

const ID = idOf(1);
const NONE = { session: 0 };

/** Everything that may be said about a session; each is answered once. */
async function sayAll(client: RawClient, id: Uint8Array, session: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (const message of [
    [REQUEST, id, session, 1, ECHO, null],
    [REQUEST, id, session + 1, 1, ECHO, null],
    [REQUEST, id, session, 99, 77, null],
    [CALL, 1, id, GET, null],
    [CALL, 2, id, 200, null],
    [CLOSE, id, session],
    [CLOSE, id, 0],
  ]) {
    client.send(...message);
    frames.push(await client.next());
  }
  return frames;
}

function forbiddenFor(id: Uint8Array): unknown[] {
  const of = (at: Uint8Array | null, number: number | null) => [ERROR, 'forbidden', at, number];
  return [
    of(id, 1),
    of(id, 1),
    of(id, 99),
    of(null, 1),
    of(null, 2),
    of(id, null),
    of(id, null),
  ].map((fields) => [...fields, NONE]);
}

/** Without the text, which is for people. */
const plain = (frames: readonly Frame[]): unknown[] =>
  frames.map(([kind, code, _, ...rest]) => [kind, code, ...rest]);

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  const guarded = () => startGuarded({ shards: 2, run });

  test('forbids a stranger whatever concerns a session, as if there were none', async () => {
    const server = await guarded();
    const owner = await bearer(server, BILLING);
    const session = await owner.register(ID);
    const stranger = await bearer(server, SHIPPING);
    const about = await sayAll(stranger, ID, session);
    expect(plain(about)).toEqual(forbiddenFor(ID));
    const nothing = await sayAll(stranger, idOf(2), session);
    expect(plain(nothing)).toEqual(forbiddenFor(idOf(2)));
    expect(about.map((frame) => frame[2])).toEqual(nothing.map((frame) => frame[2]));
    stranger.send(REGISTER, ID, {});
    const refused = await stranger.next();
    expect(plain([refused])).toEqual([[ERROR, 'forbidden', ID, null, null]]);
    owner.send(REQUEST, ID, session, 1, ECHO, 'mine');
    expect(await owner.next()).toEqual([REPLY, ID, session, 1, 0, 'mine']);
  });

  test('serves the owner on any connection, and with another token of the same name', async () => {
    const server = await guarded();
    const session = await (await bearer(server, BILLING)).register(ID);
    for (const [index, token] of [BILLING, `${BILLING}-other`].entries()) {
      const again = await bearer(server, token);
      again.send(REGISTER, ID, {});
      expect((await again.next()).slice(0, 4)).toEqual([REGISTERED, ID, session, index]);
      again.send(REQUEST, ID, session, index + 1, ECHO, index);
      expect(await again.next()).toEqual([REPLY, ID, session, index + 1, 0, index]);
    }
  });

  test('tells how a session ended to its owner only', async () => {
    const server = await guarded();
    const owner = await bearer(server, BILLING);
    const session = await owner.register(ID);
    const ops = await bearer(server, OPS);
    ops.send(CALL, 1, null, 'remove', { id: ID });
    expect(await ops.next()).toEqual([RESULT, 1, 0, true]);
    expect(await owner.next()).toEqual([EVICTION, ID, session, 'removed']);
    const stranger = await bearer(server, SHIPPING);
    expect(plain(await sayAll(stranger, ID, session))).toEqual(forbiddenFor(ID));
    owner.send(REQUEST, ID, session, 1, ECHO, null);
    expect(await owner.next()).toEqual([EVICTION, ID, session, 'removed']);
    owner.send(CALL, 2, ID, GET, null);
    expect((await owner.next()).slice(0, 2)).toEqual([ERROR, 'no_session']);
  });

  test('tells the owner, not the stranger, of a session that is found expired', async () => {
    const server = await guarded();
    const owner = await bearer(server, BILLING);
    const session = await owner.register(ID, { ttl_ms: 1 });
    const stranger = await bearer(server, SHIPPING);
    expect(plain(await sayAll(stranger, ID, session))).toEqual(forbiddenFor(ID));
    expect(await owner.next()).toEqual([EVICTION, ID, session, 'expired']);
  });

  test('gives an id that is free again to whoever registers it', async () => {
    const server = await guarded();
    const owner = await bearer(server, BILLING);
    const session = await owner.register(ID);
    owner.send(CLOSE, ID, session);
    expect(await owner.next()).toEqual([EVICTION, ID, session, 'closed']);
    const other = await bearer(server, SHIPPING);
    const next = await other.register(ID);
    owner.send(REGISTER, ID, {});
    expect((await owner.next()).slice(0, 2)).toEqual([ERROR, 'forbidden']);
    owner.send(REQUEST, ID, session, 1, ECHO, null);
    expect(await owner.next()).toEqual([EVICTION, ID, session, 'closed']);
    other.send(REQUEST, ID, next, 1, ECHO, 1);
    expect(await other.next()).toEqual([REPLY, ID, next, 1, 0, 1]);
  });
});

test('two who came with one name are one, and roles make no difference', async () => {
  const server = await start({ jwtKey: fileWith(SECRET) });
  const client = await bearer(server, await signed({ sub: 'x' }));
  const session = await client.register(ID);
  const roles = ['client', 'operator'];
  const both = await bearer(server, await signed({ sub: 'x', roles }));
  both.send(REQUEST, ID, session, 1, ECHO, 1);
  expect(await both.next()).toEqual([REPLY, ID, session, 1, 0, 1]);
  const operator = await bearer(server, await signed({ sub: 'y', roles }));
  operator.send(REQUEST, ID, session, 2, ECHO, 1);
  expect((await operator.next()).slice(0, 2)).toEqual([ERROR, 'forbidden']);
});

test('the program that the engine is embedded in sees every session', async () => {
  const server = await startGuarded();
  const owner = await bearer(server, BILLING);
  const session = await owner.register(ID);
  const { engine } = server;
  const reply = await engine.request(ID, session, 1, 'echo', 'embedded');
  expect(reply.body).toBe('embedded');
  const mine = await engine.register(idOf(3));
  const stranger = await bearer(server, SHIPPING);
  expect(plain(await sayAll(stranger, idOf(3), mine.session))).toEqual(forbiddenFor(idOf(3)));
});

test('a restart keeps what belongs to whom, with tokens or once without', async () => {
  const dataDir = temporaryFolder();
  let server = await startGuarded({ dataDir });
  const session = await (await bearer(server, BILLING)).register(ID, { ttl_ms: null });
  const other = await (await bearer(server, BOTH)).register(idOf(2), { ttl_ms: null });
  await server.stop();

  server = await start({ dataDir, shards: 2 });
  const anybody = await opened(server);
  anybody.send(HELLO, 1, {});
  await anybody.next();
  anybody.send(REQUEST, ID, session, 1, ECHO, 1);
  expect(await anybody.next()).toEqual([REPLY, ID, session, 1, 0, 1]);
  const open = await anybody.register(idOf(3), { ttl_ms: null });
  await server.stop();

  server = await startGuarded({ dataDir });
  const stranger = await bearer(server, SHIPPING);
  expect(plain(await sayAll(stranger, ID, session))).toEqual(forbiddenFor(ID));
  expect(plain(await sayAll(stranger, idOf(3), open))).toEqual(forbiddenFor(idOf(3)));
  const owner = await bearer(server, BILLING);
  owner.send(REQUEST, ID, session, 2, ECHO, 2);
  expect(await owner.next()).toEqual([REPLY, ID, session, 2, 0, 2]);
  expect(plain(await sayAll(owner, idOf(2), other))).toEqual(forbiddenFor(idOf(2)));
  await server.stop();
});

describe('the client library', () => {
  const connections: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const connection of connections.splice(0)) await connection.close();
  });

  test('takes a session for ended that the server knows nothing of', async () => {
    const dataDir = temporaryFolder();
    const first = await startGuarded({ dataDir });
    const { port } = first.address;
    const connection = await connect({ port, token: BILLING, reconnectMinMs: 1 });
    connections.push(connection);
    const session = await connection.session();
    const closing = await connection.session();
    await first.stop();
    // Another data directory: nothing is known of what was before.
    await startGuarded({ dataDir: temporaryFolder(), port });
    const error = await errorOf(session.request('echo', 1));
    expect(error).toMatchObject({ name: 'SessionEvictedError', reason: 'no_session' });
    expect(error.cause).toMatchObject({ code: 'forbidden' });
    expect(session.state).toBe('evicted');
    expect(await errorOf(session.request('echo', 2))).toBe(error);
    await closing.close();
    expect(closing.state).toBe('evicted');
  });

  test('rejects a register of an id that is taken, and goes on', async () => {
    const server = await startGuarded();
    const { port } = server.address;
    await (await bearer(server, SHIPPING)).register(ID);
    const connection = await connect({ port, token: BILLING });
    connections.push(connection);
    const error = await errorOf(connection.session({ id: ID }));
    expect(error).toMatchObject({ name: 'RefusedError', code: 'forbidden' });
    const session = await connection.session();
    expect(await session.request('echo', 1)).toBe(1);
    expect(await errorOf(connection.data(ID).get())).toMatchObject({ code: 'forbidden' });
  });
});
