/**
 * A shard's loop and its front end in one thread, step by step, where threads would only now and
 * then show what happens between two of their steps.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { Kind, Message, RegisterFlag } from '../../src/core/message.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import type { ServiceContext } from '../../src/services/context.ts';
import { type CheckedService, checkService } from '../../src/services/service.ts';
import { Answer, AnswerKind } from '../../src/workers/answer.ts';
import { Doorbell } from '../../src/workers/doorbell.ts';
import { Outboxes } from '../../src/workers/outboxes.ts';
import { pushMessage, readAnswer } from '../../src/workers/records.ts';
import { Ring } from '../../src/workers/ring.ts';
import { Router } from '../../src/workers/router.ts';
import { ShardLoop } from '../../src/workers/shard-loop.ts';
import { createShardMemory, type ShardMemory } from '../../src/workers/shard-memory.ts';
import { idWords, setBody } from '../core/helpers.ts';

/** More than a ring with room for every promise holds of the long replies below. */
const SESSIONS = 800;

function memoryOf(replyBytesMax: number): ShardMemory {
  const memory = createShardMemory(
    {
      shards: 1,
      sessionsMax: SESSIONS,
      evicts: true,
      dataBytesMax: 64,
      ratePerSecond: 0,
      rateBurst: 0,
      replyBytesMax,
      bodyBytesMax: 64,
      ttlDefaultMs: 3_600_000,
      executeTimeoutMs: 30_000,
      seedA: 1,
      seedB: 2,
      commitsBefore: 0,
      serviceUrl: '',
    },
    1,
    true,
  );
  const table = tableOf(memory);
  table.start();
  return memory;
}

function tableOf(memory: ShardMemory): SessionTable {
  const ledger = new Ledger(memory.ledger);
  return new SessionTable(new Arena(memory.arenas[0]), ledger, new Float64Array(1), 9);
}

/** A front end that pushes messages and reads answers only when it is told to. */
class Lane {
  readonly messages: Ring;
  readonly answers: Ring;
  readonly #doorbell: Doorbell;
  readonly #table: SessionTable;

  constructor(memory: ShardMemory) {
    this.messages = new Ring(memory.lanes[0].messages[0]);
    this.answers = new Ring(memory.lanes[0].answers[0]);
    this.#doorbell = new Doorbell(memory.doorbells[0]);
    this.#table = tableOf(memory);
  }

  push(kind: Kind, id: number, session = 0): void {
    const m = new Message();
    m.kind = kind;
    m.token = 1;
    [m.id0, m.id1, m.id2, m.id3] = idWords(id);
    m.hash = this.#table.hash(m.id0, m.id1, m.id2, m.id3);
    m.sessionLow = session;
    if (kind === Kind.REGISTER) m.flags = RegisterFlag.TTL;
    m.ttlMs = -1;
    if (kind === Kind.REQUEST) m.request = 1;
    setBody(m, Uint8Array.of(0xc0));
    expect(pushMessage(this.messages, m)).toBe(true);
    this.messages.publish();
    this.#doorbell.ring();
  }

  /** Takes up to `count` answers that lie in the ring; returns their kinds. */
  read(count = Number.POSITIVE_INFINITY): { kind: AnswerKind; session: number; id: number }[] {
    const read: { kind: AnswerKind; session: number; id: number }[] = [];
    const a = new Answer();
    for (let at = this.answers.peek(); at >= 0 && read.length < count; at = this.answers.peek()) {
      readAnswer(this.answers, at, a);
      this.answers.take(at);
      read.push({ kind: a.kind, session: a.sessionLow, id: a.id3 });
    }
    this.answers.release();
    return read;
  }
}

const nextTurn = (): Promise<void> => new Promise(setImmediate);

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Replies with as much as a reply may hold, at once or in a later turn. */
function serviceOf(replyBytes: number, isAsync: boolean): CheckedService {
  const reply = (context: ServiceContext): void => context.replyWith(new Uint8Array(replyBytes));
  const later = async (context: ServiceContext): Promise<void> => {
    await nextTurn();
    reply(context);
  };
  const execute = isAsync ? later : reply;
  return checkService({ name: 'test', operations: { fill: { number: 0, execute } } });
}

/** Runs a loop while `body` plays the front end; fails with what the loop failed with. */
async function withLoop(
  memory: ShardMemory,
  checked: CheckedService,
  body: (lane: Lane) => Promise<void>,
): Promise<void> {
  const lane = new Lane(memory);
  const running = new ShardLoop(memory, 0, 1, checked).run();
  await Promise.race([running, body(lane)]);
  Atomics.store(new Int32Array(memory.stopping), 0, 1);
  new Doorbell(memory.doorbells[0]).wake();
  lane.read();
  await running;
}

async function registered(lane: Lane, count: number): Promise<number[]> {
  const sessions: number[] = [];
  for (let id = 1; id <= count; id++) lane.push(Kind.REGISTER, id);
  while (sessions.length < count) {
    await nextTurn();
    for (const { session } of lane.read()) sessions.push(session);
  }
  return sessions;
}

it.each([
  ['at once', false],
  ['in a later turn', true],
] as const)('a front end that reads slowly gets all long replies given %s', async (_, isAsync) => {
  // So long that the answer ring is left with room for one message, and none for a promise too.
  const replyBytes = 45_000;
  const memory = memoryOf(replyBytes + 16);
  await withLoop(memory, serviceOf(replyBytes, isAsync), async (lane) => {
    const sessions = await registered(lane, SESSIONS);
    for (const [i, session] of sessions.entries()) {
      lane.push(Kind.REQUEST, i + 1, session);
      // Not more promises at a time than a thread keeps.
      if (i % 100 === 0) await turns(20);
    }
    // The answer ring fills up; the loop has to leave messages where they are.
    await turns(2_000);
    const ids = new Set<number>();
    while (ids.size < SESSIONS) {
      for (const { kind, id } of lane.read(1)) {
        expect([kind, ids.has(id)]).toEqual([AnswerKind.REPLY, false]);
        ids.add(id);
      }
      // Room for one more message, and for long no more than that.
      await turns(20);
    }
  });
});

it('a front end does not think that all is answered before the answers are published', async () => {
  const memory = memoryOf(64);
  const checked = serviceOf(8, false);
  const options = { frontEnd: 0, runner: 2, run: 'worker', cores: 2 } as const;
  const router = new Router(memory, checked, { ...options, onProgress: () => {} });
  const publish = vi.spyOn(Outboxes.prototype, 'publish');
  const seen: boolean[] = [];
  publish.mockImplementation(function (this: Outboxes) {
    seen.push(router.isIdle());
    publish.mockRestore();
    return this.publish();
  });
  const lane = new Lane(memory);
  const m = new Message();
  m.kind = Kind.CLOSE;
  m.token = router.open({ answer: () => {} });
  [m.id0, m.id1, m.id2, m.id3] = idWords(1);
  router.begin(0);
  router.submit(m);
  router.end();
  expect(lane.messages.isEmpty()).toBe(false);
  const running = new ShardLoop(memory, 0, 1, checked).run();
  while (seen.length === 0) await nextTurn();
  expect(seen).toEqual([false]);
  Atomics.store(new Int32Array(memory.stopping), 0, 1);
  new Doorbell(memory.doorbells[0]).wake();
  await running;
  router.stop();
});
