/**
 * A worker that dies at a chosen point, and one that dies while it takes over: whoever asked gets
 * one answer, and nothing is executed twice.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { Arena } from '../../dist/core/arena.js';
import { checkInvariants } from '../../dist/core/invariants.js';
import { Header } from '../../dist/core/layout.js';
import { Ledger } from '../../dist/core/ledger.js';
import { Message } from '../../dist/core/message.js';
import { SessionTable } from '../../dist/core/session-table.js';
import { Callers } from '../../dist/embedding/callers.js';
import { setId } from '../../dist/embedding/encoding.js';
import { checkOptions } from '../../dist/embedding/options.js';
import { checkService } from '../../dist/services/service.js';
import { Executions } from '../../dist/workers/executions.js';
import { Executor } from '../../dist/workers/executor.js';
import { Outboxes } from '../../dist/workers/outboxes.js';
import { release, tryAcquire } from '../../dist/workers/owner.js';
import { readMessage } from '../../dist/workers/records.js';
import { Ring } from '../../dist/workers/ring.js';
import { Router } from '../../dist/workers/router.js';
import { createShardMemory, meterOf, type ShardMemory } from '../../dist/workers/shard-memory.js';
import { takeOver } from '../../dist/workers/take-over.js';
import * as h from './helpers.ts';

const WORKER = 1;
const A = h.id(1);
/** A register's kind, and its flag for a session of the connection. */
const REGISTER = 1;
const SCOPED = 4;

class Death extends Error {}

/** What a worker has, over the memory that outlives it. */
class FakeWorker {
  readonly table: SessionTable;
  readonly outboxes: Outboxes;
  readonly ring: Ring;
  readonly executor: Executor;
  readonly executions = new Executions(1000, 1000, 1, () => {});

  constructor(memory: ShardMemory, checked: ReturnType<typeof checkService>) {
    const now = new Float64Array([performance.now()]);
    const ledger = new Ledger(memory.ledger);
    this.table = new SessionTable(new Arena(memory.arenas[0]), ledger, now, WORKER);
    this.outboxes = new Outboxes(memory, 0);
    this.ring = new Ring(memory.lanes[0].messages[0]);
    const meter = meterOf(memory, 0);
    this.executor = new Executor(this.table, checked, this.outboxes, this.executions, meter);
  }

  /** Runs one message as the loop of a worker does. */
  runNext(): void {
    const { ring, executor, outboxes } = this;
    expect(tryAcquire(this.table.arena.words, WORKER)).toBe(true);
    const at = ring.peek();
    expect(at).toBeGreaterThan(0);
    ring.startRecord(at, this.table.arena.floats, Header.COMMITS / 2);
    const m = new Message();
    readMessage(ring, at, m);
    const outcome = executor.run(m);
    if (outcome !== 0) outboxes.emitOutcome(m, outcome);
    ring.finishRecord();
    ring.release();
    this.#letGo();
  }

  /** Commits what has settled, as the loop of a worker does. */
  commitSettled(): void {
    expect(tryAcquire(this.table.arena.words, WORKER)).toBe(true);
    this.executions.commitSettled(this.executor);
    this.#letGo();
  }

  takeOver(): void {
    takeOver(this.executor, this.outboxes, [this.ring], WORKER);
    this.#letGo();
  }

  #letGo(): void {
    this.outboxes.publish();
    release(this.table.arena.words);
  }
}

/** Points at which a thread can be stopped, by what it was about to do or had just done. */
const DEATHS: Record<string, (worker: FakeWorker) => void> = {
  'before it commits': ({ table }) => {
    table.commit = table.commitCall = () => {
      throw new Death();
    };
  },
  'before it answers': ({ outboxes }) => {
    outboxes.emit = () => {
      throw new Death();
    };
  },
  'after it answered': ({ outboxes }) => {
    const emit = outboxes.emit.bind(outboxes);
    outboxes.emit = (answer) => {
      emit(answer);
      throw new Death();
    };
  },
  'before it notes that it is done': ({ ring }) => {
    ring.finishRecord = () => {
      throw new Death();
    };
  },
};

function start() {
  let executions = 0;
  const execute = (context: { replyWith(value: unknown): void }): void => {
    executions += 1;
    context.replyWith(executions);
  };
  const count = { number: 0, unsequenced: true, execute };
  const later = { number: 1, unsequenced: true, execute: async (c: never) => execute(c) };
  const service = { name: 'x', operations: { count, later } };
  const checked = checkService(service);
  const { sharding } = checkOptions({ shards: 1, sessionsMax: 1, ttlMs: null });
  const memory = createShardMemory(sharding, 1, true);
  const fresh = () => new FakeWorker(memory, checked);
  fresh().table.start();
  const router = new Router(memory, checked, {
    frontEnd: 0,
    runner: WORKER + 1,
    run: 'worker',
    cores: 2,
    onProgress: () => {},
  });
  onTestFinished(() => router.stop());
  const callers = new Callers(router, checked, { bodyBytesMax: 1000, dataBytesMax: 1000 });
  const register = (id: string) => {
    const registered = callers.register(id, {});
    fresh().runNext();
    return registered;
  };
  return { fresh, router, callers, register, count: () => executions };
}

