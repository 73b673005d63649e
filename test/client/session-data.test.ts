import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ReplyStatusError } from '../../src/core/session-errors.ts';
import type { Connection } from '../../src/transport/client/connection.ts';
import { ConflictError } from '../../src/transport/client/errors.ts';
import type { SessionData } from '../../src/transport/client/session-data.ts';
import { DATA_WELCOME, OPERATIONS } from './data-store.ts';
import { CALL, errorOf, frameBytes, Peer, REQUEST, type Received, WELCOME } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';
const ID_BYTES = Buffer.from(ID, 'hex');

const INFO = {
  created_ms: 1_700_000_000_000,
  last_activity_ms: 1_700_000_000_500,
  ttl_ms: null,
  expires_in_ms: null,
  version: 3,
  data_bytes: 12,
  session: 2 ** 50,
  request: 9,
  capabilities: ['push'],
  of_a_later_server: 1,
};

type DataMethods = Pick<SessionData, keyof SessionData>;

let peer: Peer;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  peer.welcome = DATA_WELCOME;
  connection = await peer.connect();
});
afterEach(() => peer.close());

/** The two ways to a session's data: how to get there, and the frames of each. */
const WAYS = [
  {
    way: 'a session',
    kind: REQUEST,
    open: (): Promise<DataMethods> => connection.session({ id: ID }),
    frame: (frame: Received, operation: number, body: unknown) =>
      frameBytes([REQUEST, ID_BYTES, 7, frame.fields[2], operation, body]),
    answer: (frame: Received, body: unknown, status = 0) => frame.socket.reply(frame, body, status),
  },
  {
    way: 'connection.data',
    kind: CALL,
    open: async (): Promise<DataMethods> => connection.data(ID),
    frame: (frame: Received, operation: number, body: unknown) =>
      frameBytes([CALL, frame.fields[0], ID_BYTES, operation, body]),
    answer: (frame: Received, body: unknown, status = 0) =>
      frame.socket.send(21, frame.fields[0], status, body),
  },
];

type Case = [
  method: string,
  run: (data: DataMethods) => Promise<unknown>,
  operation: keyof typeof OPERATIONS,
  body: unknown,
  answer: unknown,
  result: unknown,
];

const MAP = new Map([['a', 1]]);

const CASES: Case[] = [
  ['get', (d) => d.get(), 'get', null, [3, { a: 1 }], { version: 3, data: { a: 1 } }],
  ['peek', (d) => d.peek(), 'peek', null, [0, {}], { version: 0, data: {} }],
  ['put of an object', (d) => d.put({ a: [1], b: undefined }), 'put', { a: [1] }, 4, 4],
  ['put of a Map', (d) => d.put(MAP), 'put', { a: 1 }, 4, 4],
  ['putIf', (d) => d.putIf(3, { a: 2 }), 'put_if', [3, { a: 2 }], 4, 4],
  ['merge', (d) => d.merge({ a: null }), 'merge', { a: null }, 5, 5],
  ['increment', (d) => d.increment('hits'), 'increment', ['hits', 1], 8, 8],
  ['increment by some', (d) => d.increment('hits', -2), 'increment', ['hits', -2], 6, 6],
  ['touch', (d) => d.touch(), 'touch', null, null, undefined],
  ['setTtl', (d) => d.setTtl(5000), 'set_ttl', 5000, null, undefined],
  ['setTtl for ever', (d) => d.setTtl(null), 'set_ttl', null, null, undefined],
  ['echo', (d) => d.echo({ x: [null] }), 'echo', { x: [null] }, { x: [null] }, { x: [null] }],
];

