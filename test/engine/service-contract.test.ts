/** What a service may declare and do, and that a careless one harms nobody but itself. */
import { describe, expect, test } from 'vitest';
import type { ServiceContext } from '../../dist/services/context.js';
import type { Operation, Service } from '../../dist/services/service.js';
import * as h from './helpers.ts';

const A = h.id(1);
const B = h.id(2);
const gates = h.beside('./services/gates.mjs');

type Execute = (context: ServiceContext) => unknown;

/** A service of operations that may all be called. */
function serviceOf(operations: Record<string, Execute>, more: Partial<Service> = {}): Service {
  const entries = Object.entries(operations).map(([name, execute], number) => {
    return [name, { number, unsequenced: true, execute } as Operation];
  });
  return { name: 'test', operations: Object.fromEntries(entries), ...more };
}

describe('a service does not start', () => {
  const operation = { number: 0, execute: () => {} };
  const wrong: [string, unknown][] = [
    ['service', 5],
    ['service.name', { operations: {} }],
    ['service.name', { name: '', operations: {} }],
    ['service.operations', { name: 'x' }],
    ['service.operations', { name: 'x', operations: null }],
    ['service.operations.a.execute', { name: 'x', operations: { a: { number: 0 } } }],
    ['service.operations.a.execute', { name: 'x', operations: { a: null } }],
    ['service.operations.a.number', { name: 'x', operations: { a: { ...operation, number: -1 } } }],
    [
      'service.operations.a.number',
      { name: 'x', operations: { a: { ...operation, number: 256 } } },
    ],
    ['service.operations.a.number', { name: 'x', operations: { a: { execute: () => {} } } }],
    ['service.operations.b.number', { name: 'x', operations: { a: operation, b: operation } }],
    ['service.opened', { name: 'x', operations: {}, opened: 'no function' }],
    ['service.ended', { name: 'x', operations: {}, ended: {} }],
  ];

  test.each(wrong)('when %s is wrong', async (option, service) => {
    const url = moduleOf(service);
    if (url !== undefined) {
      const error = await h.failure(h.startEngine({ shards: 2, service: url }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option });
    }
    if (typeof service !== 'object') return;
    const error = await h.failure(h.startEngine({ shards: 0, service: service as never }));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option });
  });

  test.each([
    ['is missing', h.beside('./services/missing.mjs')],
    ['throws', 'data:text/javascript,throw new Error("not today")'],
    ['is no JavaScript', 'data:text/javascript,export default {'],
    ['has no default export', 'data:text/javascript,export const service = 1'],
  ])('when its module %s', async (_, service) => {
    for (const shards of [0, 2]) {
      const error = await h.failure(h.startEngine({ shards, service }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'service' });
      expect(error.message).toContain('module');
    }
  });
});

/** A module whose default export is a value, if JSON can say it. */
function moduleOf(value: unknown): string | undefined {
  const text = JSON.stringify(value, (_, v) => (typeof v === 'function' ? '@f' : v));
  return `data:text/javascript,export default ${text.replaceAll('"@f"', '()=>{}')}`;
}

test('hooks are called once for each session, with the reason of its end', async () => {
  const told: string[] = [];
  const hooks = {
    opened: ({ id, session }: { id: string; session: number }) =>
      told.push(`opened ${Number(`0x${id}`)} ${session}`),
    ended: ({ id, session }: { id: string; session: number }, reason: string) =>
      told.push(`${reason} ${Number(`0x${id}`)} ${session}`),
  };
  const engine = await h.startEngine({ shards: 0, sessionsMax: 2, service: serviceOf({}, hooks) });
  const one = await engine.register(A, { ttlMs: 2 });
  const other = await engine.register(B);
  await h.clockPast(5);
  const again = await engine.register(A);
  expect(again.session).toBeGreaterThan(one.session);
  await engine.register(A);
  const two = await engine.register(h.id(3));
  await engine.close(A);
  expect(told).toEqual([
    `opened 1 ${one.session}`,
    `opened 2 ${other.session}`,
    `expired 1 ${one.session}`,
    `opened 1 ${again.session}`,
    `evicted 2 ${other.session}`,
    `opened 3 ${two.session}`,
    `closed 1 ${again.session}`,
  ]);
});

