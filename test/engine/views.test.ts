/** Races of synchronous views, each brought about on purpose. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { Arena } from '../../dist/core/arena.js';
import { Ledger } from '../../dist/core/ledger.js';
import { SessionTable } from '../../dist/core/session-table.js';
import { checkOptions } from '../../dist/embedding/options.js';
import { EngineView } from '../../dist/embedding/view.js';
import { serve } from '../../dist/serve.js';
import { checkService } from '../../dist/services/service.js';
import { sessionData } from '../../dist/services/session-data.js';
import { connect } from '../../dist/transport/client/connection.js';
import { Clock } from '../../dist/workers/clock.js';
import { createShardMemory } from '../../dist/workers/shard-memory.js';
import * as h from './helpers.ts';
import { AttachedThread } from './thread.ts';

const A = h.id(1);
const B = h.id(2);
const OWNER_WORD = 32;

/** Runs something at the moment at which a shard is let go, as another thread could. */
function afterRelease(memory: SharedArrayBuffer, run: () => void): void {
  const store = Atomics.store as (words: Int32Array, index: number, value: number) => number;
  let isInside = false;
  const spied = (words: Int32Array, index: number, value: number): number => {
    const result = store(words, index, value);
    if (words.buffer === memory && index === OWNER_WORD && value === 0 && !isInside) {
      isInside = true;
      run();
      isInside = false;
    }
    return result;
  };
  const spy = vi.spyOn(Atomics, 'store').mockImplementation(spied as never);
  onTestFinished(() => spy.mockRestore());
}

test('a view hears its own answer, whatever others run once it let go of the shard', async () => {
  const engine = await h.startEngine({ shards: 0 });
  const [one, two] = [engine.view(), engine.view()];
  const { session } = one.register(A);
  two.register(B);
  let n = 0;
  afterRelease(engine.memory.arenas[0], () => {
    n += 1;
    two.call(B, 'echo', 'the other');
    two.request(A, session, n, 'echo', 'later');
  });
  expect(one.call(A, 'echo', 'mine')).toMatchObject({ body: 'mine' });
  vi.restoreAllMocks();
  const next = n + 1;
  afterRelease(engine.memory.arenas[0], () => {
    two.request(A, session, next + 1, 'echo', 'later');
    two.close(B);
  });
  expect(one.request(A, session, next, 'echo', 'mine')).toMatchObject({ body: 'mine' });
});

test('a view of an engine without workers pushes evictions to TCP clients at once', async () => {
  const server = await serve({ shards: 0, sessionsMax: 1, port: 0 });
  const connection = await connect({ port: server.address.port });
  try {
    const session = await connection.session({ id: A });
    const states: string[] = [];
    session.on('state', (state) => states.push(state));
    server.engine.view().register(B);
    await h.until(() => states.length > 0);
    expect(states).toEqual(['evicted']);
  } finally {
    await connection.close();
    await server.stop();
  }
});

test('a view in the thread of the front end may evict any number of its sessions', async () => {
  const count = 20_000;
  const small = { dataBytesMax: 16, replyBytesMax: 16 };
  const engine = await h.startEngine({ shards: 0, sessionsMax: count, ...small });
  for (let n = 1; n <= count; n++) await engine.register(h.id(n));
  const view = engine.view();
  let done = 0;
  try {
    for (let n = 1; n <= count; n++, done++) view.register(h.id(count + n));
  } catch (error) {
    expect(error, `after ${done} evictions`).toBeUndefined();
  }
  expect(engine.sessions).toBe(count);
});

test('a thread that ends does not undo what the next one with its number began', async () => {
  const service = h.beside('./services/counter.mjs');
  const engine = await h.startEngine({ shards: 1, service, sessionsMax: 16 });
  const { session } = await engine.register(A);
  const thread = await AttachedThread.start(engine);
  const held = h.holdShard(engine, 0);
  await thread.end();
  for (let i = 0; i < 100; i++) await h.nextTurn();
  const view = engine.view();
  held.release();
  const begun = view.begin(A, session, 1);
  expect(begun.verdict).toBe('execute');
  for (let i = 0; i < 100; i++) await h.nextTurn();
  view.commit(begun, 'mine');
  expect(view.begin(A, session, 1)).toMatchObject({ verdict: 'replay' });
});

test('a view executes whatever the number of shards', () => {
  const limits = { sessionsMax: 4, dataBytesMax: 16, replyBytesMax: 16, bodyBytesMax: 16 };
  const { sharding } = checkOptions({ shards: 128, ...limits });
  const memory = createShardMemory(sharding, 1, false);
  const ledger = new Ledger(memory.ledger);
  for (const arena of memory.arenas) {
    new SessionTable(new Arena(arena), ledger, new Float64Array(1), 1).start();
  }
  const view = new EngineView(memory, checkService(sessionData), 1, {
    closed: () => {},
    relieve: () => {},
  });
  const { session } = view.register(A);
  expect(view.request(A, session, 1, 'echo', 5)).toMatchObject({ body: 5 });
});

test('a clock agrees with the others although its thread was interrupted while it began', () => {
  const now = performance.now.bind(performance);
  const lateMs = 40;
  // The thread stands still just before its first look at this time.
  const spy = vi.spyOn(performance, 'now').mockImplementationOnce(() => now() + lateMs);
  const clock = new Clock();
  spy.mockRestore();
  const other = new Clock();
  clock.read();
  other.read();
  expect(Math.abs(clock.cell[0] - other.cell[0])).toBeLessThan(lateMs / 2);
});

test('an engine is not idle while somebody runs a shard and may owe an answer', async () => {
  const engine = await h.startEngine({ shards: 1, run: 'worker' });
  await engine.register(A);
  await h.until(() => engine.router.isIdle());
  // As between the commit of a promise, which unpins its session, and the answer's publication.
  const held = h.holdShard(engine, 0);
  const isIdle = engine.router.isIdle();
  held.release();
  expect(isIdle).toBe(false);
  await h.until(() => engine.router.isIdle());
});