type Engine = ReturnType<typeof start>;

type How = 'runNext' | 'takeOver' | 'commitSettled';

function die(engine: Engine, death: string, how: How, worker = engine.fresh()): void {
  DEATHS[death](worker);
  try {
    worker[how]();
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  }
}

async function answered<T>(engine: Engine, promise: Promise<T>): Promise<T> {
  engine.fresh().takeOver();
  engine.router.poll();
  const value = await h.success(promise);
  checkInvariants(engine.fresh().table);
  return value;
}

describe.each(Object.keys(DEATHS))('a worker that dies %s', (death) => {
  test('answers its request once and never executes it again', async () => {
    const engine = start();
    const { session } = await engine.register(A);
    const asked = engine.callers.request(A, session, 1, 'count', 'x');
    die(engine, death, 'runNext');
    const reply = await answered(engine, asked);
    expect(reply.status).toBe(death === 'before it commits' ? 'failed' : 'ok');
    expect(engine.count()).toBe(1);
    const again = engine.callers.request(A, session, 1, 'count', 'x');
    engine.fresh().runNext();
    expect(await h.success(again)).toEqual({ ...reply, replayed: true });
    expect(engine.count()).toBe(1);
  });

  test('is taken over by one that dies in the same place, to the same end', async () => {
    const engine = start();
    const { session } = await engine.register(A);
    const asked = engine.callers.request(A, session, 1, 'count', 'x');
    die(engine, 'before it commits', 'runNext');
    die(engine, death, 'takeOver');
    expect((await answered(engine, asked)).status).toBe('failed');
    expect(engine.count()).toBe(1);
  });

  test('answers its call, which is not run again', async () => {
    const engine = start();
    await engine.register(A);
    const asked = engine.callers.call(A, 'count', 'x');
    die(engine, death, 'runNext');
    const reply = await answered(engine, asked);
    expect(reply.status).toBe(death === 'before it commits' ? 'failed' : 'ok');
    expect(engine.count()).toBe(1);
  });

  test.each(['request', 'call'])('answers the %s whose promise it was committing', async (kind) => {
    const engine = start();
    const { session } = await engine.register(A);
    const asked =
      kind === 'call'
        ? engine.callers.call(A, 'later', 'x')
        : engine.callers.request(A, session, 1, 'later', 'x');
    const worker = engine.fresh();
    worker.runNext();
    await h.nextTurn();
    die(engine, death, 'commitSettled', worker);
    await answered(engine, asked);
    expect(engine.count()).toBe(1);
  });

  test('ends the session whose connection went while its promise was pending', async () => {
    const engine = start();
    const { session } = await engine.register(A);
    const asked = engine.callers.request(A, session, 1, 'later', 'x');
    const worker = engine.fresh();
    worker.runNext();
    engine.router.disconnect(h.scopedSession(A, session));
    await h.nextTurn();
    worker.runNext();
    die(engine, death, 'commitSettled', worker);
    await answered(engine, asked);
    expect(engine.router.ledger.sessions()).toBe(0);
  });

  test('answers its register so that the session stays bound to its connection', async () => {
    const engine = start();
    const answers: boolean[] = [];
    const m = new Message();
    setId(m, A);
    m.kind = REGISTER;
    m.flags = SCOPED;
    m.token = engine.router.open({
      answer: (a) => answers.push(a.value === 1 && !a.again),
    });
    engine.router.begin(0);
    engine.router.submit(m);
    engine.router.end();
    die(engine, death, 'runNext');
    engine.fresh().takeOver();
    engine.router.poll();
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.every((isBound) => isBound)).toBe(true);
  });

  test('answers its register, also one that must evict', async () => {
    const engine = start();
    await engine.register(A);
    const asked = engine.callers.register(h.id(2), {});
    let settled = false;
    const registered = h.success(asked).finally(() => {
      settled = true;
    });
    // Register finds no room, evict, register again: each step meets a death.
    for (let steps = 0; steps < 8 && !settled; steps++) {
      if (engine.fresh().ring.peek() < 0) break;
      die(engine, death, 'runNext');
      engine.fresh().takeOver();
      engine.router.poll();
      await h.nextTurn();
    }
    expect(await registered).toMatchObject({ request: 0 });
    checkInvariants(engine.fresh().table);
    expect(engine.router.ledger.sessions()).toBe(1);
  });
});
