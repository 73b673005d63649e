/** Keys over the real engine: embedded, through a view, and over TCP. From the built package. */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startLossyProxy } from '../../dist/cli/lossy-proxy.js';
import { Engine } from '../../dist/engine.js';
import { systemClock } from '../../dist/keys/clock.js';
import { IdempotencyKeys } from '../../dist/keys/idempotency-keys.js';
import { keyStoreOf } from '../../dist/keys/key-store-of.js';
import type { KeyOptions } from '../../dist/keys/options.js';
import { nameKey } from '../../dist/keys/record.js';
import type { KeyStore } from '../../dist/keys/store.js';
import { type RunningServer, serve } from '../../dist/serve.js';
import { sessionData } from '../../dist/services/session-data.js';
import { connect } from '../../dist/transport/client/connection.js';
import { quiet } from './virtual-clock.ts';
import { Work } from './work.ts';

const operationsExist = 'peek' in sessionData.operations && 'batch' in sessionData.operations;

const DAY_MS = 86_400_000;

type CleanUps = (() => unknown)[];

async function cleanUp(cleanUps: CleanUps): Promise<void> {
  for (const each of cleanUps.splice(0).reverse()) await each();
}

const LIMITS = { sessionsMax: 100, onFull: 'reject' } as const;

async function startEngine(shards: number, cleanUps: CleanUps): Promise<Engine> {
  const engine = await Engine.start({ shards, ...LIMITS });
  cleanUps.push(() => engine.stop());
  return engine;
}

async function startServer(cleanUps: CleanUps): Promise<RunningServer> {
  const server = await serve({ port: 0, shards: 1, ...LIMITS });
  cleanUps.push(() => server.stop());
  return server;
}

async function storeAt(port: number, cleanUps: CleanUps): Promise<KeyStore> {
  const connection = await connect({ port, reconnectMinMs: 1, reconnectMaxMs: 20 });
  cleanUps.push(() => connection.close());
  return keyStoreOf(connection);
}

/** Two stores over the sessions of an engine, as two processes have them. */
type Flavour = { readonly engine: Engine; readonly pair: readonly [KeyStore, KeyStore] };

const flavours: Readonly<Record<string, (cleanUps: CleanUps) => Promise<Flavour>>> = {
  'an engine in this thread': async (cleanUps) => {
    const engine = await startEngine(0, cleanUps);
    return { engine, pair: [keyStoreOf(engine), keyStoreOf(engine)] };
  },
  'an engine with two shards': async (cleanUps) => {
    const engine = await startEngine(2, cleanUps);
    return { engine, pair: [keyStoreOf(engine), keyStoreOf(engine)] };
  },
  'an engine and a view of it': async (cleanUps) => {
    const engine = await startEngine(1, cleanUps);
    const view = engine.view();
    cleanUps.push(() => view.release());
    return { engine, pair: [keyStoreOf(engine), keyStoreOf(view)] };
  },
  'two connections': async (cleanUps) => {
    const { engine, address } = await startServer(cleanUps);
    const { port } = address;
    return { engine, pair: [await storeAt(port, cleanUps), await storeAt(port, cleanUps)] };
  },
};

/** Keys of a process that stands still as far as its leases are concerned. */
function frozen(store: KeyStore, options: KeyOptions): IdempotencyKeys {
  return new IdempotencyKeys(store, {
    ...options,
    clock: { ...systemClock, every: () => () => {} },
  });
}

/** The error with which a run ends. */
function failure(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    (value) => new Error(`it gave ${String(value)}`),
    (error) => error,
  );
}

/** Resolves when the key has a session. */
async function taken(store: KeyStore, key: string): Promise<void> {
  const { id } = nameKey('sessile', key, undefined);
  while (!(await store.call(id, 'peek').then(Boolean, () => false))) await quiet();
}

