import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/transport/client/connection.ts';
import type { SessionData } from '../../src/transport/client/session-data.ts';
import { DATA_WELCOME, DataStore, OPERATIONS } from './data-store.ts';
import { CALL, errorOf, Peer, REQUEST, requestOf } from './peer.ts';

const ID = '00112233445566778899aabbccddeeff';

interface Counter {
  n?: number;
}

let peer: Peer;
let store: DataStore;
let connection: Connection;
beforeEach(async () => {
  peer = await Peer.listen();
  peer.welcome = DATA_WELCOME;
  store = new DataStore(peer);
  connection = await peer.connect();
});
afterEach(() => peer.close());

function add(data: Counter): Counter {
  return { n: (data.n ?? 0) + 1 };
}

describe('update', () => {
  test('peeks, changes and puts on condition of the version', async () => {
    Object.assign(store.of(ID), { version: 4, data: { n: 1, other: 'x' } });
    const seen: unknown[] = [];
    const session = await connection.session({ id: ID });
    const updated = await session.update<Counter>((data, version) => {
      seen.push(data, version);
      return { ...data, n: 2 };
    });
    expect(seen).toEqual([{ n: 1, other: 'x' }, 4]);
    expect(updated).toEqual({ version: 5, data: { n: 2, other: 'x' } });
    expect(store.of(ID)).toEqual({ version: 5, data: { n: 2, other: 'x' } });
    const requests = [await peer.next(REQUEST), await peer.next(REQUEST)].map(requestOf);
    expect(requests).toMatchObject([
      { request: 1, operation: OPERATIONS.peek, body: null },
      { request: 2, operation: OPERATIONS.put_if, body: [4, { n: 2, other: 'x' }] },
    ]);
    expect(peer.count(REQUEST)).toBe(2);
  });

  test('the change may take its time and see what others wrote meanwhile', async () => {
    const data = connection.data(ID);
    let runs = 0;
    const updated = await data.update<Counter>(async (now) => {
      runs += 1;
      // Somebody else comes first, once.
      if (runs === 1) Object.assign(store.of(ID), { version: 1, data: { n: 10 } });
      return add(now);
    });
    expect(runs).toBe(2);
    expect(updated).toEqual({ version: 2, data: { n: 11 } });
  });

  test.each([
    ['throws', () => Promise.reject(new Error('not today'))],
    [
      'throws at once',
      () => {
        throw new Error('not today');
      },
    ],
  ])('a change that %s changes nothing and rejects with that', async (_how, change) => {
    const error = await errorOf(connection.data(ID).update(change));
    expect(error.message).toBe('not today');
    expect(store.of(ID).version).toBe(0);
    expect(peer.count(CALL)).toBe(1);
  });

  test('a change that forgets to return the new data is told so', async () => {
    const error = await errorOf(connection.data(ID).update((() => {}) as never));
    expect(error).toMatchObject({ code: 'invalid_options', option: 'data' });
    expect(store.of(ID).version).toBe(0);
  });

  test('gives up after so many attempts, with the version it met last', async () => {
    const data = connection.data(ID);
    const meddle = (now: Counter) => {
      store.of(ID).version += 1;
      return add(now);
    };
    const error = await errorOf(data.update(meddle, { attempts: 3 }));
    expect(error).toMatchObject({
      name: 'TooManyConflictsError',
      code: 'too_many_conflicts',
      attempts: 3,
      version: 3,
    });
    expect(store.of(ID).data).toEqual({});
    expect(store.conflicts).toBe(3);
    expect(peer.count(CALL)).toBe(6);
  });

  test('an abort between two attempts ends it with the signal’s reason', async () => {
    const controller = new AbortController();
    const meddle = (now: Counter) => {
      store.of(ID).version += 1;
      if (store.of(ID).version === 2) controller.abort(new Error('enough'));
      return add(now);
    };
    const { signal } = controller;
    expect((await errorOf(connection.data(ID).update(meddle, { signal }))).message).toBe('enough');
    expect(store.of(ID).data).toEqual({});
  });

  test('100 at once over 10 connections lose none', async () => {
    const { random } = Math;
    const connecting = Array.from({ length: 10 }, () => peer.connect({ random }));
    const handles = (await Promise.all(connecting)).map((each) => each.data(ID));
    const updates = handles.flatMap((data) => tenTimes(data));
    const versions = (await Promise.all(updates)).map(({ version }) => version);
    expect(store.of(ID)).toEqual({ version: 100, data: { n: 100 } });
    expect(new Set(versions).size).toBe(100);
    // Otherwise they have not met and nothing is shown.
    expect(store.conflicts).toBeGreaterThan(100);
  });

  test('many at once in one session lose none', async () => {
    const session = await connection.session({ id: ID });
    await Promise.all(Array.from({ length: 20 }, () => session.update<Counter>(add)));
    expect(store.of(ID)).toEqual({ version: 20, data: { n: 20 } });
  });
});

function tenTimes(data: SessionData) {
  return Array.from({ length: 10 }, () => data.update<Counter>(add));
}
