import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import { CALL, errorOf, frameBytes, Peer, type Received } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';
const ID_BYTES = Buffer.from(ID, 'hex');

const ENTRY = {
  id: ID_BYTES,
  session: 2 ** 40,
  request: 12,
  created_ms: 1_700_000_000_000,
  last_activity_ms: 1_700_000_001_000,
  idle_ms: 250,
  ttl_ms: 60_000,
  expires_in_ms: 59_750,
  version: 3,
  data_bytes: 40,
  executing: false,
  connection_scoped: true,
};

const READ = {
  id: ID,
  session: 2 ** 40,
  request: 12,
  createdMs: 1_700_000_000_000,
  lastActivityMs: 1_700_000_001_000,
  idleMs: 250,
  ttlMs: 60_000,
  expiresInMs: 59_750,
  version: 3,
  dataBytes: 40,
  executing: false,
  connectionScoped: true,
};

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  connection = await peer.connect();
});
afterEach(() => peer.close());

/** The next call, which must be exactly this one of the server's own operations. */
async function called(operation: string, body: unknown): Promise<Received> {
  const frame = await peer.next(CALL);
  expect(frame.bytes).toEqual(frameBytes([CALL, frame.fields[0], null, operation, body]));
  return frame;
}

function answer(frame: Received, body: unknown, status = 0): void {
  frame.socket.send(21, frame.fields[0], status, body);
}

function entry(digit: number) {
  return { ...ENTRY, id: Buffer.alloc(16, digit) };
}

describe('operator calls', () => {
  test('stats has its own keys in camelCase and leaves what is inside', async () => {
    const stats = connection.stats();
    const figures = { sessions_live: 5, p99_ns: 7, shards: [{ ring_bytes: 1 }], uptime: 2.5 };
    answer(await called('stats', null), figures);
    expect(await stats).toEqual({
      sessionsLive: 5,
      p99Ns: 7,
      shards: [{ ring_bytes: 1 }],
      uptime: 2.5,
    });
  });

  test('list without a filter asks for everything', async () => {
    const page = connection.list();
    answer(await called('list', {}), { sessions: [ENTRY], cursor: 'c1' });
    expect(await page).toEqual({ sessions: [READ], cursor: 'c1' });
  });

  test('list sends its filter under the names on the wire', async () => {
    const page = connection.list({
      limit: 10,
      cursor: 'c1',
      prefix: '0A',
      idleMsMin: 0,
      ageMsMin: 1000,
    });
    const fields = { limit: 10, cursor: 'c1', prefix: '0a', idle_ms_min: 0, age_ms_min: 1000 };
    answer(await called('list', fields), { sessions: [], cursor: null });
    expect(await page).toEqual({ sessions: [], cursor: null });
  });

  test('a session that never expires has null for it', async () => {
    const page = connection.list();
    const forEver = { ...ENTRY, ttl_ms: null, expires_in_ms: null };
    answer(await called('list', {}), { sessions: [forEver], cursor: null });
    expect((await page).sessions).toEqual([{ ...READ, ttlMs: null, expiresInMs: null }]);
  });

  test('inspect resolves with the entry, its rate and its capabilities', async () => {
    const details = connection.inspect(ID.toUpperCase());
    const body = { ...ENTRY, rate: [10, 20], capabilities: ['push', 'admin'] };
    answer(await called('inspect', { id: ID_BYTES }), body);
    expect(await details).toEqual({
      ...READ,
      rate: { perSecond: 10, burst: 20 },
      capabilities: ['push', 'admin'],
    });
  });

  test('inspect of nobody is null, and a session without a limit has rate null', async () => {
    const nobody = connection.inspect(Uint8Array.from(ID_BYTES));
    answer(await called('inspect', { id: ID_BYTES }), null);
    expect(await nobody).toBeNull();
    const plain = connection.inspect(ID);
    const body = { ...ENTRY, rate: null, capabilities: [] };
    answer(await called('inspect', { id: ID_BYTES }), body);
    expect(await plain).toMatchObject({ rate: null, capabilities: [] });
  });

  test.each([true, false])('remove resolves with %s', async (removed) => {
    const removing = connection.remove(ID);
    answer(await called('remove', { id: ID_BYTES }), removed);
    expect(await removing).toBe(removed);
  });

  test('sweep resolves with a count', async () => {
    const sweeping = connection.sweep();
    answer(await called('sweep', null), 17);
    expect(await sweeping).toBe(17);
  });

  test('a server that does not let us rejects with its error', async () => {
    const sweeping = errorOf(connection.sweep());
    const frame = await called('sweep', null);
    frame.socket.send(22, 'forbidden', 'not allowed', null, frame.fields[0], null);
    expect(await sweeping).toMatchObject({ name: 'RefusedError', code: 'forbidden' });
  });

  test('each takes a time limit and a signal', async () => {
    const signal = AbortSignal.abort(new Error('never mind'));
    const aborted = [
      connection.stats({ signal }),
      connection.list({}, { signal }),
      connection.sessions({}, { signal }).next(),
      connection.inspect(ID, { signal }),
      connection.remove(ID, { signal }),
      connection.sweep({ signal }),
    ];
    for (const call of aborted) expect((await errorOf(call)).message).toBe('never mind');
    expect(peer.count(CALL)).toBe(0);
    const late = await errorOf(connection.sweep({ timeoutMs: 20 }));
    expect(late).toMatchObject({ code: 'request_timeout', sent: true });
  });

  test.each<[string, (connection: Connection) => Promise<unknown>]>([
    ['limit', (it) => it.list({ limit: 0 })],
    ['limit', (it) => it.sessions({ limit: 1.5 }).next()],
    ['cursor', (it) => it.list({ cursor: 5 as never })],
    ['prefix', (it) => it.list({ prefix: 'xy' })],
    ['prefix', (it) => it.list({ prefix: '0'.repeat(33) })],
    ['prefix', (it) => it.list({ prefix: ID_BYTES as never })],
    ['idleMsMin', (it) => it.list({ idleMsMin: -1 })],
    ['ageMsMin', (it) => it.list({ ageMsMin: '5' as never })],
    ['id', (it) => it.inspect('zz')],
    ['id', (it) => it.remove(ID_BYTES.subarray(1))],
  ])('a wrong %s is refused before anything is sent', async (option, run) => {
    expect(await errorOf(run(connection))).toMatchObject({ code: 'invalid_options', option });
    expect(peer.count(CALL)).toBe(0);
  });

  test.each<[string, (connection: Connection) => Promise<unknown>, unknown]>([
    ['stats', (it) => it.stats(), 5],
    ['list', (it) => it.list(), [ENTRY]],
    ['list', (it) => it.list(), { sessions: null, cursor: null }],
    ['list', (it) => it.list(), { sessions: [{ ...ENTRY, id: ID }], cursor: null }],
    ['inspect', (it) => it.inspect(ID), { ...ENTRY, executing: 1 }],
    ['remove', (it) => it.remove(ID), 1],
    ['sweep', (it) => it.sweep(), null],
  ])('a %s that is answered with something else is a ProtocolError', async (...given) => {
    const [, run, body] = given;
    const promise = errorOf(run(connection));
    answer(await peer.next(CALL), body);
    expect(await promise).toMatchObject({ code: 'protocol_error' });
    expect(connection.state).toBe('connected');
  });
});