test('a hook that throws anything harms nobody', async () => {
  const warned: unknown[] = [];
  const note = (warning: unknown): void => {
    warned.push(warning);
  };
  process.on('warning', note);
  const values = [new Error('hook'), 'text', undefined, null, Symbol('x'), Object.create(null)];
  let next = 0;
  const hook = () => {
    throw values[next++ % values.length];
  };
  const service = serviceOf({ ok: (c) => c.replyWith('ok') }, { opened: hook, ended: hook });
  const engine = await h.startEngine({ shards: 0, service });
  for (const _ of values) {
    const { session } = await engine.register(A);
    expect(await engine.request(A, session, 1, 'ok')).toMatchObject({ body: 'ok' });
    await engine.close(A);
  }
  await h.nextTurn();
  process.off('warning', note);
  expect(warned.length).toBeGreaterThan(0);
  await h.checkTables(engine);
});

test('a hook whose promise rejects does not end its worker', async () => {
  const text = "({ name: 'x', operations: {}, async opened() { throw new Error('hook'); } })";
  const engine = await h.startEngine({
    shards: 1,
    service: `data:text/javascript,export default ${text}`,
  });
  await engine.register(A);
  const [before] = engine.threads.map(({ threadId }) => threadId);
  for (let n = 2; n < 20; n++) await engine.register(h.id(n));
  expect(engine.threads.map(({ threadId }) => threadId)).toEqual([before]);
});

test('whatever an operation throws becomes a failed reply', async () => {
  const values: unknown[] = [
    new Error('text'),
    'text',
    undefined,
    null,
    0,
    Symbol('x'),
    Object.create(null),
    {
      toString: () => {
        throw new Error('no text');
      },
    },
    Object.assign(new Error(), { message: 5 }),
    Object.assign(new Error(), { message: undefined }),
  ];
  for (const portable of [true, false]) {
    const service = serviceOf(
      {
        now: (c) => {
          c.setData({ dropped: true });
          throw values[c.bodyValue<number>()];
        },
        data: (c) => c.replyWith(c.dataValue() ?? null),
      },
      { portable },
    );
    const engine = await h.startEngine({ shards: 0, service });
    for (const [i] of values.entries()) {
      const id = h.id(i + 1);
      const { session } = await engine.register(id);
      const reply = await engine.request(id, session, 1, 'now', i).catch((error) => error);
      expect(reply, `value ${i}`).toMatchObject({ status: 'failed' });
      expect(await engine.call(id, 'data')).toMatchObject({ body: null });
    }
    await h.checkTables(engine);
  }
});

test('whatever a promise rejects with becomes a failed reply', async () => {
  const values: unknown[] = ['text', undefined, Symbol('x'), { text: 5 }];
  const service = serviceOf({ later: (c) => Promise.reject(values[c.bodyValue<number>()]) });
  const engine = await h.startEngine({ shards: 0, service });
  for (const [i] of values.entries()) {
    const id = h.id(i + 1);
    const { session } = await engine.register(id);
    const reply = await engine.request(id, session, 1, 'later', i);
    expect(reply).toMatchObject({ status: 'failed' });
    expect(await engine.call(id, 'later', i)).toMatchObject({ status: 'failed' });
  }
});

test('a portable service that returns a promise fails, whatever becomes of it', async () => {
  const service = serviceOf(
    {
      later: async () => {},
      reject: async () => {
        throw new Error('late');
      },
      ok: () => {},
    },
    { portable: true },
  );
  const engine = await h.startEngine({ shards: 0, service });
  const view = engine.view();
  const { session } = view.register(A);
  const failed = { status: 'failed', body: expect.stringContaining('promise') };
  expect(view.request(A, session, 1, 'later')).toMatchObject(failed);
  expect(await engine.request(A, session, 2, 'reject')).toMatchObject(failed);
  expect(view.call(A, 'later')).toMatchObject(failed);
  expect(await engine.call(A, 'reject')).toMatchObject(failed);
  expect(view.request(A, session, 3, 'ok')).toMatchObject({ status: 'ok', body: null });
  await h.checkTables(engine);
});