describe.each(WAYS)('the data of $way', ({ kind, open, frame: expected, answer }) => {
  test.each(CASES)('%s', async (_method, run, operation, body, answered, result) => {
    const promise = run(await open());
    const frame = await peer.next(kind);
    expect(frame.bytes).toEqual(expected(frame, OPERATIONS[operation], body));
    answer(frame, answered);
    expect(await promise).toEqual(result);
  });

  test('info has names in camelCase and only those that are known', async () => {
    const promise = (await open()).info();
    const frame = await peer.next(kind);
    expect(frame.bytes).toEqual(expected(frame, OPERATIONS.info, null));
    answer(frame, INFO);
    expect(await promise).toEqual({
      createdMs: 1_700_000_000_000,
      lastActivityMs: 1_700_000_000_500,
      ttlMs: null,
      expiresInMs: null,
      version: 3,
      dataBytes: 12,
      session: 2 ** 50,
      request: 9,
      capabilities: ['push'],
    });
  });

  test('batch sends operations by number and resolves with their results', async () => {
    const promise = (await open()).batch([['put', { a: 1 }], ['get'], [20, 'x']]);
    const frame = await peer.next(kind);
    const body = [
      [OPERATIONS.put, { a: 1 }],
      [OPERATIONS.get, null],
      [20, 'x'],
    ];
    expect(frame.bytes).toEqual(expected(frame, OPERATIONS.batch, body));
    answer(frame, [1, [1, { a: 1 }], 'x']);
    expect(await promise).toEqual([1, [1, { a: 1 }], 'x']);
  });

  test('a conflict of putIf tells the present version', async () => {
    const promise = errorOf((await open()).putIf(3, {}));
    answer(await peer.next(kind), 9, 2);
    const error = await promise;
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toBeInstanceOf(ReplyStatusError);
    expect(error).toMatchObject({ name: 'ConflictError', code: 'conflict', version: 9, body: 9 });
    expect(String(error)).toContain('ConflictError: the data has version 9');
  });

  test('a conflict that names no version, and other statuses, stay what they are', async () => {
    const data = await open();
    const foreign = errorOf(data.putIf(3, {}));
    answer(await peer.next(kind), 'the account is closed', 2);
    expect(await foreign).toMatchObject({ name: 'ReplyStatusError', status: 'conflict' });
    const tooLarge = errorOf(data.putIf(3, {}));
    answer(await peer.next(kind), null, 5);
    expect(await tooLarge).toMatchObject({ name: 'ReplyStatusError', status: 'too_large' });
  });

  test.each<[string, (data: DataMethods) => Promise<unknown>, unknown]>([
    ['get', (data) => data.get(), { version: 1 }],
    ['get', (data) => data.get(), [1, 'text']],
    ['peek', (data) => data.peek(), ['1', {}]],
    ['put', (data) => data.put({}), null],
    ['increment', (data) => data.increment('a'), '1'],
    ['info', (data) => data.info(), { ...INFO, version: null }],
    ['info', (data) => data.info(), []],
    ['batch', (data) => data.batch([]), {}],
  ])('a %s that is answered with something else is a ProtocolError', async (...given) => {
    const [, run, answered] = given;
    const promise = errorOf(run(await open()));
    answer(await peer.next(kind), answered);
    expect(await promise).toMatchObject({ code: 'protocol_error' });
    expect(connection.state).toBe('connected');
  });

  test.each<[string, (data: DataMethods) => Promise<unknown>]>([
    ['data', (data) => data.put(null as never)],
    ['data', (data) => data.put([1])],
    ['data', (data) => data.put(Buffer.from('x'))],
    ['data', (data) => data.put(new Date())],
    ['data', (data) => data.put(new Set([1]))],
    ['data', (data) => data.merge('text' as never)],
    ['data', (data) => data.putIf(0, [])],
    ['body', (data) => data.put({ f: () => 1 })],
    ['version', (data) => data.putIf(-1, {})],
    ['version', (data) => data.putIf('1' as never, {})],
    ['field', (data) => data.increment(5 as never)],
    ['delta', (data) => data.increment('a', Number.NaN)],
    ['delta', (data) => data.increment('a', '1' as never)],
    ['ttlMs', (data) => data.setTtl(0)],
    ['ttlMs', (data) => data.setTtl(undefined as never)],
    ['items', (data) => data.batch('get' as never)],
    ['items', (data) => data.batch(['get'] as never)],
    ['operation', (data) => data.batch([[-1]])],
    ['change', (data) => data.update({} as never)],
    ['attempts', (data) => data.update((now) => now, { attempts: 0 })],
  ])('a wrong %s is refused before anything is sent', async (option, run) => {
    const error = await errorOf(run(await open()));
    expect(error).toMatchObject({ code: 'invalid_options', option });
    expect(peer.count(kind)).toBe(0);
  });

  test('each method takes a time limit and a signal', async () => {
    const data = await open();
    const late = await errorOf(data.get({ timeoutMs: 20 }));
    expect(late).toMatchObject({ code: 'request_timeout', sent: true });
    const signal = AbortSignal.abort(new Error('never mind'));
    expect((await errorOf(data.merge({}, { signal }))).message).toBe('never mind');
    expect((await errorOf(data.update((now) => now, { signal }))).message).toBe('never mind');
    expect(peer.count(kind)).toBe(1);
  });

  test('an operation that the service does not have is refused here', async () => {
    peer.welcome = WELCOME;
    connection = await peer.connect();
    const data = await open();
    const error = await errorOf(data.increment('a'));
    expect(error).toMatchObject({ code: 'unknown_operation', details: { operation: 'increment' } });
    const inside = await errorOf(data.batch([['increment', ['a', 1]]]));
    expect(inside).toMatchObject({ code: 'unknown_operation' });
  });
});

test('connection.data refuses what is no id at once, and keeps the id as it was', async () => {
  expect(() => connection.data('zz')).toThrow(expect.objectContaining({ option: 'id' }));
  const bytes = Uint8Array.from(ID_BYTES);
  const data = connection.data(bytes);
  bytes.fill(9);
  const got = data.get();
  const frame = await peer.next(CALL);
  expect(frame.fields[1]).toEqual(ID_BYTES);
  frame.socket.send(21, frame.fields[0], 0, [0, {}]);
  expect(await got).toEqual({ version: 0, data: {} });
});

test('methods of a session go out in the order in which they were called', async () => {
  const session = await connection.session();
  const results = [session.put({ a: 1 }), session.increment('a'), session.echo(3)];
  const operations: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    const frame = await peer.next(REQUEST);
    operations.push(frame.fields[3]);
    frame.socket.reply(frame, i);
  }
  expect(operations).toEqual([OPERATIONS.put, OPERATIONS.increment, OPERATIONS.echo]);
  expect(await Promise.all(results)).toEqual([0, 1, 2]);
});