describe('connection.sessions', () => {
  test('asks for page after page with the same filter, until there is no cursor', async () => {
    const ids: string[] = [];
    const reading = (async () => {
      for await (const { id } of connection.sessions({ limit: 2, prefix: 'ff' })) ids.push(id);
    })();
    const first = await called('list', { limit: 2, prefix: 'ff' });
    answer(first, { sessions: [entry(1), entry(2)], cursor: 'c1' });
    // A page may be empty although there are more: all of its sessions have just ended.
    answer(await called('list', { limit: 2, cursor: 'c1', prefix: 'ff' }), {
      sessions: [],
      cursor: 'c2',
    });
    answer(await called('list', { limit: 2, cursor: 'c2', prefix: 'ff' }), {
      sessions: [entry(3)],
      cursor: null,
    });
    await reading;
    expect(ids).toEqual([1, 2, 3].map((digit) => Buffer.alloc(16, digit).toString('hex')));
  });

  test('asks for no page that nobody wants', async () => {
    const iterator = connection.sessions({ cursor: 'c0' });
    const first = iterator.next();
    answer(await called('list', { cursor: 'c0' }), { sessions: [entry(1)], cursor: 'c1' });
    expect((await first).done).toBe(false);
    await iterator.return();
    await connection.ping();
    expect(peer.count(CALL)).toBe(1);
  });

  test('does not run for ever with a server whose cursor stands still', async () => {
    const next = errorOf(connection.sessions().next());
    answer(await called('list', {}), { sessions: [], cursor: 'same' });
    answer(await called('list', { cursor: 'same' }), { sessions: [], cursor: 'same' });
    expect(await next).toMatchObject({ code: 'protocol_error' });
    expect(peer.count(CALL)).toBe(2);
  });
});