test('a reply of no bytes is nil, as when the data that it copies was never written', async () => {
  const service = serviceOf({
    copy: ({ data, reply }) => reply.copy(data.words, data.word, data.length),
  });
  const engine = await h.startEngine({ shards: 0, service });
  const { session } = await engine.register(A);
  expect(await engine.request(A, session, 1, 'copy')).toMatchObject({ status: 'ok', body: null });
  expect(await engine.call(A, 'copy')).toMatchObject({ status: 'ok', body: null });
});

test.each([6, 256, -1, 1.5, Number.NaN])('a status of %s becomes failed', async (status) => {
  const set = (context: ServiceContext): void => {
    context.status = status;
  };
  const service = serviceOf({ now: set, later: async (context) => set(context) });
  const engine = await h.startEngine({ shards: 0, service });
  const { session } = await engine.register(A);
  expect(await engine.request(A, session, 1, 'now')).toMatchObject({ status: 'failed' });
  const later = engine.request(A, session, 2, 'later');
  expect(await h.success(later)).toMatchObject({ status: 'failed' });
});

describe.each([0, 1])('a careless operation on %i shards', (shards) => {
  test('that writes although it says it only reads, fails and ends no worker', async () => {
    const engine = await h.startEngine({ shards, service: gates, executeTimeoutMs: 2000 });
    const { session } = await engine.register(A);
    await engine.register(B);
    const waiting = engine.request(A, session, 1, 'wait', 'gate');
    await engine.call(B, 'read');
    const threads = engine.threads.map(({ threadId }) => threadId);
    const call = h.success(engine.call(A, 'writeAlthoughReadOnly'));
    expect(await call).toMatchObject({ status: 'failed' });
    await engine.call(B, 'open', 'gate');
    expect(await h.success(waiting)).toMatchObject({ status: 'ok', body: { n: 1 } });
    expect(engine.threads.map(({ threadId }) => threadId)).toEqual(threads);
  });

  test('that uses the context of an answered request changes nobody else', async () => {
    const engine = await h.startEngine({ shards, service: gates, executeTimeoutMs: 2000 });
    const [a, b, c] = h.idsOfShard(engine, 0, 3);
    const sessions: number[] = [];
    for (const id of [a, b, c]) sessions.push((await engine.register(id)).session);
    await engine.request(a, sessions[0], 1, 'keep');
    const waiting = engine.request(b, sessions[1], 1, 'countAndWait', 'gate');
    await engine.call(c, 'useKept');
    await engine.call(c, 'open', 'gate');
    expect(await waiting).toMatchObject({ status: 'ok', body: { n: 1, body: 'gate' } });
    expect(await engine.call(b, 'read')).toMatchObject({ body: { n: 1 } });
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
  });

  test('that writes once more after its promise settled changes nothing', async () => {
    const engine = await h.startEngine({ shards, service: gates });
    const { session } = await engine.register(A);
    const reply = h.success(engine.request(A, session, 1, 'settleAndWrite', 'x'));
    expect(await reply).toMatchObject({ status: 'ok', body: { n: 1, body: 'x' } });
    expect(await engine.call(A, 'read')).toMatchObject({ body: { n: 1 } });
  });

  test('that was given up may go on with its context to no effect', async () => {
    const engine = await h.startEngine({ shards, service: gates, executeTimeoutMs: 10 });
    const { session } = await engine.register(A);
    const failed = await engine.request(A, session, 1, 'waitKeeping', 'gate');
    expect(failed).toMatchObject({ status: 'failed' });
    const { body } = await engine.call(A, 'useKept');
    expect(body).toBe(2);
    await engine.call(A, 'open', 'gate');
    expect(await engine.call(A, 'read')).toMatchObject({ body: null });
    expect(await engine.request(A, session, 2, 'count')).toMatchObject({ body: { n: 1 } });
  });
});