describe.skipIf(!operationsExist).each(Object.keys(flavours))('keys over %s', (name) => {
  const cleanUps: CleanUps = [];
  let flavour: Flavour;

  beforeAll(async () => {
    flavour = await flavours[name](cleanUps);
  });
  afterEach(async () => {
    const { sessions } = await flavour.engine.list({ limit: LIMITS.sessionsMax });
    for (const { id } of sessions) await flavour.engine.remove(id);
  });
  afterAll(() => cleanUp(cleanUps));

  test('a function runs once, and its result is kept for the retention', async () => {
    const [a, b] = flavour.pair;
    const result = { receipt: 'A-1', lines: [1, 2.5, null], at: new Date(5000) };
    expect(await new IdempotencyKeys(a).run('k', 'f', () => result)).toBe(result);
    expect(await new IdempotencyKeys(b).run('k', 'f', () => undefined)).toEqual(result);
    expect(await new IdempotencyKeys(a).run('k', 'f', () => undefined)).toEqual(result);
    const { id } = nameKey('sessile', 'k', undefined);
    expect(await a.call(id, 'info')).toMatchObject({ ttl_ms: DAY_MS, request: 1 });
  });

  test('many callers at once run it once', async () => {
    const pair = flavour.pair;
    const keys = pair.map((store) => new IdempotencyKeys(store));
    const work = new Work();
    const runs = Array.from({ length: 40 }, (_, i) => keys[i % 2].run('k', 'f', work.run));
    await work.finish('once');
    expect(await Promise.all(runs)).toEqual(runs.map(() => 'once'));
    expect(work.runs).toBe(1);
  });

  test('a function that throws frees the key for those who wait', async () => {
    const [a, b] = flavour.pair;
    const work = new Work();
    const first = failure(new IdempotencyKeys(a).run('k', 'f', work.run));
    await work.begun();
    const second = new IdempotencyKeys(b).run('k', 'f', work.run);
    const declined = new Error('declined');
    await work.fail(declined);
    expect(await first).toBe(declined);
    await work.finish('second try');
    expect(await second).toBe('second try');
  });

  test('another fingerprint is refused, while the function runs and later', async () => {
    const [a, b] = flavour.pair;
    const other = new IdempotencyKeys(b);
    const work = new Work();
    const first = new IdempotencyKeys(a).run('k', 'pay 100', work.run);
    await work.begun();
    const during = await failure(other.run('k', 'pay 999', work.run));
    expect(during).toMatchObject({ code: 'key_mismatch' });
    await work.finish('paid');
    await first;
    const after = await failure(other.run('k', 'pay 999', work.run));
    expect(after).toMatchObject({ code: 'key_mismatch' });
    expect(work.runs).toBe(1);
  });

  test('a caller that shall not wait is refused while the function runs', async () => {
    const [a, b] = flavour.pair;
    const work = new Work();
    const first = new IdempotencyKeys(a).run('k', 'f', work.run);
    await work.begun();
    for (const store of [a, b]) {
      const keys = new IdempotencyKeys(store, { onBusy: 'reject' });
      const refused = await failure(keys.run('k', 'f', work.run));
      expect(refused).toMatchObject({ code: 'key_in_progress' });
    }
    await work.finish('done');
    expect(await first).toBe('done');
  });

  test('a key whose owner stands still is free after its lease, and it is told', async () => {
    const [a, b] = flavour.pair;
    const slow = new Work();
    const first = failure(frozen(a, { leaseMs: 100 }).run('k', 'f', slow.run));
    await slow.begun();
    const second = new IdempotencyKeys(b).run('k', 'f', () => 'kept');
    expect(await second).toBe('kept');
    await slow.finish('late');
    expect(await first).toMatchObject({ code: 'key_lease_lost', result: 'late' });
    expect(await new IdempotencyKeys(a).run('k', 'f', () => 'not run')).toBe('kept');
  });

  test('a renewal is accepted', async () => {
    const [a] = flavour.pair;
    const touched: unknown[] = [];
    const store: KeyStore = {
      register: (...args) => a.register(...args),
      request: (...args) => a.request(...args),
      close: (...args) => a.close(...args),
      call: async (id, operation, body) => {
        const value = await a.call(id, operation, body);
        if (operation === 'touch') touched.push(value);
        return value;
      },
    };
    let renew = (): void => {};
    const every = (_ms: number, action: () => void) => {
      renew = action;
      return () => {};
    };
    const keys = new IdempotencyKeys(store, { clock: { ...systemClock, every } });
    const work = new Work();
    const run = keys.run('k', 'f', work.run);
    await work.begun();
    renew();
    while (touched.length === 0) await quiet();
    expect(touched).toEqual([null]);
    await work.finish('done');
    expect(await run).toBe('done');
  });

  test('a result that is too large is not made twice', async () => {
    const [a, b] = flavour.pair;
    for (const [key, length] of [
      ['data', 2000],
      ['body', 100_000],
    ] as const) {
      const big = 'x'.repeat(length);
      const first = await failure(new IdempotencyKeys(a).run(key, 'f', () => big));
      expect(first).toMatchObject({ code: 'key_result_too_large', result: big });
      const second = await failure(new IdempotencyKeys(b).run(key, 'f', () => 'not run'));
      expect(second).toMatchObject({ code: 'key_result_too_large', result: undefined });
    }
  });

  test('a result that msgpack cannot carry is not made twice', async () => {
    const [a, b] = flavour.pair;
    const first = await failure(new IdempotencyKeys(a).run('k', 'f', () => [() => {}]));
    expect(first).toMatchObject({ code: 'key_result_not_storable' });
    const second = await failure(new IdempotencyKeys(b).run('k', 'f', () => 'not run'));
    expect(second).toMatchObject({ code: 'key_result_not_storable' });
  });

  test('the function runs again when the retention is over', async () => {
    const [a] = flavour.pair;
    const keys = new IdempotencyKeys(a, { retentionMs: 20 });
    let runs = 0;
    while ((await keys.run('k', 'f', () => ++runs)) === 1) await quiet();
    expect(runs).toBe(2);
  });

  test('where no session is free nothing is run', async () => {
    const [a] = flavour.pair;
    const keys = new IdempotencyKeys(a);
    for (let n = 0; n < 100; n++) await keys.run(`k${n}`, undefined, () => n);
    const full = await failure(keys.run('one more', undefined, () => 'not run'));
    expect(full).toMatchObject({ code: 'sessions_exhausted' });
    expect(await keys.run('k7', undefined, () => 'not run')).toBe(7);
  });
});

describe.skipIf(!operationsExist)('keys over a connection that loses answers', () => {
  test('each function runs once', async () => {
    const cleanUps: CleanUps = [];
    onTestFinished(() => cleanUp(cleanUps));
    const { address } = await startServer(cleanUps);
    const proxy = await startLossyProxy(address.host, address.port);
    cleanUps.push(() => proxy.stop());
    const store = await storeAt(proxy.port, cleanUps);
    const keys = new IdempotencyKeys(store);
    for (let n = 0; n < 10; n++) {
      let runs = 0;
      const registerLost = proxy.loseNextAnswer();
      const result = await keys.run(`k${n}`, 'f', async () => {
        runs += 1;
        await taken(store, `k${n}`);
        // The answer that says that the result was recorded.
        void proxy.loseNextAnswer();
        return n;
      });
      await registerLost;
      expect([result, runs]).toEqual([n, 1]);
      expect(await keys.run(`k${n}`, 'f', () => 'not run')).toBe(n);
    }
  });
});
